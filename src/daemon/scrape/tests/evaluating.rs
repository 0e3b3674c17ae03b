//! Jobs without a network: what the pilot hears, what is recorded, what people see of it.

use watchbell_metrics::label::Labels;
use watchbell_metrics::rule::group::{Group, GroupRule};
use watchbell_metrics::rule::{Level, RuleName};
use watchbell_metrics::series::{Limits, Target};
use watchbell_paging::engine::FailingRecording;
use watchbell_paging::view::{RuleAlertView, RuleView, View};

use super::*;

const MINUTE: Millis = 60_000;

#[tokio::test]
async fn readings_of_many_rules_come_as_one_input_in_the_order_of_the_rules() {
    let rules = (0..40)
        .map(|number| rule(&format!("rule{number}"), RuleSource::Expr(format!("vector({number})"))))
        .collect();
    let mut desk = Bench::new(rules, Vec::new());
    let heard = desk.run(&[MINUTE]).await;
    let [Input::Readings(readings), Input::Recordings(none)] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    let values: Vec<f64> = readings.iter().map(value).collect();
    assert_eq!(values, (0..40).map(f64::from).collect::<Vec<_>>());
    assert!(readings.iter().all(|one| one.at == MINUTE));
    assert_eq!(none, &[]);
    assert_eq!(desk.metrics.rule_evaluations.get(), 40);
    assert_eq!(desk.metrics.rule_evaluation_failures.get(), 0);
    assert_eq!(desk.metrics.decision_seconds.get_sample_count(), 1);
}

#[tokio::test]
async fn a_rule_that_takes_too_long_is_stopped_and_says_so() {
    let endless = RuleSource::Expr("count_over_time(vector(1)[4h:1s])".to_owned());
    let mut desk = Bench::new(vec![rule("endless", endless)], Vec::new());
    desk.patience = Duration::ZERO;
    let heard = desk.run(&[MINUTE]).await;
    let Some(Input::Readings(readings)) = heard.first() else { panic!("{heard:?}") };
    let error = readings[0].outcome.as_ref().unwrap_err();
    assert!(error.ends_with("elements by the time that a rule may take"), "{error}");
}

#[tokio::test]
async fn what_is_recorded_is_seen_by_the_rules_of_the_same_job() {
    let rules = vec![rule("reader", RuleSource::Expr("job:up:sum * 2".to_owned()))];
    let mut desk = Bench::new(rules, vec![group(&[("job:up:sum", "vector(3)")])]);
    assert_eq!(desk.values(&[MINUTE]).await, ["reader 6"]);
    assert_eq!(desk.metrics.rule_evaluations.get(), 2);
}

#[tokio::test]
async fn a_recording_behind_an_alert_of_its_group_is_seen_by_it_a_round_later() {
    let mut desk = Bench::new(Vec::new(), vec![group(&[("Late", "r"), ("r", "timestamp(x)")])]);
    desk.scrape("x 1\n", MINUTE);
    assert_eq!(desk.values(&[MINUTE]).await, [""; 0]);
    desk.scrape("x 1\n", 2 * MINUTE);
    assert_eq!(desk.values(&[2 * MINUTE]).await, ["Late 60"]);
    desk.scrape("x 1\n", 3 * MINUTE);
    assert_eq!(desk.values(&[3 * MINUTE]).await, ["Late 120"]);
}

#[tokio::test]
async fn who_asks_for_a_state_sees_that_of_this_round() {
    let rules = [("Down", "x == 0"), ("Noise", "ALERTS{alertname='Down'}"), ("n", "count(ALERTS)")];
    let mut desk = Bench::new(Vec::new(), vec![group(&rules)]);
    desk.scrape("x 0\n", MINUTE);
    let picture = desk.picture.clone();
    let (name, known) = (desk.config.rules[0].policy.name.clone(), desk.config.rules.clone());
    let engine = desk.engine(move |readings: &[RuleReadings]| {
        if readings.iter().any(|one| one.rule == name) {
            picture.publish(Arc::new(view(&known, &[("Down", Some(MINUTE))])));
        }
    });
    let (heard, ()) = tokio::join!(desk.run(&[MINUTE]), engine);
    assert_eq!(words(&heard), ["Down 0", "Noise 1"]);
    assert_eq!(query(&desk.store, "n", MINUTE), [1.0]);
}

