//! Keys of `watchbell try`: `b` burns a core, `a` acknowledges, `q` quits.
//!
//! A closed or redirected standard input is fine: then there are no keys.

use std::io::{IsTerminal, Read};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;
use tracing::warn;
use watchbell_paging::command::{Actor, Command, Surface};
use watchbell_paging::view::IncidentState;

use crate::app::Handle;
use crate::cli::out::Out;
use crate::cli::stock::person;
use crate::control::Control;

/// Reads keys until the input ends; to be called inside the runtime.
pub(crate) fn listen(handle: Handle) {
    if !std::io::stdin().is_terminal() {
        return;
    }
    let runtime = Runtime::current();
    let started = std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
        let mut key = [0; 1];
        while std::io::stdin().read_exact(&mut key).is_ok() {
            match key[0] {
                b'b' | b'B' => runtime.block_on(burn(&handle)),
                b'a' | b'A' => runtime.block_on(acknowledge(&handle)),
                b'q' | b'Q' => break,
                _ => {}
            }
        }
        // Whether the end of input or `q`: a terminal that closes means to quit.
        handle.stop.send_replace(true);
    });
    if let Err(error) = started {
        warn!(%error, "keys do nothing; use the commands in another terminal");
    }
}

async fn burn(handle: &Handle) {
    let out = Out::new(false);
    let (answer, answered) = oneshot::channel();
    if handle.controls.send(Control::Drill("cpu".to_owned(), answer)).await.is_err() {
        return;
    }
    match answered.await {
        Ok(Ok(started)) => out.line(started.text),
        Ok(Err(why)) => out.line(why),
        Err(_) => {}
    }
}

async fn acknowledge(handle: &Handle) {
    let out = Out::new(false);
    let view = handle.desk.view();
    let waiting = view.incidents.iter().find(|one| one.state == IncidentState::Triggered);
    let Some(incident) = waiting else {
        out.line("no page waits for an answer");
        return;
    };
    let by = Actor { name: person(), program: false, surface: Surface::Cli };
    let command = Command::Ack { incident: incident.id, by, note: None };
    if handle.desk.ask(command).await.is_ok() {
        out.line(format!("#{} is yours", incident.id));
    }
}

/// Has keys handed over one by one while it lives, and puts the terminal back at the end.
#[derive(Debug)]
pub(crate) struct SingleKeys(Option<Termios>);

impl SingleKeys {
    /// Changes the terminal, if standard input is one.
    pub(crate) fn new() -> Self {
        let Ok(before) = tcgetattr(std::io::stdin()) else { return Self(None) };
        let mut single = before.clone();
        single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        match tcsetattr(std::io::stdin(), OptionalActions::Now, &single) {
            Ok(()) => Self(Some(before)),
            Err(_) => Self(None),
        }
    }
}

impl Drop for SingleKeys {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, before)
        {
            warn!(%error, "the terminal could not be put back; type `reset`");
        }
    }
}
