//! Rounds in virtual time.

use proptest::prelude::*;

use super::*;

const START: Millis = 1_700_000_000_000;

fn table(name: &str, interval: Millis, targets: usize) -> Table {
    Table { name: name.to_owned(), interval, targets }
}

/// A world in which every target answers after a time of its own.
struct World {
    rounds: Rounds,
    now: Millis,
    /// Answers on their way: when, table, target, the sample's time.
    answers: BTreeSet<(Millis, usize, usize, Millis)>,
    /// Everything that was due, with the time at which it was taken.
    log: Vec<(Millis, Due)>,
    /// Milliseconds to answer and rules that read it, by table and target.
    delay: fn(usize, usize) -> Millis,
    readers: fn(usize, usize) -> Vec<usize>,
}

impl World {
    fn new(tables: Vec<Table>, rules: Vec<Millis>) -> Self {
        Self {
            rounds: Rounds::new(tables, rules, START),
            now: START,
            answers: BTreeSet::new(),
            log: Vec::new(),
            delay: |_, _| 5,
            readers: |_, _| vec![0],
        }
    }

    /// Runs until `end` after the start; the caller takes what is due without delay.
    fn run(&mut self, end: Millis) -> &mut Self {
        loop {
            let answer = self.answers.first().map_or(Millis::MAX, |answer| answer.0);
            let next = self.rounds.next_due().min(answer).max(self.now);
            if START + end < next {
                self.now = START + end;
                return self;
            }
            self.now = next;
            while let Some(answer) = self.answers.first().copied().filter(|one| one.0 <= next) {
                self.answers.remove(&answer);
                let (_, table, target, at) = answer;
                let readers = (self.readers)(table, target);
                self.rounds.answered(table, target, next, at, &readers);
            }
            self.take();
        }
    }

    fn take(&mut self) {
        for due in self.rounds.take_due(self.now) {
            if let Due::Scrape { table, target, at } = due {
                let delay = (self.delay)(table, target);
                self.answers.insert((self.now + delay, table, target, at));
            }
            self.log.push((self.now, due));
        }
    }

    /// Lists times of scrapes after `from`: when taken, table, target, the sample's time.
    fn scrapes(&self, from: Millis) -> Vec<(Millis, usize, usize, Millis)> {
        let scrapes = self.log.iter().filter_map(|(now, due)| match due {
            Due::Scrape { table, target, at } => Some((*now, *table, *target, *at)),
            Due::Evaluate { .. } => None,
        });
        scrapes.filter(|scrape| START + from <= scrape.0).collect()
    }

    /// Lists evaluations after `from`: when taken, rules, the evaluated time.
    fn evaluations(&self, from: Millis) -> Vec<(Millis, Vec<usize>, Millis)> {
        let evaluations = self.log.iter().filter_map(|(now, due)| match due {
            Due::Scrape { .. } => None,
            Due::Evaluate { rules, at } => Some((*now, rules.clone(), *at)),
        });
        evaluations.filter(|evaluation| START + from <= evaluation.0).collect()
    }
}

#[test]
fn the_first_round_has_started_within_a_second_or_an_interval() {
    for interval in [200, 1000, 15_000, 3_600_000] {
        for name in ["api", "db", "host", "watchbell"] {
            let mut world = World::new(vec![table(name, interval, 20)], vec![]);
            world.run(interval.min(1000));
            let mut targets: Vec<usize> = world.scrapes(0).iter().map(|one| one.2).collect();
            targets.truncate(20);
            assert_eq!(targets, (0..20).collect::<Vec<_>>(), "{name} {interval}");
        }
    }
}

#[test]
fn later_rounds_stand_at_the_tables_own_offset_and_start_within_a_tenth() {
    let mut offsets = BTreeSet::new();
    for name in ["api", "db", "host"] {
        let mut world = World::new(vec![table(name, 15_000, 30)], vec![]);
        world.run(80_000);
        let scrapes = world.scrapes(7600);
        let bases: Vec<Millis> = scrapes.iter().filter(|one| one.2 == 0).map(|one| one.3).collect();
        assert!(4 <= bases.len());
        for pair in bases.windows(2) {
            assert_eq!(pair[1] - pair[0], 15_000, "{name}");
        }
        for (taken, _, target, at) in scrapes {
            let offset = Millis::try_from(target).unwrap() * 50;
            assert!(bases.iter().any(|base| base + offset == at), "{name} {target} at {at}");
            assert_eq!(taken, at);
        }
        offsets.insert(bases[0] % 15_000);
    }
    assert_eq!(offsets.len(), 3, "tables do not start together: {offsets:?}");
}

