//! Whether a page is lost, or comes again unmarked, when the process is killed in a burst.
//!
//! Waves of 200 breaches, each its own incident, paging 20 people in turn by Slack; the fake Slack
//! answers about as late as the real one, so that requests are under way. Critical pages wait for no
//! limit of our own. Each wave meets three kills at random moments: one counted from the scrape
//! that shows it, two from the start of the process; all on the same state.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may give up")]

mod support;

use std::time::Duration;

use support::burst::{Burst, Lives, repeats};
use support::daemon::Folder;
use support::slack::Fault;
use support::{Dice, line, machine, pass, percentile};

const WAVES: usize = 10;
const BREACHES: usize = 200;
const PEOPLE: usize = 20;
const ANSWERS_AFTER: Duration = Duration::from_millis(150);
/// Kills fall within this time after the scrape that shows the wave.
const AFTER_SCRAPE: Duration = Duration::from_millis(400);
/// And within this time after a start.
const AFTER_START: Duration = Duration::from_millis(600);

fn main() {
    support::run(measure());
}

async fn measure() {
    println!("{WAVES} bursts of {BREACHES} breaches to {PEOPLE} people, three kills -9 in each");
    machine();
    let mut dice = Dice::new();
    let burst = Burst::start(BREACHES, PEOPLE).await;
    burst.slack.fail_always("chat.postMessage", Fault::Late(ANSWERS_AFTER));
    let folder = Folder::new("burst");
    let mut lives = Lives::begin();
    let mut daemon = burst.daemon(&folder).await;
    let mut lost = Vec::new();
    for wave in 0..WAVES {
        burst.begin(wave);
        burst.gauges.read().await;
        pass(dice.time(AFTER_SCRAPE)).await;
        lives.next(&mut daemon);
        for _ in 0..2 {
            pass(dice.time(AFTER_START)).await;
            lives.next(&mut daemon);
        }
        daemon.wait_ready().await;
        for breach in burst.lost(wave, &daemon).await {
            lost.push(format!("{wave}/{breach}"));
        }
        burst.end(wave);
    }
    daemon.kill();
    let pages = burst.pages();
    let again = repeats(&pages);
    let under_way = lives.under_way(&pages, &folder);
    line("kills", under_way.len());
    line("breaches", WAVES * BREACHES);
    line("pages lost", lost.len());
    line("pages that arrived", pages.len());
    line("of them repeats", again.arrived);
    line("of them not marked as a possible repeat", again.unmarked);
    line("pages under way at the kills", under_way.iter().sum::<usize>());
    line("kills that met pages under way", under_way.iter().filter(|count| 0 < **count).count());
    line("under way at one kill, largest", percentile(&under_way, 100));
    if !lost.is_empty() {
        println!("lost (wave/breach): {}\n{}", lost.join(" "), daemon.log());
    }
}
