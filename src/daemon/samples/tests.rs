//! The journal against real files, with blocks that are words.

use std::sync::Mutex;

use tempfile::TempDir;
use watchbell_metrics::exposition::Format;
use watchbell_metrics::label::{Labels, MatchOp, Matcher};
use watchbell_metrics::promql::{Options, Value, eval_instant, parse};
use watchbell_metrics::sample::{Sample, Source as _, TimeRange};
use watchbell_metrics::series::backfill::{Bounds, Loader};
use watchbell_paging::time::Timestamp;

use super::*;

#[test]
fn what_was_written_is_read_back_in_order_over_several_runs() {
    let folder = Folder::new();
    for words in [["a", "b"], ["c", "d"]] {
        let mut writer = folder.writer();
        for word in words {
            folder.write(&mut writer, &[word], 0);
        }
    }
    let (replayed, words) = folder.replay();
    assert_eq!(words, ["a", "b", "c", "d"]);
    let expected = Replayed { segments: 2, blocks: 4, samples: 4, ..Replayed::default() };
    assert_eq!(replayed, expected);
}

#[test]
fn an_absent_folder_is_an_empty_journal() {
    assert_eq!(Folder::new().replay(), (Replayed::default(), Vec::new()));
}

#[test]
fn a_torn_end_is_cut_once_and_the_next_run_writes_beside_it() {
    let folder = Folder::new();
    folder.write(&mut folder.writer(), &["a", "b"], 0);
    let file = folder.path().join("00000001.wbs");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let (replayed, words) = folder.replay();
    assert_eq!((replayed.torn, replayed.damaged, words), (1, 0, vec!["a".to_owned()]));
    folder.write(&mut folder.writer(), &["c"], 0);
    let (replayed, words) = folder.replay();
    assert_eq!((replayed.torn, words), (0, vec!["a".to_owned(), "c".to_owned()]));
}