#[test]
fn offsets_do_not_depend_on_the_time_of_the_start() {
    let base_after = |start: Millis| {
        let mut rounds = Rounds::new(vec![table("api", 15_000, 1)], vec![], start);
        rounds.take_due(start + 1000);
        rounds.answered(0, 0, start + 1000, start, &[]);
        rounds.next_due().rem_euclid(15_000)
    };
    assert_eq!(base_after(START), base_after(START + 777));
}

#[test]
fn a_round_ends_with_its_last_answer_and_is_evaluated_at_once() {
    let mut world = World::new(vec![table("api", 10_000, 4)], vec![60_000]);
    world.delay = |_, target| if target == 3 { 70 } else { 5 };
    world.run(40_000);
    let evaluations = world.evaluations(5100);
    assert!(3 <= evaluations.len(), "{evaluations:?}");
    for (taken, rules, at) in evaluations {
        let last = world.scrapes(0).into_iter().rfind(|one| one.3 <= at && one.2 == 3).unwrap();
        assert_eq!((taken, rules, at), (last.3 + 70, vec![0], last.3));
    }
}

#[test]
fn a_round_does_not_wait_longer_than_its_grace() {
    for (interval, grace) in [(1000, 100), (3000, 300), (60_000, 500)] {
        let mut world = World::new(vec![table("api", interval, 4)], vec![interval * 100; 2]);
        world.delay = |_, target| if target == 3 { 800 } else { 5 };
        world.readers = |_, target| vec![usize::from(target == 3)];
        world.run(interval * 4);
        let (taken, rules, at) = world.evaluations(interval * 2)[0].clone();
        let last = world.scrapes(0).into_iter().rfind(|one| one.0 <= taken).unwrap();
        assert_eq!((last.2, taken - last.0), (3, grace), "{interval}");
        assert!(rules.contains(&0) && at < last.3);
    }
}

#[test]
fn a_late_answer_counts_in_the_next_round() {
    let mut world = World::new(vec![table("api", 10_000, 2)], vec![3_600_000; 2]);
    world.delay = |_, target| if target == 1 { 2000 } else { 5 };
    world.readers = |_, target| vec![target];
    world.run(45_000);
    let rules: Vec<Vec<usize>> = world.evaluations(0).into_iter().map(|one| one.1).collect();
    assert_eq!(rules[0], [0]);
    assert!(3 <= rules.len());
    assert!(rules[1..].iter().all(|rules| *rules == [0, 1]), "{rules:?}");
}

#[test]
fn rules_of_two_tables_are_evaluated_once_within_the_wait() {
    // Both tables begin together; the second needs 30 ms, then 80 ms longer.
    for (delay, expected) in [(35, 1), (85, 2)] {
        let tables = vec![table("api", 1000, 1), table("api", 1000, 1)];
        let mut world = World::new(tables, vec![60_000; 2]);
        world.delay = if delay == 35 {
            |table, _| if table == 0 { 5 } else { 35 }
        } else {
            |table, _| if table == 0 { 5 } else { 85 }
        };
        world.readers = |table, _| if table == 0 { vec![0, 1] } else { vec![1] };
        world.run(10_000);
        let base = world.scrapes(5000)[0].3;
        let in_round = |rule: usize| -> Vec<Millis> {
            let all = world.evaluations(5000).into_iter();
            let own = all.filter(|one| base <= one.0 && one.0 < base + 1000);
            own.filter(|one| one.1.contains(&rule)).map(|one| one.0 - base).collect()
        };
        assert_eq!(in_round(0), [5], "a rule of one table does not wait");
        assert_eq!(in_round(1).len(), expected);
        assert_eq!(in_round(1)[0], if expected == 1 { 35 } else { 55 });
    }
}

#[test]
fn a_rule_without_samples_is_evaluated_on_its_interval_at_the_present() {
    let mut world = World::new(vec![], vec![15_000, 60_000]);
    world.run(61_000);
    let expected = [(15_000, vec![0]), (30_000, vec![0]), (45_000, vec![0]), (60_000, vec![0, 1])];
    let expected: Vec<(Millis, Vec<usize>, Millis)> =
        expected.into_iter().map(|(after, rules)| (START + after, rules, START + after)).collect();
    assert_eq!(world.evaluations(0), expected);
}

