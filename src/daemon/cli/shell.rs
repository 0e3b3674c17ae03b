//! `schema`, `completions`, `man`: what other programs read about this one.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::out::{Exit, Failure};
use crate::cli::{Cli, Context};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn schema(context: &Context) -> Result<Exit, Failure> {
    context.out.value(&watchbell_config::schema::schema())?;
    Ok(Exit::Ok)
}

pub(crate) fn completions(context: &Context, args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "watchbell", &mut script);
    context.out.text(&String::from_utf8_lossy(&script));
    Exit::Ok
}

pub(crate) fn man(context: &Context) -> Result<Exit, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Failure::problem(format!("writing the manual page: {error}")))?;
    context.out.text(&String::from_utf8_lossy(&page));
    Ok(Exit::Ok)
}
