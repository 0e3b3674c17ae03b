//! The life of the daemon, from the first read to the last sync.
//!
//! Builds every part, joins them by channels, waits for what comes from outside, and stops them
//! in order: stop accepting, finish the turn, sync, close. It decides nothing.

mod clicks;
mod orders;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};
use watchbell_config::load::Files;
use watchbell_config::value::Config;
use watchbell_metrics::series;
use watchbell_paging::engine::{Engine, Input, RestoreError};
use watchbell_paging::id::PersonId;

use crate::clock::Clock;
use crate::control::{Control, Controls};
use crate::desk::{Desk, Picture};
use crate::drill::Drills;
use crate::evaluations::EvaluationBoard;
use crate::heartbeat::Heartbeat;
use crate::links::Links;
use crate::live::{Live, LiveBoard};
use crate::notify::{Notifier, NotifyError};
use crate::pilot::{Pilot, Pulse};
use crate::samples;
use crate::scrape::{ScrapeHandle, Scraper};
use crate::secrets::{self, Secret, SecretError};
use crate::store::{Store, StoreError};
use crate::supervise::{Kind, Supervisor};
use crate::targets::TargetBoard;
use crate::telemetry::Metrics;
use crate::{http, systemd};

/// Inputs that may wait for the engine.
const INPUTS_MAX: usize = 1024;
/// Requests of people and programs that may wait.
const REQUESTS_MAX: usize = 256;
/// How long tasks may take to finish what they have begun: attempts in flight, requests, the last
/// second of samples. With the next one and the runtime's end it stays below ten seconds.
const TASKS_GRACE: Duration = Duration::from_millis(5500);
/// How long the engine may take to finish its last turn.
const ENGINE_GRACE: Duration = Duration::from_millis(2500);
/// A timer that is later than this withholds the heartbeat.
const LATE_MAX: Duration = Duration::from_secs(30);

/// What a daemon is built from.
pub struct Setup {
    /// The configuration's main file.
    pub path: PathBuf,
    /// Who reads it, and its includes.
    pub files: Arc<dyn Files + Send + Sync>,
    /// The configuration as it was read at the start.
    pub config: Arc<Config>,
    /// The state folder.
    pub state: PathBuf,
    /// Where HTTP is answered; bound by the caller.
    pub listener: TcpListener,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Setup")
            .field("path", &self.path)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Why a daemon cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The records cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records do not give a state.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A channel cannot be built.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Own metrics cannot be registered.
    #[error("registering own metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A part without which nothing can be promised has ended.
    #[error("the {0:?} task ended; stopping so that the supervisor starts the daemon again")]
    Ended(Kind),
}

/// A running daemon, seen from the inside of its process.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Requests to the engine, and its newest picture.
    pub desk: Desk,
    /// Requests to the daemon itself.
    pub controls: Controls,
    /// What is watched.
    pub targets: TargetBoard,
    /// The configuration in force.
    pub live: LiveBoard,
    /// Set this to stop.
    pub stop: watch::Sender<bool>,
}

/// Runs a daemon until a signal or `Handle::stop` ends it; `started` is called once it answers.
///
/// # Errors
/// It could not start, or an essential part has ended.
pub async fn run(setup: Setup, started: impl FnOnce(Handle)) -> Result<(), AppError> {
    let mut app = App::build(setup)?;
    let mut signals = Signals::new()?;
    app.start(started)?;
    let ended = app.serve(&mut signals).await;
    app.stop().await;
    ended
}

struct App {
    setup: Setup,
    clock: Arc<Clock>,
    live: LiveBoard,
    handle: Handle,
    supervisor: Supervisor,
    ended: mpsc::UnboundedReceiver<Kind>,
    controls: mpsc::Receiver<Control>,
    stopping: watch::Receiver<bool>,
    inputs: mpsc::Sender<Input>,
    metrics: Arc<Metrics>,
    key: [u8; 32],
    series: series::Store,
    evaluations: EvaluationBoard,
    keep: samples::Keep,
    tokens: http::Tokens,
    notifier: Notifier,
    scrapes: ScrapeHandle,
    drills: Drills,
    ready: Arc<AtomicBool>,
    began: watch::Receiver<bool>,
    pulse: Arc<ArcSwap<Pulse>>,
    pilot: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    parts: Option<Parts>,
    /// Tasks whose end a stop waits for.
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Dropped to end the running heartbeat.
    beating: Option<oneshot::Sender<()>>,
}

/// What is handed to tasks when they start.
struct Parts {
    pilot: Pilot,
    scraper: Scraper,
    deliveries: mpsc::UnboundedReceiver<watchbell_paging::outbox::Delivery>,
}