#[test]
fn samples_that_come_on_time_keep_the_interval_from_triggering() {
    let mut world = World::new(vec![table("api", 15_000, 10)], vec![15_000]);
    world.delay = |_, target| if target == 9 { 400 } else { 5 };
    world.run(120_000);
    // The first round comes early, so the second may be up to one and a half intervals away.
    let by_samples = world.evaluations(23_000);
    assert!(by_samples.iter().all(|(taken, _, at)| taken - at == 400), "{by_samples:?}");
    assert!((6..=7).contains(&by_samples.len()), "{by_samples:?}");
    world.delay = |_, _| 1_000_000;
    world.log.clear();
    world.run(180_000);
    assert!(3 <= world.evaluations(0).len(), "samples stopped, evaluations go on");
}

#[test]
fn a_late_caller_skips_whole_rounds_and_counts_them() {
    let mut world = World::new(vec![table("api", 1000, 3)], vec![1_000_000]);
    world.run(5000);
    assert_eq!(world.rounds.missed(), 0);
    let before = world.scrapes(0).len();
    world.now = START + 15_500;
    world.run(15_500);
    let late = world.scrapes(5000)[..].iter().filter(|one| one.0 == START + 15_500).count();
    assert_eq!(late, 3, "one round, not eleven");
    assert_eq!(world.scrapes(0).len(), before + 3);
    assert!((9..=11).contains(&world.rounds.missed()), "{}", world.rounds.missed());
    let missed = world.rounds.missed();
    world.run(30_000);
    assert_eq!(world.rounds.missed(), missed);
}

#[test]
fn a_target_is_not_due_again_before_it_answered() {
    // The answer comes just after the next start was due, as with a time limit of an interval.
    let mut world = World::new(vec![table("api", 1000, 2)], vec![60_000]);
    world.delay = |_, target| if target == 1 { 1003 } else { 5 };
    world.run(20_000);
    let slow: Vec<_> = world.scrapes(3000).into_iter().filter(|one| one.2 == 1).collect();
    assert!(14 <= slow.len(), "every round scrapes it: {}", slow.len());
    for pair in slow.windows(2) {
        assert!(pair[0].0 + 1003 <= pair[1].0);
        assert_eq!(pair[1].3 - pair[0].3, 1000);
    }
}

#[test]
fn a_target_that_never_answers_is_given_up() {
    let mut world = World::new(vec![table("api", 1000, 1)], vec![60_000]);
    world.delay = |_, _| Millis::MAX / 4;
    world.run(10_000);
    assert!((4..=6).contains(&world.scrapes(0).len()), "{:?}", world.scrapes(0));
}

#[test]
fn a_target_with_a_clock_ahead_does_not_pull_evaluations_into_the_future() {
    let mut rounds = Rounds::new(vec![table("api", 1000, 1)], vec![60_000], START);
    let now = START + 600;
    assert_eq!(rounds.take_due(now).len(), 1);
    rounds.answered(0, 0, now + 5, now + 300_000, &[0, 99]);
    let due = rounds.take_due(now + 5);
    assert_eq!(due, [Due::Evaluate { rules: vec![0], at: now + 5 }]);
}

proptest! {
    #[test]
    fn every_start_is_once_and_time_never_goes_back(
        tables in prop::collection::vec((1_i64..20_000, 0..5_usize), 0..4),
        rules in prop::collection::vec(1_i64..30_000, 0..4),
        steps in prop::collection::vec((0..3000_i64, any::<bool>()), 1..60),
    ) {
        let tables: Vec<Table> =
            tables.iter().map(|(interval, targets)| table("t", *interval, *targets)).collect();
        let mut rounds = Rounds::new(tables, rules, START);
        let (mut now, mut evaluated) = (START, Millis::MIN);
        let mut last = BTreeMap::new();
        for (step, is_answered) in steps {
            now += step;
            for due in rounds.take_due(now) {
                match due {
                    Due::Scrape { table, target, at } => {
                        prop_assert!(at <= now);
                        let before = last.insert((table, target), at);
                        prop_assert!(before.is_none_or(|before| before < at));
                        if is_answered {
                            rounds.answered(table, target, now, at, &[0, 2]);
                        }
                    }
                    Due::Evaluate { at, .. } => {
                        prop_assert!(evaluated <= at && at <= now);
                        evaluated = at;
                    }
                }
            }
            // Answers may have ended a round at this very moment.
            rounds.take_due(now);
            prop_assert!(now < rounds.next_due());
        }
    }
}
