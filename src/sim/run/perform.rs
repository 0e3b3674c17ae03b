//! Carries out what a step does, as a person or the world would.

use std::sync::Arc;
use std::time::Duration;

use watchbell_paging::command::{Actor, Command, Surface};
use watchbell_paging::duty::Override;
use watchbell_paging::view::IncidentView;

use super::script::{Deed, Substitution, Verb, When};
use super::{Stage, judge, setup};
use crate::collector::RuleSet;
use crate::world::WorldError;

/// How long an override lasts that does not say.
const OVERRIDE_LASTS: Duration = Duration::from_secs(24 * 3600);

impl Stage<'_> {
    pub(crate) fn perform(&mut self, deed: &Deed, line: usize) -> Result<(), WorldError> {
        match deed {
            Deed::Set { rule, labels, level } => {
                let (rule, labels) = (rule.clone(), labels.clone());
                self.world.note(format!("{rule} is set to {level}"));
                let (summary, drill) = (None, false);
                self.ask(Command::SetLevel { rule, labels, level: *level, summary, drill }, line)
            }
            Deed::Act { rule, labels, verb, by, note } => {
                let view = self.world.look()?;
                match judge::newest(&view, rule, labels).map(Arc::clone) {
                    Some(incident) => self.act(&incident, *verb, by, note.as_ref(), line),
                    None => {
                        self.fail(line, &format!("an incident of rule {rule}"), "none");
                        Ok(())
                    }
                }
            }
            Deed::Silence { matchers, lasts, by } => {
                let from = self.world.now();
                let reason = "scenario".to_owned();
                let (matchers, until, by) = (matchers.clone(), from.plus(*lasts), by.clone());
                self.ask(Command::Silence { matchers, from, until, reason, by }, line)
            }
            Deed::Unsilence { matchers } => self.unsilence(&matchers.to_string(), line),
            Deed::Override(substitution) => self.substitute(substitution, line),
            Deed::Channel { name, behaviour } => {
                self.world.note(format!("{name} behaves: {behaviour:?}"));
                if !self.world.providers_mut().set(name, *behaviour) {
                    self.fail(line, "a channel (slack, mail, webhook:NAME)", name);
                }
                self.world.trouble();
                Ok(())
            }
            Deed::Target { job, down } => {
                self.world.note(format!("{job} is {}", if *down { "down" } else { "up" }));
                let collector = self.world.collector_mut();
                if !collector.is_some_and(|collector| collector.set_down(job, *down)) {
                    self.fail(line, &format!("series with job {job:?}"), "none");
                }
                Ok(())
            }
            Deed::Crash { down, amid } => self.world.crash(*down, *amid),
            Deed::Reload { file } => self.reload(file),
            Deed::Clock { by_ms } => self.world.step_clock(*by_ms),
            Deed::Disk { full } => {
                self.world.set_disk_full(*full);
                Ok(())
            }
        }
    }

    fn act(
        &mut self,
        incident: &Arc<IncidentView>,
        verb: Verb,
        by: &Actor,
        note: Option<&String>,
        line: usize,
    ) -> Result<(), WorldError> {
        let (incident, by, note) = (incident.id, by.clone(), note.cloned());
        self.world.note(format!("{} does {verb:?} to incident {incident}", by.name));
        let command = match verb {
            Verb::Ack => Command::Ack { incident, by, note },
            Verb::Resolve { force } => Command::Resolve { incident, by, note, force },
            Verb::Escalate => Command::Escalate { incident, by },
            Verb::Snooze(lasts) => {
                let until = self.world.now().plus(lasts);
                Command::Snooze { incident, by, until, note }
            }
        };
        self.ask(command, line)
    }

    fn unsilence(&mut self, matchers: &str, line: usize) -> Result<(), WorldError> {
        let view = self.world.look()?;
        let now = self.world.now();
        let mut found = view.silences.iter().filter(|one| one.matchers == matchers);
        let Some(silence) = found.find(|one| now < one.until) else {
            self.fail(line, &format!("a silence of {matchers}"), "none");
            return Ok(());
        };
        let by = Actor { name: "somebody".to_owned(), program: false, surface: Surface::Scenario };
        self.ask(Command::Unsilence { id: silence.id.clone(), by }, line)
    }

    fn substitute(&mut self, asked: &Substitution, line: usize) -> Result<(), WorldError> {
        let at = |when: When| match when {
            When::After(passed) => self.at(passed),
            When::Instant(at) => at,
        };
        let from = asked.from.map_or_else(|| self.world.now(), at);
        let to = asked.to.map_or_else(|| from.plus(OVERRIDE_LASTS), at);
        let (add, remove) = (asked.add.clone(), asked.remove.clone());
        let change = Override { add, remove, from, to, why: None, by: None };
        let by = Actor { name: "somebody".to_owned(), program: false, surface: Surface::Scenario };
        self.ask(Command::Override { schedule: asked.schedule.clone(), change, by }, line)
    }

    /// A bad file changes nothing.
    fn reload(&mut self, file: &str) -> Result<(), WorldError> {
        match setup::reloaded(file, self.path, self.files) {
            Ok(config) => {
                let rules = RuleSet::of(&config);
                self.world.configure(config.settings, rules)
            }
            Err((_, words)) => {
                self.world.note(format!("{file} is refused: {words}"));
                Ok(())
            }
        }
    }

    fn ask(&mut self, command: Command, line: usize) -> Result<(), WorldError> {
        if self.world.ask(command)?.is_none() {
            self.fail(line, "an answer", "none, the daemon is down");
        }
        Ok(())
    }
}