impl App {
    #[allow(clippy::too_many_lines, reason = "one straight list of what the daemon consists of")]
    fn build(setup: Setup) -> Result<Self, AppError> {
        let clock = Arc::new(Clock::start());
        let metrics = Arc::new(Metrics::new()?);
        let store = Store::open(&setup.state.join("watchbell.db"))?;
        let loaded = store.load()?;
        let key = store.key();
        let records = loaded.records.len();
        let settings = Arc::clone(&setup.config.settings);
        let engine = Engine::restore(settings, loaded.snapshot, loaded.records.into_iter())?;
        info!(records, "the state is restored");

        let retention = crate::scrape::retention_of(&setup.config);
        let keep = samples::Keep::new(&retention);
        let series = series::Store::new(retention);
        let replayed = samples::replay(&setup.state.join("samples"), &series);
        info!(samples = replayed.samples, damaged = replayed.damaged, "the windows are restored");

        let (supervisor, ended) = Supervisor::new();
        let (inputs, engine_inputs) = mpsc::channel(INPUTS_MAX);
        let (requests, engine_requests) = mpsc::channel(REQUESTS_MAX);
        let (outbox, deliveries) = mpsc::unbounded_channel();
        let (controls_in, controls) = mpsc::channel(16);
        let (stop, stopping) = watch::channel(false);
        let picture = Picture::default();
        let evaluations = EvaluationBoard::default();
        let targets = TargetBoard::default();
        let now = clock.now();
        let live: LiveBoard = Arc::new(ArcSwap::from_pointee(Live {
            config: Arc::clone(&setup.config),
            loaded_at: now,
            refused: None,
            started_at: now,
        }));
        let tokens = tokens_of(&setup.config)?;
        let links = Links::new(key, &setup.config.http.url);
        let notifier = Notifier::new(&setup.config, links, Arc::clone(&metrics))?
            .with_clock(Arc::clone(&clock));
        let scraper = Scraper::new(crate::scrape::Parts {
            config: Arc::clone(&setup.config),
            series: series.clone(),
            board: targets.clone(),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            inputs: inputs.clone(),
            supervisor: supervisor.clone(),
            picture: picture.clone(),
            evaluations: evaluations.clone(),
        });
        let (scrapes, began) = (scraper.handle(), scraper.began());
        let handle = Handle {
            desk: Desk::new(requests, picture.place()),
            controls: controls_in,
            targets,
            live: Arc::clone(&live),
            stop,
        };
        let pilot = Pilot {
            engine,
            down_since: loaded.alive,
            store,
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            picture,
            requests: engine_requests,
            inputs: engine_inputs,
            outbox,
        };
        let pulse = Pulse { at: now, late: Duration::ZERO, journal_works: true };
        Ok(Self {
            drills: Drills::new(Arc::clone(&clock), scrapes.clone(), supervisor.clone()),
            setup,
            clock,
            live,
            handle,
            supervisor,
            ended,
            controls,
            stopping,
            inputs,
            metrics,
            key,
            series,
            evaluations,
            keep,
            tokens: Arc::new(ArcSwap::from_pointee(tokens)),
            notifier,
            scrapes,
            ready: Arc::default(),
            began,
            pulse: Arc::new(ArcSwap::from_pointee(pulse)),
            pilot: None,
            parts: Some(Parts { pilot, scraper, deliveries }),
            tasks: Vec::new(),
            beating: None,
        })
    }

