//! `backfill`: loads history from exposition text with times into the state folder.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use watchbell_metrics::exposition::{Format, Lines};
use watchbell_metrics::series::backfill::{Bounds, Counts, Loader};
use watchbell_paging::time::Timestamp;

use crate::cli::Context;
use crate::cli::files::Disk;
use crate::cli::out::{Exit, Failure, one_line};
use crate::cli::run::state_folder;
use crate::clock::Clock;
use crate::reload;
use crate::samples::Keep;
use crate::samples::loaded::Load;
use crate::scrape::retention_of;
use crate::store::Store;

/// Samples that are held before they are written: 64 MiB.
const WAITING_MAX: usize = 4 * 1024 * 1024;
/// How much of a file is read at once; a line may be as long.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// How far ahead of the clock a sample may be, as for a scrape.
const AHEAD: Duration = Duration::from_secs(600);
/// How often the terminal hears how far it is.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// Where the end of an OpenMetrics file is looked for.
const TAIL_BYTES: i64 = 64;

#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// Files of OpenMetrics or classic text, every sample with its time; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the files are written [default: OpenMetrics where "# EOF" ends the file]
    #[arg(long, value_enum)]
    format: Option<Dialect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// OpenMetrics: times in seconds, "# EOF" at the end
    Openmetrics,
    /// Prometheus text format: times in milliseconds
    Text,
}

/// What was loaded.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// The state folder.
    state: String,
    files: Vec<Loaded>,
    samples: u64,
    already_there: u64,
    too_old: u64,
    seconds: f64,
    /// Why the next file was not loaded.
    error: Option<String>,
}

/// One file that was loaded.
#[derive(Debug, Serialize)]
struct Loaded {
    file: String,
    samples: u64,
    series: usize,
    already_there: u64,
    too_old: u64,
    from: Option<String>,
    to: Option<String>,
}

/// What loading needs to know.
struct Backfill {
    samples: PathBuf,
    clock: Clock,
    keep: Duration,
    format: Option<Dialect>,
    progress: Progress,
}

/// A line on the terminal that is written again and again.
struct Progress {
    is_shown: bool,
    told_at: Duration,
    sample_count: u64,
}

pub(crate) fn run(context: &Context, args: &BackfillArgs) -> Result<Exit, Failure> {
    let path = context.config_path();
    let loaded =
        reload::read(&path, &Disk).map_err(|refused| Failure::usage(refused.to_string()))?;
    let state = state_folder(loaded.config.daemon.state.as_deref());
    // Held until the end: a daemon that runs would not see what is loaded.
    let _store = Store::open(&state.join("watchbell.db"))
        .map_err(|error| Failure::usage(error.to_string()))?;
    let mut backfill = Backfill {
        samples: state.join("samples"),
        clock: Clock::start(),
        keep: Keep::new(&retention_of(&loaded.config)).longest(),
        format: args.format,
        progress: Progress::new(),
    };
    let mut summary = Summary { state: shown(&state), ..Summary::default() };
    for file in &args.files {
        match backfill.load(file) {
            Ok(loaded) => summary.add(loaded),
            Err(why) => {
                summary.error = Some(why);
                break;
            }
        }
    }
    backfill.progress.clear();
    summary.seconds = backfill.clock.elapsed().as_secs_f64();
    if context.out.json {
        context.out.value(&summary)?;
    } else {
        context.out.line(summary.to_string());
    }
    match summary.error {
        None => Ok(Exit::Ok),
        Some(why) => Err(Failure::problem(why)),
    }
}

impl Backfill {
    /// Loads a file whole or not at all.
    fn load(&mut self, path: &Path) -> Result<Loaded, String> {
        let file = shown(path);
        let refuse = |error: std::io::Error| format!("reading {file}: {error}");
        let (mut input, format) = self.open(path).map_err(refuse)?;
        let mut load = Load::begin(&self.samples).map_err(|error| error.to_string())?;
        let (counts, already_there) = match self.read(&mut *input, format, &mut load) {
            Ok(counts) => {
                let repeated = load.finish().map_err(|error| error.to_string())?;
                (counts, repeated + counts.repeated)
            }
            Err(why) => {
                let left = load.discard().err().map(|error| format!("; {error}"));
                return Err(format!(
                    "{file}{why}; nothing of this file was loaded{}",
                    left.unwrap_or_default()
                ));
            }
        };
        self.progress.sample_count += counts.samples;
        let time = |at: Option<i64>| at.map(|at| Timestamp(at).to_rfc3339());
        Ok(Loaded {
            file,
            samples: counts.samples,
            series: counts.series,
            already_there,
            too_old: counts.too_old,
            from: time(counts.first_at),
            to: time(counts.last_at),
        })
    }

    fn open(&self, path: &Path) -> std::io::Result<(Box<dyn Read>, Format)> {
        let format = match self.format {
            Some(Dialect::Openmetrics) => Some(Format::OpenMetrics),
            Some(Dialect::Text) => Some(Format::Text),
            None => None,
        };
        if path == Path::new("-") {
            // Its end cannot be looked at first.
            return Ok((Box::new(std::io::stdin().lock()), format.unwrap_or(Format::OpenMetrics)));
        }
        let mut file = File::open(path)?;
        let format = match format {
            Some(format) => format,
            None => format_of(&mut file)?,
        };
        Ok((Box::new(file), format))
    }