#[test]
fn a_damaged_file_costs_only_itself() {
    let folder = Folder::new();
    folder.write(&mut folder.writer(), &["a"], 0);
    std::fs::write(folder.path().join("00000002.wbs"), "not a segment").unwrap();
    std::fs::create_dir(folder.path().join("00000003.wbs")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "ignored").unwrap();
    folder.write(&mut folder.writer(), &["b"], 0);
    let (replayed, words) = folder.replay();
    assert_eq!((replayed.damaged, words), (2, vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn a_disk_that_fails_keeps_the_blocks_for_the_next_try() {
    let folder = Folder::new();
    std::fs::write(folder.path(), "in the way").unwrap();
    let mut writer = folder.writer();
    let mut blocks: VecDeque<Vec<u8>> = [b"a".to_vec()].into();
    writer.write(&mut blocks, Timestamp(0), Duration::ZERO);
    assert_eq!(blocks.len(), 1);
    std::fs::remove_file(folder.path()).unwrap();
    blocks.push_back(b"b".to_vec());
    writer.write(&mut blocks, Timestamp(0), Duration::ZERO);
    assert!(blocks.is_empty());
    assert_eq!(folder.replay().1, ["a", "b"]);
}

#[test]
fn what_waits_is_bounded_and_the_oldest_goes_first() {
    let mut waiting = Waiting::default();
    let block = |letter: u8| vec![letter; 4];
    assert_eq!(waiting.hold([block(b'a'), Vec::new(), block(b'b')].into(), 8), 0);
    assert_eq!(waiting.hold([block(b'c')].into(), 8), 1);
    assert_eq!(waiting.blocks, [block(b'b'), block(b'c')]);
    assert_eq!(waiting.bytes, 8);
}

#[test]
fn segments_are_closed_after_an_hour_and_deleted_past_their_time() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    folder.write(&mut writer, &["a"], 0);
    folder.write(&mut writer, &["b"], 3599);
    assert_eq!(segment::list(&folder.path()).len(), 1);
    folder.write(&mut writer, &["c"], 3600);
    assert_eq!(segment::list(&folder.path()).len(), 2);
    // The files are of today; a clock far ahead finds them too old.
    let mut blocks: VecDeque<Vec<u8>> = [b"d".to_vec()].into();
    let far = Timestamp::parse_rfc3339("2999-01-01T00:00:00Z").unwrap();
    writer.write(&mut blocks, far, Duration::from_secs(7200));
    assert_eq!(folder.replay().1, ["d"]);
}

#[test]
fn files_are_kept_as_long_as_the_farthest_reader_reaches() {
    let read = series::Read { reader: 0, matchers: Vec::new(), reach: 500 };
    let retention = Retention { reads: vec![read], raw: 100, keep: 400, matchers: Vec::new() };
    let keep = Keep::new(&retention);
    assert_eq!(
        (keep.raw(), keep.longest()),
        (Duration::from_millis(100), Duration::from_millis(500))
    );
    let other = keep.clone();
    other.set(&Retention { keep: 900, ..retention });
    assert_eq!(keep.longest(), Duration::from_millis(900), "a clone is the same");
}

#[tokio::test]
async fn a_store_is_what_it_was_after_a_restart() {
    let folder = Folder::new();
    let retention = Retention { raw: 900_000, keep: 900_000, ..Retention::default() };
    let store = series::Store::new(retention.clone());
    let labels = Labels::from_pairs([("job", "api"), ("instance", "a:1")]);
    let limits = series::Limits { series_max: 10, labels_max: 10, label_length_max: 100 };
    let mut target = store.open(&labels, limits);
    for (at, body) in [(1_000, "hits 1\n"), (2_000, "hits 2\n"), (3_000, "hits 5\n")] {
        target.append(body.as_bytes(), Format::Text, at, 0.01);
    }
    let metrics = Arc::new(Metrics::new().unwrap());
    let clock = Arc::new(Clock::start());
    let journal =
        Journal::new(&folder.path(), store.clone(), clock, metrics, Keep::new(&retention));
    journal.run(async {}).await;
    let after = series::Store::new(retention);
    let replayed = replay(&folder.path(), &after);
    assert_eq!((replayed.damaged, replayed.torn), (0, 0));
    assert!(3 <= replayed.samples, "{replayed:?}");
    for expr in ["hits", "up", "increase(hits[10s])"] {
        let of = |store: &series::Store| {
            let expr = parse(expr).unwrap();
            format!("{:?}", eval_instant(&expr, store, 3_500, &Options::default()).unwrap())
        };
        assert_eq!(of(&after), of(&store), "{expr}");
    }
}

#[test]
fn packed_segments_are_smaller_and_hold_what_rules_read() {
    let folder = Folder::new();
    let named = Matcher::new("__name__", MatchOp::Equal, "hits").unwrap();
    let read = series::Read { reader: 0, matchers: vec![named], reach: 900_000 };
    let retention =
        Retention { reads: vec![read], raw: 900_000, keep: 900_000, matchers: Vec::new() };
    let store = series::Store::new(retention.clone());
    let limits = series::Limits { series_max: 10, labels_max: 10, label_length_max: 100 };
    let mut target = store.open(&Labels::from_pairs([("job", "api")]), limits);
    let mut writer = folder.writer();
    for second in 1..=60 {
        let body = format!("hits {second}\nunread{{path=\"/a/rather/long/one\"}} {second}\n");
        target.append(body.as_bytes(), Format::Text, second * 1_000, 0.01);
        writer.write(&mut [store.take_block()].into(), Timestamp(0), Duration::ZERO);
    }
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).map(|data| data.len());
    let before = size("00000001.wbs").unwrap();
    let far = Timestamp::parse_rfc3339("2999-01-01T00:00:00Z").unwrap();
    pack::pack_old(&folder.path(), Duration::ZERO, far);
    assert_eq!(size("00000001.wbs").unwrap(), before, "the newest is being written");
    // Another run begins another segment, and the first one is closed.
    folder.write(&mut folder.writer(), &["x"], 0);
    let written = std::fs::metadata(folder.path().join("00000001.wbs")).unwrap().modified();
    pack::pack_old(&folder.path(), Duration::from_secs(900), Timestamp(0));
    assert_eq!(size("00000001.wbs").unwrap(), before, "its raw samples are still needed");
    pack::pack_old(&folder.path(), Duration::ZERO, far);
    assert!(size("00000001.wbs").is_err(), "the original is gone");
    assert!(size("00000001.wbp").unwrap() < before / 4);
    let packed = std::fs::metadata(folder.path().join("00000001.wbp")).unwrap().modified();
    assert_eq!(packed.unwrap(), written.unwrap(), "its age is that of its samples");
    let after = series::Store::new(retention);
    replay(&folder.path(), &after);
    for (expr, is_kept) in [("rate(hits[1m])", true), ("unread", false)] {
        let of = |store: &series::Store| {
            let expr = parse(expr).unwrap();
            format!("{:?}", eval_instant(&expr, store, 60_000, &Options::default()).unwrap().value)
        };
        assert_eq!(of(&after) == of(&store), is_kept, "{expr}: {}", of(&after));
    }
}

#[tokio::test]
async fn the_last_block_is_on_disk_when_the_journal_stops() {
    let folder = Folder::new();
    let words = Mutex::new(VecDeque::from([b"last".to_vec()]));
    let source = Source(Arc::new(move || words.lock().unwrap().pop_front().unwrap_or_default()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let journal = Journal::from_source(
        &folder.path(),
        source,
        Arc::new(Clock::start()),
        metrics,
        folder.keep(),
    );
    journal.run(async {}).await;
    assert_eq!(folder.replay().1, ["last"]);
}

#[tokio::test]
async fn blocks_are_written_while_the_journal_runs() {
    let folder = Folder::new();
    let words = Mutex::new(VecDeque::from([b"a".to_vec(), b"b".to_vec()]));
    let (taken, mut all_taken) = tokio::sync::watch::channel(0);
    let source = Source(Arc::new(move || {
        taken.send_modify(|count| *count += 1);
        words.lock().unwrap().pop_front().unwrap_or_default()
    }));
    let metrics = Arc::new(Metrics::new().unwrap());
    let clock = Arc::new(Clock::start());
    let journal = Journal::from_source(&folder.path(), source, clock, metrics, folder.keep());
    let stop = async move { all_taken.wait_for(|count| 1 < *count).await.map(|_| ()).unwrap() };
    journal.run(stop).await;
    assert_eq!(folder.replay().1, ["a", "b"]);
}

/// Reads lines of the text format as a backfill does.
fn load(folder: &Folder, lines: &str) -> u64 {
    let bounds = Bounds { oldest: 0, newest: i64::MAX };
    let mut loader = Loader::new(Format::Text, bounds);
    for line in lines.lines() {
        loader.read_line(line.as_bytes()).unwrap();
    }
    let mut load = loaded::Load::begin(&folder.path()).unwrap();
    load.add(&loader.take_windows()).unwrap();
    load.finish().unwrap()
}

fn hits(folder: &Folder) -> String {
    let store = series::Store::new(Retention {
        keep: i64::MAX / 4,
        raw: i64::MAX / 4,
        ..Retention::default()
    });
    let replayed = replay(&folder.path(), &store);
    let expr = parse("hits[1000w]").unwrap();
    let value = eval_instant(&expr, &store, AT + 100 * HOUR, &Options::default()).unwrap().value;
    let Value::Matrix(series) = value else { panic!("{value:?}") };
    assert!(series.len() < 2, "{series:?}");
    let samples = series.iter().flat_map(|one| &one.samples);
    let words: Vec<String> = samples.map(|one| format!("{}:{}", one.at - AT, one.value)).collect();
    assert_eq!((replayed.damaged, replayed.torn), (0, 0));
    words.join(" ")
}

const HOUR: i64 = 3_600_000;
/// The start of a window.
const AT: i64 = 1_650_002_400_000;

#[test]
fn loaded_files_may_come_in_any_order_overlap_and_come_again() {
    let folder = Folder::new();
    let late = format!("hits 3 {}\nhits 4 {}\n", AT + 2, AT + 3 * HOUR);
    let early = format!("hits 1 {}\nhits 2 {}\nhits 9 {}\n", AT, AT + 1, AT + 2);
    assert_eq!(load(&folder, &late), 0);
    assert_eq!(load(&folder, &early), 1, "the sample that was there stays");
    let expected = format!("0:1 1:2 2:3 {}:4", 3 * HOUR);
    assert_eq!(hits(&folder), expected);
    for (again, repeated) in [(&late, 2), (&early, 3)] {
        assert_eq!(load(&folder, again), repeated);
        assert_eq!(hits(&folder), expected);
    }
    assert_eq!(segment::list(&loaded::folder(&folder.path())).len(), 2);
}

#[test]
fn an_unfinished_load_is_invisible_and_gone_with_the_next() {
    let folder = Folder::new();
    load(&folder, &format!("hits 1 {AT}\n"));
    let mut loader = Loader::new(Format::Text, Bounds { oldest: 0, newest: i64::MAX });
    loader.read_line(format!("hits 2 {}", AT + 1).as_bytes()).unwrap();
    let mut interrupted = loaded::Load::begin(&folder.path()).unwrap();
    interrupted.add(&loader.take_windows()).unwrap();
    drop(interrupted);
    assert_eq!(hits(&folder), "0:1");
    load(&folder, &format!("hits 3 {}\n", AT + 2));
    assert_eq!(hits(&folder), "0:1 2:3");
}

#[test]
fn a_damaged_window_costs_its_block_and_can_be_loaded_again() {
    let folder = Folder::new();
    let text = format!("hits 1 {AT}\nhits 2 {}\n", AT + 3 * HOUR);
    load(&folder, &text);
    let path = segment::list(&loaded::folder(&folder.path()))[0].path.clone();
    let good = std::fs::read(&path).unwrap();
    for length in [0, 4, good.len() - 1] {
        std::fs::write(&path, &good[..length]).unwrap();
        let store = series::Store::new(Retention { keep: HOUR, ..Retention::default() });
        assert_eq!(replay(&folder.path(), &store).samples, 1, "cut at {length}");
        load(&folder, &text);
        assert_eq!(hits(&folder), format!("0:1 {}:2", 3 * HOUR), "cut at {length}");
    }
}

/// A flip or cut anywhere in a file costs samples of that file at most: none is ever changed, and
/// what is not read back is reported.
#[test]
fn every_prefix_and_every_flipped_bit_of_a_segment_is_detected_or_harmless() {
    let folder = Folder::new();
    let retention = Retention { raw: HOUR, ..Retention::default() };
    let store = series::Store::new(retention.clone());
    let limits = series::Limits { series_max: 10, labels_max: 10, label_length_max: 100 };
    let mut target = store.open_own(&Labels::from_pairs([("job", "api")]), limits);
    let mut writer = folder.writer();
    for (at, body) in [(1_000, "hits 1\nsize 5\n"), (2_000, "hits 2\n"), (3_000, "hits 5\n")] {
        target.append(body.as_bytes(), Format::Text, at, 0.01);
        writer.write(&mut [store.take_block()].into(), Timestamp(0), Duration::ZERO);
    }
    let bytes = std::fs::read(folder.path().join("00000001.wbs")).unwrap();
    let (whole, found) = dump(&bytes, &retention);
    assert_eq!((whole.len(), found.damaged, found.torn_at), (5, 0, None));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (samples, found) = dump(&flipped, &retention);
        assert!(samples.iter().all(|sample| whole.contains(sample)), "bit {bit}: {samples:?}");
        assert!(0 < found.damaged || found.torn_at.is_some(), "bit {bit} was not noticed");
    }
    for length in 0..bytes.len() {
        let (samples, found) = dump(&bytes[..length], &retention);
        assert!(samples.iter().all(|sample| whole.contains(sample)), "cut at {length}");
        let is_noticed = 0 < found.damaged || found.torn_at.is_some();
        let is_between_blocks = found.samples == samples.len();
        assert!(is_noticed || is_between_blocks, "cut at {length}");
    }
}

/// Lists every sample that a segment gives to a store.
fn dump(bytes: &[u8], retention: &Retention) -> (Vec<String>, segment::Found) {
    let store = series::Store::new(retention.clone());
    let found =
        segment::scan(bytes, |block| store.replay(block).map_err(|error| error.to_string()));
    let range = TimeRange { from: i64::MIN, to: i64::MAX };
    let mut lines = Vec::new();
    for view in store.select(&[], range) {
        let mut samples = Vec::new();
        view.samples(range, &mut samples);
        let line = |one: &Sample| format!("{} {} {}", view.labels(), one.at, one.value.to_bits());
        lines.extend(samples.iter().map(line));
    }
    (lines, found)
}

#[test]
fn loaded_windows_are_deleted_past_their_time() {
    let folder = Folder::new();
    load(&folder, &format!("hits 1 {AT}\nhits 2 {}\n", AT + 3 * HOUR));
    let keep = Duration::from_secs(3600);
    loaded::expire(&folder.path(), keep, Timestamp(AT + 3 * HOUR - 1));
    assert_eq!(hits(&folder), format!("0:1 {}:2", 3 * HOUR));
    loaded::expire(&folder.path(), keep, Timestamp(AT + 3 * HOUR));
    assert_eq!(hits(&folder), format!("{}:2", 3 * HOUR));
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("samples")
    }

    fn keep(&self) -> Keep {
        Keep::new(&Retention { keep: 35 * 86_400_000, ..Retention::default() })
    }

    fn writer(&self) -> Writer {
        Writer::new(&self.path(), self.keep())
    }

    fn write(&self, writer: &mut Writer, words: &[&str], seconds: u64) {
        let mut blocks = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        writer.write(&mut blocks, Timestamp(0), Duration::from_secs(seconds));
        assert!(blocks.is_empty());
    }

    fn replay(&self) -> (Replayed, Vec<String>) {
        let mut words = Vec::new();
        let replayed = replay_into(&self.path(), |block| {
            words.push(String::from_utf8(block.to_vec()).map_err(|error| error.to_string())?);
            Ok(1)
        });
        (replayed, words)
    }
}
