//! The built binary beside the real Prometheus: the same targets, the same questions, the same
//! answers.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "this is test code throughout")]

#[path = "support/mod.rs"]
mod support;

#[path = "prometheus/side.rs"]
mod side;
#[path = "prometheus/shop.rs"]
mod shop;
#[path = "prometheus/world.rs"]
mod world;
#[path = "prometheus/verdict.rs"]
mod verdict;
#[path = "prometheus/queries.rs"]
mod queries;
#[path = "prometheus/endpoints.rs"]
mod endpoints;
#[path = "prometheus/grafana.rs"]
mod grafana;
#[path = "prometheus/promtool.rs"]
mod promtool;
#[path = "prometheus/hostile.rs"]
mod hostile;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_questions_have_the_same_answers() {
    let Some(world) = world::World::start().await else { return };
    let mut faults = queries::compare(&world).await;
    faults.extend(endpoints::compare(&world).await);
    faults.extend(grafana::compare(&world).await);
    faults.extend(promtool::compare(&world).await);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}
