//! Moments: Go's `time.Time` in UTC, its layouts and the methods that templates call.

use std::fmt;

use crate::template::go::float;
use crate::template::go::value::Value;

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Nanoseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) i64);

/// A moment taken apart.
struct Civil {
    year: i64,
    /// 1..=12
    month: i64,
    /// 1..=31
    day: i64,
    /// Sunday is 0.
    weekday: i64,
    /// The first is 1.
    year_day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
}

impl Moment {
    /// A time in seconds, cut to milliseconds as Prometheus does.
    ///
    /// # Errors
    /// Refuses what is no time.
    pub(super) fn from_seconds(seconds: f64) -> Result<Self, String> {
        if !seconds.is_finite() {
            return Err("value is NaN or Inf".to_owned());
        }
        let nanoseconds = seconds * 1e9;
        if !(-9.2e18..9.2e18).contains(&nanoseconds) {
            let written = float::format(seconds, 'g', None);
            return Err(format!(
                "{written} cannot be represented as a nanoseconds timestamp since it overflows int64"
            ));
        }
        #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
        let nanoseconds = nanoseconds as i64;
        Ok(Self(nanoseconds / 1_000_000 * 1_000_000))
    }

    /// The proleptic Gregorian calendar; years count from March, so that the leap day is the last.
    fn civil(self) -> Civil {
        let seconds = self.0.div_euclid(1_000_000_000);
        let days = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        let shifted = days + 719_468;
        let of_cycle = shifted.rem_euclid(146_097);
        let year_of_cycle =
            (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
        let from_march = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * from_march + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = shifted.div_euclid(146_097) * 400 + year_of_cycle + i64::from(month <= 2);
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let year_day =
            if month <= 2 { from_march - 305 } else { from_march + 60 + i64::from(leap) };
        Civil {
            year,
            month,
            day: from_march - (153 * month_from_march + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7),
            year_day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanosecond: self.0.rem_euclid(1_000_000_000),
        }
    }

    /// Writes the moment by a layout, whose example is 2 January 2006, 15:04:05.
    pub(super) fn format(self, layout: &str) -> String {
        let civil = self.civil();
        let mut out = String::new();
        let mut rest = layout;
        while let Some(letter) = rest.chars().next() {
            if let Some((text, after)) = civil.part(rest).or_else(|| civil.fraction(rest)) {
                out.push_str(&text);
                rest = after;
            } else {
                out.push(letter);
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            }
        }
        out
    }

    /// Calls a method of `time.Time`.
    ///
    /// # Errors
    /// Says that there is none of the name, or that the arguments do not fit.
    pub(super) fn method(self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let civil = self.civil();
        let value = match (name, arguments) {
            ("Format", [Value::Text(layout)]) => Value::text(self.format(layout)),
            ("Add", [Value::Span(span)]) => Value::Moment(Self(self.0.saturating_add(*span))),
            ("Sub", [Value::Moment(other)]) => Value::Span(self.0.saturating_sub(other.0)),
            ("Before", [Value::Moment(other)]) => Value::Bool(self < *other),
            ("After", [Value::Moment(other)]) => Value::Bool(*other < self),
            ("Equal", [Value::Moment(other)]) => Value::Bool(self == *other),
            ("Format" | "Add" | "Sub" | "Before" | "After" | "Equal", [other]) => {
                return Err(format!("wrong type for value; got {}", other.type_name()));
            }
            ("Format" | "Add" | "Sub" | "Before" | "After" | "Equal", _) => {
                let count = arguments.len();
                return Err(format!("wrong number of args for {name}: want 1 got {count}"));
            }
            ("Year", []) => Value::Int(civil.year),
            ("Month", []) => Value::text(civil.month_name()),
            ("Day", []) => Value::Int(civil.day),
            ("Weekday", []) => Value::text(civil.day_name()),
            ("YearDay", []) => Value::Int(civil.year_day),
            ("Hour", []) => Value::Int(civil.hour),
            ("Minute", []) => Value::Int(civil.minute),
            ("Second", []) => Value::Int(civil.second),
            ("Nanosecond", []) => Value::Int(civil.nanosecond),
            ("Unix", []) => Value::Int(self.0.div_euclid(1_000_000_000)),
            ("UnixMilli", []) => Value::Int(self.0.div_euclid(1_000_000)),
            ("UnixNano", []) => Value::Int(self.0),
            ("UTC" | "Local", []) => Value::Moment(self),
            ("String", []) => Value::text(self.to_string()),
            _ => return Err(format!("can't evaluate field {name} in type *time.Time")),
        };
        Ok(value)
    }
}

/// As Go prints a time: `2015-06-23 13:19:44.128 +0000 UTC`.
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

fn named<'a>(names: &[&'a str], index: i64) -> &'a str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
}