    fn start(&mut self, started: impl FnOnce(Handle)) -> Result<(), AppError> {
        let Some(parts) = self.parts.take() else { return Ok(()) };
        self.pilot = Some(self.start_pilot(parts.pilot)?);
        let notifier = self.notifier.clone();
        let (inputs, supervisor, stop) =
            (self.inputs.clone(), self.supervisor.clone(), self.stopped());
        self.spawn(Kind::Sender, notifier.run(parts.deliveries, inputs, supervisor, stop));
        let (notifier, desk) = (self.notifier.clone(), self.handle.desk.clone());
        self.supervisor
            .spawn(Kind::Socket, notifier.listen(desk, self.supervisor.clone(), self.stopped()));
        self.spawn(Kind::Scraper, parts.scraper.run(self.stopped()));
        let journal = samples::Journal::new(
            &self.setup.state.join("samples"),
            self.series.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.metrics),
            self.keep.clone(),
        );
        self.spawn(Kind::Samples, journal.run(self.stopped()));
        self.start_http()?;
        match heartbeat_of(&self.setup.config) {
            Ok(heartbeat) => self.start_heartbeat(heartbeat),
            Err(error) => error!(%error, "no heartbeat is sent"),
        }
        started(self.handle.clone());
        Ok(())
    }

    /// The journal is replayed and the first scrape round has begun.
    fn announce(&self) {
        self.ready.store(true, Ordering::SeqCst);
        systemd::ready();
        self.say_status();
        info!(url = self.setup.config.http.url, "ready");
    }

    /// The engine gets a thread of its own, so that nothing but its own work can delay it.
    fn start_pilot(&self, pilot: Pilot) -> Result<(oneshot::Sender<()>, JoinHandle<()>), AppError> {
        let (stop, stopping) = oneshot::channel();
        let pulse = Arc::clone(&self.pulse);
        let alive = move |beat: Pulse| {
            systemd::alive();
            pulse.store(Arc::new(beat));
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| system("starting the engine's thread", source))?;
        let thread = self
            .supervisor
            .spawn_thread(Kind::Engine, "engine", move || {
                runtime.block_on(pilot.run(stopping, alive));
            })
            .map_err(|source| system("starting the engine's thread", source))?;
        Ok((stop, thread))
    }

    /// Starts a task whose end a stop waits for.
    fn spawn(&mut self, kind: Kind, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.supervisor.spawn(kind, task);
        self.tasks.push(task);
    }

    fn start_http(&mut self) -> Result<(), AppError> {
        let context = self.http_context();
        let listener = self.setup.listener.try_clone();
        let listener = listener.and_then(|listener| {
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        });
        let listener = listener.map_err(|source| system("listening", source))?;
        self.spawn(Kind::Server, http::serve(listener, context.clone(), self.stopped()));
        let socket = socket_path(&self.setup.state);
        match bind_socket(&socket) {
            Ok(listener) => {
                self.spawn(Kind::Server, http::serve_unix(listener, context, self.stopped()));
            }
            Err(error) => {
                warn!(path = %socket.display(), %error, "no unix socket; commands use HTTP");
            }
        }
        Ok(())
    }

    fn http_context(&self) -> Arc<http::Context> {
        Arc::new(http::Context {
            desk: self.handle.desk.clone(),
            targets: self.handle.targets.clone(),
            live: Arc::clone(&self.live),
            series: self.series.clone(),
            evaluations: self.evaluations.clone(),
            metrics: Arc::clone(&self.metrics),
            controls: self.handle.controls.clone(),
            links: Links::new(self.key, &self.setup.config.http.url),
            clock: Arc::clone(&self.clock),
            ready: Arc::clone(&self.ready),
            tokens: Arc::clone(&self.tokens),
            slack_clicks: clicks::taker(
                self.notifier.clone(),
                self.handle.desk.clone(),
                self.supervisor.clone(),
            ),
            supervisor: self.supervisor.clone(),
        })
    }

    /// Starts the heartbeat, in the place of the one before.
    fn start_heartbeat(&mut self, heartbeat: Option<Heartbeat>) {
        self.beating = None;
        let Some(heartbeat) = heartbeat else { return };
        let (pulse, clock) = (Arc::clone(&self.pulse), Arc::clone(&self.clock));
        let notifier = self.notifier.clone();
        let healthy = move || {
            let pulse = pulse.load();
            pulse.journal_works
                && !notifier.is_cut_off()
                && pulse.late <= LATE_MAX
                && clock.now().since(pulse.at) <= LATE_MAX
        };
        let (beating, replaced) = oneshot::channel::<()>();
        let stopped = self.stopped();
        let stop = async move {
            tokio::select! {
                () = stopped => {}
                _ = replaced => {}
            }
        };
        self.supervisor.spawn(Kind::Heartbeat, heartbeat.run(healthy, stop));
        self.beating = Some(beating);
    }

    /// Waits for what comes from outside until something ends it.
    async fn serve(&mut self, signals: &mut Signals) -> Result<(), AppError> {
        let mut status = tokio::time::interval(Duration::from_secs(10));
        let mut announced = false;
        loop {
            tokio::select! {
                () = signals.stop.heard() => return Ok(()),
                _ = signals.hangup.recv() => tokio::select! {
                    // A reload that something holds up must not hold up a stop.
                    () = signals.stop.heard() => return Ok(()),
                    done = self.reload() => if let Err(refused) = done {
                        error!(%refused, "the configuration was refused; nothing has changed");
                    }
                },
                Some(control) = self.controls.recv() => tokio::select! {
                    () = signals.stop.heard() => return Ok(()),
                    () = self.handle_control(control) => {}
                },
                () = begun(&mut self.began), if !announced => {
                    announced = true;
                    self.announce();
                }
                Some(kind) = self.ended.recv() => return Err(AppError::Ended(kind)),
                changed = self.stopping.changed() => {
                    if changed.is_err() || *self.stopping.borrow() {
                        return Ok(());
                    }
                }
                _ = status.tick() => self.say_status(),
            }
        }
    }

    fn say_status(&self) {
        let view = self.handle.desk.view();
        let open = view.incidents.iter().filter(|one| one.resolved_at.is_none()).count();
        let targets = self.handle.targets.all();
        let up = targets.iter().filter(|target| target.health == "up").count();
        let live = self.live.load();
        let refused =
            if live.refused.is_some() { "; the newest configuration was refused" } else { "" };
        systemd::status(&format!(
            "{open} open incidents, {up} of {} targets up, {} rules{refused}",
            targets.len(),
            live.config.rules.len(),
        ));
    }

    async fn stop(mut self) {
        systemd::stopping();
        self.ready.store(false, Ordering::SeqCst);
        self.handle.stop.send_replace(true);
        let tasks = std::mem::take(&mut self.tasks);
        let all_ended = async {
            for task in tasks {
                // A task that panicked has been told of.
                drop(task.await);
            }
        };
        if tokio::time::timeout(TASKS_GRACE, all_ended).await.is_err() {
            warn!(
                "some tasks did not end in time; what they had begun is begun again at the start"
            );
        }
        // The engine goes last, so that what became of the last attempts is recorded.
        if let Some((stop, thread)) = self.pilot.take() {
            if stop.send(()).is_err() {
                error!("the engine had ended before it was told to");
            }
            let joined = tokio::task::spawn_blocking(move || thread.join());
            match tokio::time::timeout(ENGINE_GRACE, joined).await {
                Ok(Ok(Ok(()))) => {}
                Ok(_) => error!("the engine panicked; the journal holds what was decided"),
                Err(_) => error!("the engine did not stop in time; the journal holds the rest"),
            }
        }
        let socket = socket_path(&self.setup.state);
        if let Err(error) = std::fs::remove_file(&socket) {
            tracing::debug!(path = %socket.display(), %error, "the socket was not removed");
        }
        info!("stopped");
    }

    /// Resolves when the daemon is told to stop.
    fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut stopping = self.stopping.clone();
        async move {
            // An error means that the app itself has gone.
            drop(stopping.wait_for(|stop| *stop).await);
        }
    }
}