#[tokio::test]
async fn states_follow_the_picture_and_end_with_it() {
    let rules = [("Down", "x == 0"), ("Slow", "x > 9")];
    let mut desk = Bench::new(Vec::new(), vec![group(&rules)]);
    // Before the recording rules are known nothing ends.
    desk.run(&[MINUTE]).await;
    let show = |desk: &Bench, alerts: &[(&str, Option<Millis>)]| {
        desk.picture.publish(Arc::new(view(&desk.config.rules, alerts)));
    };
    show(&desk, &[("Down", None), ("Slow", Some(MINUTE))]);
    desk.follow().await;
    let started = desk.started;
    assert_eq!(query(&desk.store, "ALERTS{alertname='Slow'}", MINUTE), [1.0]);
    assert_eq!(query(&desk.store, "ALERTS{alertname='Down'}", started), [1.0]);
    assert_eq!(query(&desk.store, "ALERTS_FOR_STATE{alertname='Down'}", started), [30.0]);
    show(&desk, &[("Down", Some(started + MINUTE))]);
    desk.follow().await;
    let at = started + MINUTE;
    assert_eq!(query(&desk.store, "count(ALERTS)", at), [1.0]);
    assert_eq!(query(&desk.store, "count_over_time(ALERTS{alertname='Down'}[5m])", at), [2.0]);
    show(&desk, &[]);
    desk.follow().await;
    assert!(query(&desk.store, "ALERTS or ALERTS_FOR_STATE", at + MINUTE).is_empty());
}

#[tokio::test]
async fn a_rule_that_fails_is_a_reading_a_count_and_a_line_on_the_board() {
    let failing = rule("failing", RuleSource::Expr(TWICE.to_owned()));
    // Both results get the same labels by the rule's own, which evaluation refuses.
    let labels = vec![("a".to_owned(), "x".to_owned()), ("b".to_owned(), "x".to_owned())];
    let failing = Arc::new(lower(RuleSpec { labels, ..failing.spec.clone() }).unwrap());
    let rules = vec![failing, rule("good", RuleSource::Expr("vector(7)".to_owned()))];
    let mut desk = Bench::new(rules, Vec::new());
    let heard = desk.run(&[MINUTE]).await;
    let Some(Input::Readings(readings)) = heard.first() else { panic!("{heard:?}") };
    assert!(readings[0].outcome.is_err());
    assert_eq!(words(&heard), ["good 7"]);
    assert_eq!(desk.metrics.rule_evaluation_failures.get(), 1);
    let of = |name: &str| desk.board.of(&RuleId::Alert(RuleName::new(name)));
    assert!(of("failing").newest().unwrap().error.as_ref().unwrap().contains("same labels"));
    assert_eq!(of("failing").errors_in_row, 1);
    let good = of("good").newest().unwrap().clone();
    assert_eq!((good.at_ms, good.series, good.samples, good.error), (MINUTE, 1, 0, None));
}

#[tokio::test]
async fn a_recording_rule_that_fails_is_told_with_its_count_and_once_more_when_it_works() {
    let mut desk = Bench::new(Vec::new(), vec![group(&[("r", "x * on () x")])]);
    desk.scrape("x{i=\"1\"} 1\nx{i=\"2\"} 1\n", MINUTE);
    let told = |heard: &[Input]| -> Vec<Vec<FailingRecording>> {
        let recordings = heard.iter().filter_map(|one| match one {
            Input::Recordings(failing) => Some(failing.clone()),
            _ => None,
        });
        recordings.collect()
    };
    for count in 1..=3 {
        let heard = told(&desk.run(&[MINUTE + count]).await);
        let [failing] = heard[0].as_slice() else { panic!("{heard:?}") };
        assert_eq!((failing.record.as_str(), failing.group.as_str()), ("r", "web"));
        assert_eq!(i64::from(failing.errors_in_row), count);
    }
    desk.scrape("x{i=\"1\"} 1\n", 2 * MINUTE);
    assert_eq!(told(&desk.run(&[2 * MINUTE, 2 * MINUTE + 1]).await), [Vec::new()]);
}