/// The elements of a layout but for fractions; where one starts another, the longer stands first.
const ELEMENTS: [&str; 34] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "002",
    "2006",
    "15",
    "__2",
    "_2006",
    "_2",
    "PM",
    "pm",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z07:00",
    "Z070000",
    "Z0700",
    "Z07",
    "1",
    "2",
    "3",
    "4",
    "5",
];

impl Civil {
    fn month_name(&self) -> &'static str {
        named(&MONTHS, self.month - 1)
    }

    fn day_name(&self) -> &'static str {
        named(&DAYS, self.weekday)
    }

    /// Writes the element at the start of a layout; gives the layout after it.
    fn part<'a>(&self, layout: &'a str) -> Option<(String, &'a str)> {
        let (element, rest) = ELEMENTS
            .iter()
            .filter_map(|element| Some((*element, layout.strip_prefix(element)?)))
            // `Jan` and `Mon` are no elements where a longer word starts with them.
            .find(|(element, rest)| {
                let word = rest.starts_with(|next: char| next.is_ascii_lowercase());
                !(matches!(*element, "Jan" | "Mon") && word)
            })?;
        let short = |name: &str| name.chars().take(3).collect::<String>();
        let hour = (self.hour + 11) % 12 + 1;
        let text = match element {
            "January" => self.month_name().to_owned(),
            "Jan" => short(self.month_name()),
            "Monday" => self.day_name().to_owned(),
            "Mon" => short(self.day_name()),
            "MST" => "UTC".to_owned(),
            "01" => format!("{:02}", self.month),
            "1" => self.month.to_string(),
            "02" => format!("{:02}", self.day),
            "_2" => format!("{:2}", self.day),
            "2" => self.day.to_string(),
            "002" => format!("{:03}", self.year_day),
            "__2" => format!("{:3}", self.year_day),
            "15" => format!("{:02}", self.hour),
            "03" => format!("{hour:02}"),
            "3" => hour.to_string(),
            "04" => format!("{:02}", self.minute),
            "4" => self.minute.to_string(),
            "05" => format!("{:02}", self.second),
            "5" => self.second.to_string(),
            "2006" => format!("{:04}", self.year),
            "_2006" => format!("_{:04}", self.year),
            "06" => format!("{:02}", self.year.rem_euclid(100)),
            "PM" => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
            "pm" => if self.hour < 12 { "am" } else { "pm" }.to_owned(),
            "-0700" => "+0000".to_owned(),
            "-07:00" => "+00:00".to_owned(),
            "-07" => "+00".to_owned(),
            "-070000" => "+000000".to_owned(),
            "-07:00:00" => "+00:00:00".to_owned(),
            _ => "Z".to_owned(),
        };
        Some((text, rest))
    }

    /// `.000` or `,999`: digits of a second; nines leave out zeros at the end.
    fn fraction<'a>(&self, layout: &'a str) -> Option<(String, &'a str)> {
        let point = layout.chars().next().filter(|point| matches!(point, '.' | ','))?;
        let after = layout.get(1..)?;
        let digit = after.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
        let rest = after.trim_start_matches(digit);
        let count = after.len() - rest.len();
        if 9 < count || rest.starts_with(|next: char| next.is_ascii_digit()) {
            return None;
        }
        let digits: String = format!("{:09}", self.nanosecond).chars().take(count).collect();
        let kept = if digit == '9' { digits.trim_end_matches('0') } else { &digits };
        let text = if kept.is_empty() { String::new() } else { format!("{point}{kept}") };
        Some((text, rest))
    }
}