/// Resolves when the first scrape round has begun; never where the scraper has ended before.
async fn begun(began: &mut watch::Receiver<bool>) {
    if began.wait_for(|began| *began).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Who may act, with the texts behind the references.
fn tokens_of(config: &Config) -> Result<BTreeMap<PersonId, Secret>, SecretError> {
    let resolved = |(person, reference): (&PersonId, _)| {
        secrets::resolve(reference).map(|secret| (person.clone(), secret))
    };
    config.http.tokens.iter().map(resolved).collect()
}

/// The heartbeat of a configuration, if it has one.
fn heartbeat_of(config: &Config) -> Result<Option<Heartbeat>, String> {
    let Some(reference) = &config.deadman else { return Ok(None) };
    let ping = secrets::resolve(reference).map_err(|error| format!("[deadman] ping: {error}"))?;
    Heartbeat::new(&ping).map(Some)
}

/// The signals that a daemon obeys.
struct Signals {
    hangup: Signal,
    stop: StopSignals,
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Waits for one of them.
    async fn heard(&mut self) {
        let signal = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        info!(signal, "stopping");
    }
}

impl Signals {
    fn new() -> Result<Self, AppError> {
        let listen = |kind| signal(kind).map_err(|source| system("listening to signals", source));
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            stop: StopSignals {
                terminate: listen(SignalKind::terminate())?,
                interrupt: listen(SignalKind::interrupt())?,
            },
        })
    }
}

/// `$RUNTIME_DIRECTORY/watchbell.sock`, else in the state folder.
fn socket_path(state: &Path) -> PathBuf {
    std::env::var_os("RUNTIME_DIRECTORY")
        .map_or_else(|| state.to_path_buf(), PathBuf::from)
        .join("watchbell.sock")
}

/// Binds the socket; one that nobody answers on any more is removed first.
fn bind_socket(path: &Path) -> std::io::Result<tokio::net::UnixListener> {
    if path.exists() {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => {
                return Err(std::io::Error::other("another daemon answers there"));
            }
            Err(_) => std::fs::remove_file(path)?,
        }
    }
    tokio::net::UnixListener::bind(path)
}

fn system(what: &str, source: std::io::Error) -> AppError {
    AppError::System { what: what.to_owned(), source }
}
