//! The program: words in, one exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    watchbell::cli::main(std::env::args_os())
}
