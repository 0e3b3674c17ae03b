//! The running loop with the real series, rounds and targets on loopback.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use watchbell_metrics::label::Labels;

use super::*;
use crate::targets::TargetStatus;

/// Far above what anything here takes; a test that meets it has failed.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_value_goes_from_the_target_to_the_pilot() {
    let target = Target::start().await;
    target.say("queue_length 7\n");
    let mut config = config(vec![fast(&[&target.url()])]);
    config.rules = vec![rule("queue", RuleSource::Expr("queue_length".to_owned()))];
    let mut running = Running::start(config);
    let reading = running.reading("queue", |value| value == Some(7.0)).await;
    assert_eq!(reading.labels.get("alertname"), Some("queue"));
    assert_eq!(reading.labels.get("job"), Some("api"));
    target.say("queue_length 8\n");
    running.reading("queue", |value| value == Some(8.0)).await;
    let line = running.line(|line| line.health == "up").await;
    assert_eq!((line.samples, line.last_error, line.faults.len()), (1, None, 0));
    assert_eq!(target.connections(), 1);
    assert!(0 < running.metrics.samples_ingested.get());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_is_down_with_a_reason_and_comes_back() {
    let target = Target::start().await;
    target.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    let mut config = config(vec![fast(&[&target.url()])]);
    config.rules = vec![rule("down", RuleSource::Expr("1 - up".to_owned()))];
    let mut running = Running::start(config);
    running.reading("down", |value| value == Some(1.0)).await;
    let line = running.line(|line| line.health == "down").await;
    assert_eq!(line.last_error.as_deref(), Some("HTTP 503 Service Unavailable"));
    target.say("good 1\n");
    running.reading("down", |value| value == Some(0.0)).await;
    let line = running.line(|line| line.health == "up").await;
    assert_eq!(line.last_error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_good_body_keeps_its_good_lines_and_shows_the_bad_ones() {
    let target = Target::start().await;
    target.answer_bytes(b"good 1\nbad{x=\"\xff\xfe\"} 1\nworse !\n");
    let mut config = config(vec![fast(&[&target.url()])]);
    config.rules = vec![rule("good", RuleSource::Expr("good".to_owned()))];
    let mut running = Running::start(config);
    running.reading("good", |value| value == Some(1.0)).await;
    let line = running.line(|line| line.health == "up").await;
    assert!(line.last_error.is_some_and(|why| why.contains("lines could not be read")));
    assert!(line.faults.iter().any(|fault| fault.starts_with("line 3: ")), "{:?}", line.faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_series_make_the_scrape_a_failed_one() {
    let target = Target::start().await;
    target.say("a 1\nb 1\nc 1\n");
    let table = Scrape { max_series: 2, ..fast(&[&target.url()]) };
    let running = Running::start(config(vec![table]));
    let line = running.line(|line| line.health == "down").await;
    assert!(line.last_error.is_some_and(|why| why.contains('2')));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_what_stays_and_ends_what_goes() {
    let (stays, goes) = (Target::start().await, Target::start().await);
    stays.say("steady 1\n");
    goes.say("passing 1\n");
    let other = |urls: &[&str]| Scrape { name: "other".to_owned(), ..fast(urls) };
    let mut before = config(vec![fast(&[&stays.url()]), other(&[&goes.url()])]);
    before.rules = vec![rule("first", RuleSource::Expr("passing".to_owned()))];
    let mut running = Running::start(before);
    running.reading("first", |value| value == Some(1.0)).await;
    running.line(|line| line.table == "api" && line.health == "up").await;

    let mut after = config(vec![fast(&[&stays.url()])]);
    after.rules = vec![rule("second", RuleSource::Expr("steady".to_owned()))];
    running.handle.reconfigure(Arc::new(after)).await.unwrap();
    let tables: Vec<String> = running.board.all().into_iter().map(|line| line.table).collect();
    assert_eq!(tables, ["api"]);
    assert_eq!(running.board.all()[0].health, "up", "its line stays");
    assert!(running.query(r#"up{job="other"}"#).is_empty(), "the series have ended");
    running.reading("second", |value| value == Some(1.0)).await;
    assert_eq!(stays.connections(), 1, "the connection stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_rule_is_evaluated_until_its_time() {
    let mut config = config(Vec::new());
    config.collect.own = true;
    config.collect.interval = Duration::from_secs(3600);
    let mut running = Running::start(config);
    let threads = rule("drill", RuleSource::Expr("process_threads > 0".to_owned()));
    let until = running.clock.now().plus(Duration::from_secs(1));
    let interval = Duration::from_millis(200);
    running.handle.watch(threads, interval, until).await.unwrap();
    for _ in 0..2 {
        running.reading("drill", |value| value.is_some()).await;
    }
    let over = until.plus(Duration::from_millis(500));
    let mut tick = tokio::time::interval(STEP);
    while running.clock.now() < over {
        tick.tick().await;
    }
    while running.inputs.try_recv().is_ok() {}
    // Nothing else is configured, so silence for some intervals is the proof that it ended.
    let next = tokio::time::timeout(3 * interval, running.inputs.recv());
    assert!(next.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_the_future_blind_no_rule_after_the_clock_was_set_back() {
    let target = Target::start().await;
    target.say("queue_length 7\n");
    let mut config = config(vec![fast(&[&target.url()])]);
    config.rules = vec![rule("queue", RuleSource::Expr("queue_length".to_owned()))];
    let mut running = Running::start(config);
    running.reading("queue", |value| value == Some(7.0)).await;
    // What a scrape leaves that was under way while the clock was an hour ahead.
    let labels = running.board.all().into_iter().find(|line| line.table == "api").unwrap().labels;
    let limits = series::Limits { series_max: 10, labels_max: 10, label_length_max: 100 };
    let ahead = running.clock.now().as_millis() + 3_600_000;
    running.series.open(&labels, limits).append(b"queue_length 9\n", Format::Text, ahead, 0.0);
    target.say("queue_length 8\n");
    running.reading("queue", |value| value == Some(8.0)).await;
}

#[test]
fn samples_a_little_ahead_are_kept() {
    let series = series::Store::new(Retention { raw: 900_000, ..Retention::default() });
    let limits = series::Limits { series_max: 10, labels_max: 10, label_length_max: 100 };
    let mut target = series.open(&Labels::from_pairs([("job", "api")]), limits);
    target.append(b"good 1\n", Format::Text, 100_000, 0.0);
    forget_the_future(&series, 100_000 - FUTURE_MAX);
    assert_eq!(query(&series, "good", 100_000), [1.0]);
    forget_the_future(&series, 100_000 - FUTURE_MAX - 1);
    assert!(query(&series, "good", 100_000).is_empty());
    target.append(b"good 2\n", Format::Text, 20_000, 0.0);
    assert_eq!(query(&series, "good", 20_000), [2.0], "an older time is taken again");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_targets_with_the_same_labels_are_told_apart_by_a_fault() {
    let target = Target::start().await;
    target.say("good 1\n");
    let second = format!("{}?second", target.url());
    let running = Running::start(config(vec![fast(&[&target.url(), &second])]));
    let line = running.line(|line| line.url.ends_with("second")).await;
    assert_eq!(line.health, "down");
    assert!(line.last_error.is_some_and(|why| why.contains("another target has the same labels")));
    running.line(|line| line.health == "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_waits_for_the_first_round_and_for_nothing_where_there_is_none() {
    let target = Target::start().await;
    target.say("good 1\n");
    let parts = |config: Config| {
        let (sender, _) = mpsc::channel(16);
        Parts {
            series: series::Store::new(retention_of(&config)),
            config: Arc::new(config),
            clock: Arc::new(Clock::start()),
            metrics: Arc::new(Metrics::new().unwrap()),
            board: TargetBoard::default(),
            supervisor: Supervisor::new().0,
            inputs: sender,
            picture: Picture::default(),
            evaluations: EvaluationBoard::default(),
        }
    };
    let mut nothing = config(Vec::new());
    nothing.collect.host = false;
    nothing.collect.own = false;
    for config in [config(vec![fast(&[&target.url()])]), nothing] {
        let scraper = Scraper::new(parts(config));
        let mut began = scraper.began();
        assert!(!*began.borrow(), "not before the loop runs");
        let waiting = async { began.wait_for(|began| *began).await.map(|began| *began) };
        let running = scraper.run(std::future::pending());
        tokio::select! {
            done = tokio::time::timeout(DEADLINE, waiting) => assert!(done.unwrap().unwrap()),
            () = running => panic!("the loop ended"),
        }
    }
}

/// A loop that runs, and what it is connected to.
struct Running {
    handle: ScrapeHandle,
    board: TargetBoard,
    series: series::Store,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    inputs: mpsc::Receiver<Input>,
    _stop: oneshot::Sender<()>,
}

impl Running {
    fn start(config: Config) -> Self {
        let (sender, inputs) = mpsc::channel(16);
        let (supervisor, _) = Supervisor::new();
        let (board, clock) = (TargetBoard::default(), Arc::new(Clock::start()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let series = series::Store::new(retention_of(&config));
        let scraper = Scraper::new(Parts {
            config: Arc::new(config),
            series: series.clone(),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            board: board.clone(),
            supervisor: supervisor.clone(),
            inputs: sender,
            picture: Picture::default(),
            evaluations: EvaluationBoard::default(),
        });
        let handle = scraper.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        supervisor.spawn(Kind::Scraper, scraper.run(async move { drop(stopped.await) }));
        Self { handle, board, series, clock, metrics, inputs, _stop: stop }
    }

    /// Waits for a reading of a rule whose only value is as wanted.
    async fn reading(
        &mut self,
        name: &str,
        is_wanted: impl Fn(Option<f64>) -> bool,
    ) -> watchbell_metrics::rule::Reading {
        let search = async {
            loop {
                let all = match self.inputs.recv().await.expect("the loop runs") {
                    Input::Readings(all) => all,
                    Input::Recordings(_) => continue,
                    other => panic!("{other:?}"),
                };
                let ours = all.into_iter().filter(|one| one.rule.as_str() == name);
                for reading in ours.filter_map(|one| one.outcome.ok()).flatten() {
                    if is_wanted(Some(reading.value)) {
                        return reading;
                    }
                }
            }
        };
        tokio::time::timeout(DEADLINE, search).await.expect("the reading comes")
    }

    /// Waits for a line of the board.
    async fn line(&self, is_wanted: impl Fn(&TargetStatus) -> bool) -> TargetStatus {
        let mut tick = tokio::time::interval(STEP);
        let search = async {
            loop {
                if let Some(line) = self.board.all().into_iter().find(|line| is_wanted(line)) {
                    return line;
                }
                tick.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, search).await.expect("the line comes")
    }

    fn query(&self, expr: &str) -> Vec<f64> {
        query(&self.series, expr, self.clock.now().as_millis())
    }
}

type Answer = Arc<Mutex<(StatusCode, Vec<u8>)>>;

/// A target that says what the test wants.
struct Target {
    address: std::net::SocketAddr,
    answer: Answer,
    connections: watch::Receiver<usize>,
}

impl Target {
    async fn start() -> Self {
        let answer = Answer::new(Mutex::new((StatusCode::OK, Vec::new())));
        let metrics = |State(answer): State<Answer>| async move { answer.lock().clone() };
        let router = Router::new().route("/metrics", get(metrics)).with_state(Arc::clone(&answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, connections) = watch::channel(0);
        let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
            count.send_modify(|count| *count += 1);
        });
        spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, answer, connections }
    }

    fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    fn say(&self, text: &str) {
        self.answer(StatusCode::OK, text);
    }

    fn answer(&self, status: StatusCode, text: &str) {
        *self.answer.lock() = (status, text.as_bytes().to_vec());
    }

    fn answer_bytes(&self, bytes: &[u8]) {
        *self.answer.lock() = (StatusCode::OK, bytes.to_vec());
    }

    fn connections(&self) -> usize {
        *self.connections.borrow()
    }
}

fn fast(urls: &[&str]) -> Scrape {
    Scrape { interval: Duration::from_millis(200), ..table(urls, &[]) }
}

#[allow(clippy::disallowed_methods, reason = "servers of tests end with the test's runtime")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