#[tokio::test]
async fn a_rule_whose_selectors_find_nothing_is_not_one_that_is_quiet() {
    let rules = [
        ("Quiet", "x > 5"),
        ("Missing", "gone > 5 or lost{job='a'}"),
        ("Half", "gone / x"),
        ("Absent", "absent(gone)"),
        ("Number", "vector(1) > 2"),
        ("States", "ALERTS{alertname='Quiet'}"),
        ("r", "x > 5"),
        ("nothing", "gone"),
        ("BehindQuiet", "r > 1"),
        ("BehindNothing", "nothing > 1"),
    ];
    let mut desk = Bench::new(Vec::new(), vec![group(&rules)]);
    desk.scrape("x 1\n", MINUTE);
    desk.picture.publish(Arc::new(view(&desk.config.rules, &[])));
    desk.run(&[MINUTE]).await;
    let mut without = Vec::new();
    for rule in &desk.config.rules {
        let history = desk.board.of(&RuleId::Alert(rule.policy.name.clone()));
        if history.is_without_series() {
            without.push(format!("{}: {}", rule.policy.name, history.unmatched.join(" ")));
        }
    }
    let expected =
        [r#"Missing: gone lost{job="a"}"#, "BehindNothing: nothing gone"].map(str::to_owned);
    assert_eq!(without, expected);
    assert_eq!(desk.metrics.rules_without_series.get(), 3, "the recording rule is one, too");
    desk.scrape("gone 1\n", 2 * MINUTE);
    desk.run(&[2 * MINUTE]).await;
    assert_eq!(desk.metrics.rules_without_series.get(), 0);
}

const TWICE: &str =
    r#"label_replace(vector(1), "a", "1", "", "") or label_replace(vector(2), "b", "2", "", "")"#;

/// An evaluator with its surroundings; the course and the recorder stay between runs.
struct Bench {
    config: Config,
    store: series::Store,
    target: Target,
    metrics: Arc<Metrics>,
    board: EvaluationBoard,
    picture: Picture,
    recorder: Arc<Mutex<Recorder>>,
    course: Arc<Course>,
    started: Millis,
    patience: Duration,
    /// Hears of readings before the test does.
    ear: Option<mpsc::Sender<Input>>,
}

impl Bench {
    fn new(mut rules: Vec<Arc<Rule>>, groups: Vec<Arc<Group>>) -> Self {
        let mut config = config(Vec::new());
        let mut names = BTreeSet::new();
        rules.extend(groups.iter().flat_map(|group| group.alerts(&mut names)).map(Arc::new));
        (config.rules, config.groups) = (rules, groups);
        let store = series::Store::new(retention_of(&config));
        let limits = Limits { series_max: 100, labels_max: 10, label_length_max: 100 };
        Self {
            target: store.open_own(&Labels::from_pairs([("job", "a")]), limits),
            metrics: Arc::new(Metrics::new().unwrap()),
            board: EvaluationBoard::default(),
            patience: RULE_TIME_MAX,
            picture: Picture::default(),
            recorder: Arc::new(Mutex::new(Recorder::new(&store).awaiting_states())),
            course: Arc::new(Course::new(&config)),
            started: 10 * MINUTE,
            ear: None,
            store,
            config,
        }
    }

    fn scrape(&mut self, body: &str, at: Millis) {
        assert_eq!(self.target.append(body.as_bytes(), Format::Text, at, 0.0).failed, None);
    }

    /// Reacts to readings as an engine would, beside a run.
    fn engine<F: Fn(&[RuleReadings])>(&mut self, react: F) -> impl Future<Output = ()> + use<F> {
        let (ear, mut heard) = mpsc::channel(16);
        self.ear = Some(ear);
        async move {
            while let Some(input) = heard.recv().await {
                if let Input::Readings(readings) = input {
                    react(&readings);
                }
            }
        }
    }

    /// Evaluates everything at each of the times; returns what the pilot hears.
    async fn run(&mut self, times: &[Millis]) -> Vec<Input> {
        let (jobs, waiting) = mpsc::channel(16);
        let (inputs, mut pilot) = mpsc::channel(16);
        for at in times {
            let rules = self.config.rules.iter().cloned().enumerate().collect();
            let recordings = (0..self.course.recordings.len()).collect();
            let course = Arc::clone(&self.course);
            let complete = Duration::ZERO;
            jobs.send(Job { course, rules, recordings, at: *at, complete }).await.unwrap();
        }
        drop(jobs);
        let ear = self.ear.take();
        let listen = async {
            let mut heard = Vec::new();
            while let Some(input) = pilot.recv().await {
                if let (Some(ear), Input::Readings(readings)) = (&ear, &input) {
                    ear.send(Input::Readings(readings.clone())).await.unwrap();
                }
                heard.push(input);
            }
            drop(ear);
            heard
        };
        let (heard, ()) = tokio::join!(listen, self.evaluator(inputs).run(waiting, self.states()));
        heard
    }

    /// Lets the evaluator look at the picture, and at nothing else.
    async fn follow(&self) {
        let (jobs, waiting) = mpsc::channel(1);
        drop(jobs);
        let (inputs, _pilot) = mpsc::channel(1);
        self.evaluator(inputs).run(waiting, self.states()).await;
    }

    /// The name and the value of every reading.
    async fn values(&mut self, times: &[Millis]) -> Vec<String> {
        words(&self.run(times).await)
    }

    fn states(&self) -> States {
        let known = Known::default();
        known.store(Arc::new(course::by_name(self.config.rules.iter())));
        States::new(self.picture.clone(), known, self.started)
    }

    fn evaluator(&self, inputs: mpsc::Sender<Input>) -> Evaluator {
        Evaluator {
            series: self.store.clone(),
            clock: Arc::new(Clock::start()),
            metrics: Arc::clone(&self.metrics),
            inputs,
            board: self.board.clone(),
            patience: self.patience,
            recorder: Arc::clone(&self.recorder),
        }
    }
}

fn words(heard: &[Input]) -> Vec<String> {
    let mut words = Vec::new();
    for input in heard {
        let Input::Readings(all) = input else { continue };
        for one in all {
            let readings = one.outcome.iter().flatten();
            words.extend(readings.map(|reading| format!("{} {}", one.rule, reading.value)));
        }
    }
    words
}

/// Recording rules are written small, alerts with a capital.
fn group(rules: &[(&str, &str)]) -> Arc<Group> {
    let rule = |(name, expr): &(&str, &str)| {
        let expr = parse(expr).unwrap();
        if name.starts_with(char::is_lowercase) {
            return GroupRule::Recording { record: (*name).to_owned(), expr, labels: Vec::new() };
        }
        GroupRule::Alert {
            alert: (*name).to_owned(),
            expr,
            holds_for: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            labels: Vec::new(),
            annotations: Vec::new(),
        }
    };
    Arc::new(Group {
        external: Arc::default(),
        name: "web".to_owned(),
        file: "rules.yml".to_owned(),
        interval: None,
        limit: 0,
        query_offset: Duration::ZERO,
        labels: Vec::new(),
        rules: rules.iter().map(rule).collect(),
    })
}

/// A picture of rules of which some have one firing alert, evaluated at that time or never.
fn view(rules: &[Arc<Rule>], firing: &[(&str, Option<Millis>)]) -> View {
    let at = |name: &str| firing.iter().find(|(one, _)| *one == name);
    let alert = |name: &str| RuleAlertView {
        labels: Labels::from_pairs([("alertname", name)]),
        state: "firing",
        level: Level::Warning,
        value: 1.0,
        active_at: Timestamp(MINUTE),
        first_bad_at: Timestamp(30_000),
        good_since: None,
        summary: None,
        annotations: BTreeMap::new(),
    };
    let rule = |rule: &Arc<Rule>| {
        let name = rule.policy.name.as_str();
        RuleView {
            rule: rule.policy.name.clone(),
            level: Level::Ok,
            alerts: at(name).map(|_| alert(name)).into_iter().collect(),
            evaluated_at: at(name).map_or(Some(MINUTE), |(_, at)| *at).map(Timestamp),
            readings: 0,
            error: None,
            errors_in_row: 0,
        }
    };
    View { at: Some(Timestamp(0)), rules: rules.iter().map(rule).collect(), ..View::default() }
}
