//! Numbers as people read them at night: few digits, the unit that fits, no trailing zeros.
//!
//! Knows no rule and no label; the inverse (reading quantities) belongs to the configuration.

/// Words a number with four significant digits: `12`, `0.0123`, `1.234e9`.
#[must_use]
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = if size >= 1000.0 {
        0
    } else if size >= 100.0 {
        1
    } else if size >= 1.0 {
        2
    } else if size >= 0.1 {
        3
    } else {
        5
    };
    trim(format!("{value:.decimals$}"))
}

/// Words a ratio as per cent: `0.0123` is `1.23%`.
#[must_use]
pub fn percent(value: f64) -> String {
    format!("{}%", number(value * 100.0))
}

/// Words seconds: `450ms`, `1.5s`, `4m 30s`, `2h 5m`, `3d 4h`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return number(seconds);
    }
    let size = seconds.abs();
    if size == 0.0 {
        return "0s".to_owned();
    }
    if size < 0.001 {
        return format!("{}µs", number(seconds * 1e6));
    }
    if size < 1.0 {
        return format!("{}ms", number(seconds * 1e3));
    }
    if size < 60.0 {
        return format!("{}s", number(seconds));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    format!("{sign}{}", two_parts(size))
}

/// Words bytes with IEC units: `512B`, `1.5MiB`, `2GiB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    const STEPS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut scaled = value;
    let mut step = 0;
    while scaled.abs() >= 1024.0 && step + 1 < STEPS.len() {
        scaled /= 1024.0;
        step += 1;
    }
    format!("{}{}", number(scaled), STEPS[step])
}

fn two_parts(seconds: f64) -> String {
    const STEPS: [(&str, f64); 4] = [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];
    let mut rest = seconds.round();
    let mut parts = Vec::with_capacity(2);
    for (name, size) in STEPS {
        let count = (rest / size).floor();
        if count > 0.0 && parts.len() < 2 {
            parts.push(format!("{count}{name}"));
            rest -= count * size;
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.join(" ")
}

fn trim(text: String) -> String {
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_worded_with_few_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (12.0, "12"),
            (0.0123, "0.0123"),
            (123.456, "123.5"),
            (99_999.4, "99999"),
            (1.5e12, "1.500e12"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn quantities_take_the_unit_that_fits() {
        assert_eq!(percent(0.005), "0.5%");
        assert_eq!(duration(0.45), "450ms");
        assert_eq!(duration(270.0), "4m 30s");
        assert_eq!(duration(7_500.0), "2h 5m");
        assert_eq!(duration(3_600.0), "1h");
        assert_eq!(duration(-90.0), "-1m 30s");
        assert_eq!(bytes(1_572_864.0), "1.5MiB");
    }
}