    /// Reads line by line; the fault begins with its place in the file.
    fn read(
        &mut self,
        input: &mut dyn Read,
        format: Format,
        load: &mut Load,
    ) -> Result<Counts, String> {
        let now = self.clock.now();
        let bounds = Bounds { oldest: now.minus(self.keep).0.max(0), newest: now.plus(AHEAD).0 };
        let mut loader = Loader::new(format, bounds);
        let mut line_count = 0_u64;
        let mut buffer = vec![0; READ_BYTES];
        let mut held = 0;
        loop {
            let space = buffer.get_mut(held..).unwrap_or_default();
            let read = match input.read(space) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!(": {error}")),
            };
            let filled = held + read;
            let bytes = buffer.get(..filled).unwrap_or_default();
            let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
                _ if read == 0 => filled,
                Some(end) => end + 1,
                None if filled < READ_BYTES => 0,
                None => return Err(format!(":{}: the line is too long", line_count + 1)),
            };
            for line in Lines::new(bytes.get(..whole).unwrap_or_default()) {
                line_count += 1;
                loader.read_line(line).map_err(|why| format!(":{line_count}: {why}"))?;
            }
            if WAITING_MAX <= loader.waiting() || read == 0 {
                load.add(&loader.take_windows()).map_err(|error| format!(": {error}"))?;
            }
            if read == 0 {
                loader.finish().map_err(|why| format!(": {why}"))?;
                return Ok(loader.counts());
            }
            buffer.copy_within(whole..filled, 0);
            held = filled - whole;
            self.progress.tell(loader.counts().samples, self.clock.elapsed());
        }
    }
}

impl Progress {
    fn new() -> Self {
        let is_shown = std::io::stderr().is_terminal();
        Self { is_shown, told_at: Duration::ZERO, sample_count: 0 }
    }

    /// Says how many samples of all files were read.
    fn tell(&mut self, of_this_file: u64, elapsed: Duration) {
        if !self.is_shown || elapsed < self.told_at + TELL_EVERY {
            return;
        }
        self.told_at = elapsed;
        let count = self.sample_count + of_this_file;
        let line = format!("{} samples, {} a second", grouped(count), rate(count, elapsed));
        // A terminal that went away hears nothing.
        drop(write!(anstream::stderr().lock(), "\r{line}\u{1b}[K"));
    }

    fn clear(&self) {
        if self.is_shown && Duration::ZERO < self.told_at {
            drop(write!(anstream::stderr().lock(), "\r\u{1b}[K"));
        }
    }
}

impl Summary {
    fn add(&mut self, loaded: Loaded) {
        self.samples += loaded.samples;
        self.already_there += loaded.already_there;
        self.too_old += loaded.too_old;
        self.files.push(loaded);
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = self.files.len();
        let word = if files == 1 { "file" } else { "files" };
        let per_second = rate(self.samples, Duration::from_secs_f64(self.seconds.max(0.0)));
        let samples = grouped(self.samples);
        let seconds = self.seconds;
        write!(
            formatter,
            "read {samples} samples of {files} {word} in {seconds:.1} s ({per_second} a second) into {}",
            self.state
        )?;
        let from = self.files.iter().filter_map(|file| file.from.as_ref()).min();
        let to = self.files.iter().filter_map(|file| file.to.as_ref()).max();
        if let (Some(from), Some(to)) = (from, to) {
            write!(formatter, ", from {from} to {to}")?;
        }
        if 0 < self.already_there {
            write!(formatter, "; {} were there already", grouped(self.already_there))?;
        }
        if 0 < self.too_old {
            let too_old = grouped(self.too_old);
            write!(formatter, "; {too_old} more are older than [history] keeps")?;
        }
        Ok(())
    }
}

/// Looks at the end of a file.
fn format_of(file: &mut File) -> std::io::Result<Format> {
    if !file.metadata()?.is_file() {
        return Ok(Format::OpenMetrics);
    }
    let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
    file.seek(SeekFrom::End(-length.min(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    file.rewind()?;
    let is_open = tail.trim_ascii_end().ends_with(b"# EOF");
    Ok(if is_open { Format::OpenMetrics } else { Format::Text })
}

fn shown(path: &Path) -> String {
    one_line(&path.display().to_string())
}

fn rate(count: u64, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    grouped(count.saturating_mul(1000) / millis)
}

/// Writes a number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn the_end_of_a_file_says_its_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one");
        for (text, expected) in [
            ("m 1 1\n# EOF\n", Format::OpenMetrics),
            ("# EOF", Format::OpenMetrics),
            ("m 1 1\n", Format::Text),
            ("", Format::Text),
        ] {
            std::fs::write(&path, text).unwrap();
            let mut file = File::open(&path).unwrap();
            assert_eq!(format_of(&mut file).unwrap(), expected, "{text:?}");
            let mut whole = String::new();
            file.read_to_string(&mut whole).unwrap();
            assert_eq!(whole, text);
        }
    }

    #[test]
    fn lines_are_whole_wherever_a_read_ends() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("up 1 1650000000000\n{}up 2 1650000000001", " ".repeat(10));
        for size in [1, 2, 3, 7, 18, 19, 20, 100] {
            let mut backfill = Backfill {
                samples: folder.path().to_owned(),
                clock: Clock::start(),
                keep: Duration::from_secs(u64::from(u32::MAX)),
                format: None,
                progress: Progress { is_shown: false, told_at: Duration::ZERO, sample_count: 0 },
            };
            let mut load = Load::begin(folder.path()).unwrap();
            let mut input = Slow { text: text.as_bytes(), size };
            let counts = backfill.read(&mut input, Format::Text, &mut load).unwrap();
            assert_eq!(counts.samples, 2, "{size} bytes at once");
            load.discard().unwrap();
        }
    }

    /// Gives a few bytes at once.
    struct Slow<'a> {
        text: &'a [u8],
        size: usize,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let length = self.size.min(into.len()).min(self.text.len());
            let (now, later) = self.text.split_at(length);
            into[..length].copy_from_slice(now);
            self.text = later;
            Ok(length)
        }
    }
}
