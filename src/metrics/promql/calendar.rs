//! Dates of UTC for `year()`, `hour()` and their like: the proleptic Gregorian calendar.

/// A second of UTC, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    year: i64,
    /// 1..=12
    month: i64,
    /// 1..=31
    day: i64,
    /// Days since 1970-01-01.
    days: i64,
    /// Seconds since midnight.
    second_of_day: i64,
}

const DAY_SECONDS: i64 = 86_400;

impl Civil {
    /// Takes seconds since 1970 apart; `None` for what is no time.
    pub(crate) fn from_seconds(seconds: f64) -> Option<Self> {
        if seconds.is_nan() || seconds.abs() > 1e14 {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
        let whole = seconds as i64;
        let days = whole.div_euclid(DAY_SECONDS);
        let (year, month, day) = date(days);
        Some(Self { year, month, day, days, second_of_day: whole.rem_euclid(DAY_SECONDS) })
    }
}

pub(crate) fn year(civil: Civil) -> i64 {
    civil.year
}

pub(crate) fn month(civil: Civil) -> i64 {
    civil.month
}

pub(crate) fn day_of_month(civil: Civil) -> i64 {
    civil.day
}

/// Sunday is 0.
pub(crate) fn day_of_week(civil: Civil) -> i64 {
    (civil.days + 4).rem_euclid(7)
}

pub(crate) fn day_of_year(civil: Civil) -> i64 {
    civil.days - days(civil.year, 1) + 1
}

pub(crate) fn days_in_month(civil: Civil) -> i64 {
    let next =
        if civil.month == 12 { days(civil.year + 1, 1) } else { days(civil.year, civil.month + 1) };
    next - days(civil.year, civil.month)
}

pub(crate) fn hour(civil: Civil) -> i64 {
    civil.second_of_day / 3600
}

pub(crate) fn minute(civil: Civil) -> i64 {
    civil.second_of_day / 60 % 60
}

/// Days from 1970-01-01 to the first of a month; years are counted from March, so that the leap
/// day is the last of its year, in cycles of 400 years.
fn days(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * 146_097 + day_of_cycle - 719_468
}

/// The inverse: year, month, day.
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    let shifted = days_since_1970 + 719_468;
    let cycle = shifted.div_euclid(146_097);
    let day_of_cycle = shifted.rem_euclid(146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree_over_a_thousand_years() {
        for days_since in -200_000..200_000 {
            let (year, month, day) = date(days_since);
            assert_eq!(days(year, month) + day - 1, days_since);
        }
    }

    #[test]
    fn known_seconds_have_known_dates() {
        for (seconds, year_is, month_is, day_is, week_is) in [
            (0.0, 1970, 1, 1, 4),
            (1_136_239_445.0, 2006, 1, 2, 1),
            (1_456_790_399.0, 2016, 2, 29, 1),
            (-1.0, 1969, 12, 31, 3),
        ] {
            let civil = Civil::from_seconds(seconds).unwrap();
            assert_eq!((civil.year, civil.month, civil.day), (year_is, month_is, day_is));
            assert_eq!(day_of_week(civil), week_is);
        }
        assert_eq!(Civil::from_seconds(f64::NAN), None);
        assert_eq!(Civil::from_seconds(f64::INFINITY), None);
    }
}
