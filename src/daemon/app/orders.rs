//! What the daemon itself is asked for: reloads and drills.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};
use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::{Level, RuleName};
use watchbell_paging::command::{Answer, Command};
use watchbell_paging::engine::{Input, PostedAlert};

use crate::app::{App, heartbeat_of, tokens_of};
use crate::control::{Control, DrillStarted};
use crate::links::Links;
use crate::live::Live;
use crate::reload::{self, Refused};
use crate::{drill, scrape, systemd};

/// How long a refused reload is told of, unless it is mended before.
const REFUSED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

impl App {
    pub(super) async fn handle_control(&mut self, control: Control) {
        let heard = match control {
            Control::Reload(answer) => answer.send(self.reload().await).is_ok(),
            Control::Drill(name, answer) => answer.send(self.drill(&name).await).is_ok(),
        };
        if !heard {
            tracing::debug!("whoever asked has gone");
        }
    }

    pub(super) async fn reload(&mut self) -> Result<(), String> {
        systemd::reloading();
        let done = self.try_reload().await;
        let now = self.clock.now();
        let mut live = Live::clone(&self.live.load());
        live.loaded_at = now;
        live.refused = done.as_ref().err().cloned();
        self.live.store(Arc::new(live));
        self.metrics.reload_successful.set(i64::from(done.is_ok()));
        self.tell_of_reload(done.is_ok()).await;
        systemd::ready();
        self.say_status();
        done
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let loaded = reload::read(&self.setup.path, self.setup.files.as_ref())
            .map_err(|refused: Refused| refused.to_string())?;
        let config = loaded.config;
        let faults = scrape::faults(&config);
        if !faults.is_empty() {
            return Err(faults.join("\n"));
        }
        if config.http.listen != self.setup.config.http.listen {
            warn!("[http] listen takes effect with the next start");
        }
        if config.daemon.state != self.setup.config.daemon.state {
            warn!("[daemon] state takes effect with the next start");
        }
        let heartbeat = heartbeat_of(&config)?;
        let tokens = tokens_of(&config).map_err(|error| error.to_string())?;
        let links = Links::new(self.key, &config.http.url);
        self.notifier.reconfigure(&config, links).map_err(|error| error.to_string())?;
        self.scrapes.reconfigure(Arc::clone(&config)).await.map_err(|error| error.to_string())?;
        self.keep.set(&scrape::retention_of(&config));
        self.tokens.store(Arc::new(tokens));
        self.start_heartbeat(heartbeat);
        let settings = Arc::clone(&config.settings);
        self.inputs
            .send(Input::Configured(settings))
            .await
            .map_err(|_| "the daemon is stopping".to_owned())?;
        let mut live = Live::clone(&self.live.load());
        live.config = Arc::clone(&config);
        self.live.store(Arc::new(live));
        info!(rules = config.rules.len(), "the new configuration is in force");
        Ok(())
    }

    /// A refused configuration is an alert of our own, which ends with the next good one.
    async fn tell_of_reload(&self, good: bool) {
        let now = self.clock.now();
        let labels = [
            ("alertname", "WatchbellReloadFailed"),
            ("severity", "warning"),
            ("source", "watchbell"),
        ];
        let alert = PostedAlert {
            labels: Labels::from_pairs(labels),
            annotations: vec![(
                "summary".to_owned(),
                "the newest configuration was refused; the one before it runs".to_owned(),
            )],
            starts_at: now,
            ends_at: if good { now } else { now.plus(REFUSED_FOR) },
        };
        // Not waited for: with a full disk that would hold up every later signal.
        if self.handle.desk.hand_in(vec![alert]).await.is_err() {
            warn!("the daemon is stopping; the reload is not told of");
        }
    }

    async fn drill(&self, name: &str) -> Result<DrillStarted, String> {
        match name {
            "cpu" => self.drills.start_cpu(&self.live.load().config).await,
            "page" => self.drill_page().await,
            _ => Err(format!("there is no drill {name:?}; there are cpu and page")),
        }
    }

    async fn drill_page(&self) -> Result<DrillStarted, String> {
        let command = Command::SetLevel {
            rule: RuleName::new(drill::PAGE_RULE),
            labels: Labels::from_pairs([("drill", "page")]),
            level: Level::Critical,
            summary: Some("somebody tries the paging path; acknowledge to pass".to_owned()),
            drill: true,
        };
        let answer = self.handle.desk.ask(command).await.map_err(|error| error.to_string())?;
        let incident = match answer {
            Answer::Incident(incident) | Answer::Already { incident, .. } => {
                Some(incident.id.to_string())
            }
            Answer::Refused(refusal) => return Err(refusal.to_string()),
            Answer::Silence(_) | Answer::Done => None,
        };
        Ok(DrillStarted {
            id: incident.clone().unwrap_or_else(|| drill::PAGE_RULE.to_owned()),
            rule: drill::PAGE_RULE.to_owned(),
            incident,
            text: "a marked critical page is on its way; acknowledge and resolve it".to_owned(),
        })
    }
}
