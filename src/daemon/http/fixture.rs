//! A house for tests: the real router over a desk whose engine is a few canned answers.

mod engine;
mod picture;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use watchbell_metrics::series::Store;
use watchbell_paging::id::PersonId;
use watchbell_paging::view::View;

pub(crate) use self::picture::{config, target};
use crate::clock::Clock;
use crate::control::{Control, DrillStarted};
use crate::desk::{Desk, Request as Asked};
use crate::http::ClickFault;
use crate::http::auth::Peer;
use crate::http::{Context, router};
use crate::links::Links;
use crate::live::Live;
use crate::secrets::Secret;
use crate::supervise::{Kind, Supervisor};
use crate::targets::TargetBoard;
use crate::telemetry::Metrics;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A daemon without its engine.
pub(crate) struct House {
    pub(crate) context: Arc<Context>,
    view: Arc<ArcSwap<View>>,
    asked: Arc<Mutex<Vec<String>>>,
    reload: Arc<Mutex<Result<(), String>>>,
    closed: Arc<AtomicBool>,
}

impl House {
    /// Three incidents, two rules, two targets, one schedule; no tokens. Call it in a runtime.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same with changes before it is shared.
    pub(crate) fn with(change: impl FnOnce(&mut Context)) -> Self {
        let clock = Arc::new(Clock::start());
        let view = Arc::new(ArcSwap::from_pointee(picture::view(clock.now())));
        let (requests, heard) = mpsc::channel(16);
        let (controls, mut orders) = mpsc::channel(16);
        let (supervisor, _) = Supervisor::new();
        let targets = TargetBoard::default();
        targets.put(target("watchbell", "up", None));
        targets.put(target("api", "down", Some("connection refused")));
        let config = config();
        let links = Links::new([7; 32], &config.http.url);
        let live = Live {
            config: Arc::new(config),
            loaded_at: clock.now(),
            refused: None,
            started_at: clock.now(),
        };
        let mut context = Context {
            desk: Desk::new(requests, Arc::clone(&view)),
            targets,
            live: Arc::new(ArcSwap::from_pointee(live)),
            series: Store::default(),
            evaluations: picture::evaluations(clock.now()),
            metrics: Arc::new(Metrics::new().unwrap()),
            controls,
            links,
            clock: Arc::clone(&clock),
            ready: Arc::new(AtomicBool::new(true)),
            tokens: Arc::default(),
            slack_clicks: Arc::new(|_, _| Box::pin(async { Err(ClickFault::Forged) })),
            supervisor: supervisor.clone(),
        };
        change(&mut context);
        let house = Self {
            context: Arc::new(context),
            view,
            asked: Arc::default(),
            reload: Arc::new(Mutex::new(Ok(()))),
            closed: Arc::default(),
        };
        house.answer_requests(&supervisor, heard, clock);
        let reload = Arc::clone(&house.reload);
        supervisor.spawn(Kind::Errand, async move {
            while let Some(order) = orders.recv().await {
                obey(order, &reload);
            }
        });
        house
    }

    fn answer_requests(
        &self,
        supervisor: &Supervisor,
        mut heard: mpsc::Receiver<Asked>,
        clock: Arc<Clock>,
    ) {
        let (view, asked) = (Arc::clone(&self.view), Arc::clone(&self.asked));
        let closed = Arc::clone(&self.closed);
        supervisor.spawn(Kind::Errand, async move {
            while let Some(request) = heard.recv().await {
                let Asked::Command(command, answer) = request else { continue };
                if closed.load(std::sync::atomic::Ordering::Relaxed) {
                    continue;
                }
                asked.lock().push(format!("{command:?}"));
                let mut next = View::clone(&view.load());
                let reply = engine::answer(&mut next, command, clock.now());
                view.store(Arc::new(next));
                answer.send(reply).expect("whoever asked waits");
            }
        });
    }

    /// Sets tokens: name and text.
    pub(crate) fn tokens(&self, tokens: &[(&str, &str)]) {
        let tokens = tokens.iter().map(|(name, text)| (PersonId::from(*name), Secret::new(text)));
        self.context.tokens.store(Arc::new(tokens.collect()));
    }

    /// The commands that reached the engine, as they print.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    /// The next reload finds this.
    pub(crate) fn refuse_reload(&self, findings: &str) {
        *self.reload.lock() = Err(findings.to_owned());
    }

    /// From now on the engine is gone.
    pub(crate) fn close_desk(&self) {
        self.closed.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Changes the picture.
    pub(crate) fn paint(&self, change: impl FnOnce(&mut View)) {
        let mut next = View::clone(&self.view.load());
        change(&mut next);
        self.view.store(Arc::new(next));
    }

    /// Sends a request as if over TCP.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from(Peer::Network, request).await
    }

    pub(crate) async fn send_from(&self, peer: Peer, request: Request<Body>) -> Answer {
        let response = router(&self.context, peer).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The ids of a list of incidents.
    pub(crate) fn ids(&self) -> Vec<String> {
        let list = self.json();
        let list = list.as_array().unwrap().iter();
        list.map(|incident| incident["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// A GET as a program sends it.
pub(crate) fn get_request(path: &str) -> Request<Body> {
    request("GET", path, "")
}

/// A request as a program sends it.
pub(crate) fn request(method: &str, path: &str, body: &str) -> Request<Body> {
    let builder = Request::builder().method(method).uri(path).header("host", "127.0.0.1:9911");
    builder.body(Body::from(body.to_owned())).unwrap()
}

/// The same with more headers.
pub(crate) fn with_headers(
    mut request: Request<Body>,
    headers: &[(&'static str, &str)],
) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// A form as a browser sends it from one of our pages.
pub(crate) fn form(path: &str, body: &str) -> Request<Body> {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "http://127.0.0.1:9911"),
        ("sec-fetch-site", "same-origin"),
        ("accept", "text/html"),
    ];
    with_headers(request("POST", path, body), &headers)
}

/// A page as a browser asks for it.
pub(crate) fn page(path: &str) -> Request<Body> {
    with_headers(get_request(path), &[("accept", "text/html,*/*;q=0.8")])
}

fn obey(order: Control, reload: &Mutex<Result<(), String>>) {
    match order {
        Control::Reload(answer) => {
            answer.send(reload.lock().clone()).expect("whoever asked waits");
        }
        Control::Drill(name, answer) => {
            let started = DrillStarted {
                id: "7".to_owned(),
                rule: format!("drill_{name}"),
                incident: None,
                text: "one core is burning".to_owned(),
            };
            let busy = Err("a drill is running already".to_owned());
            let told = if name == "no" { busy } else { Ok(started) };
            answer.send(told).expect("whoever asked waits");
        }
    }
}
