//! Numbers as people read them: thousands apart, units that fit, rounding half up.

use crate::result::{Cents, Milli, div_half_up};

/// `12,345,678`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A decimal with `places` (0 to 3) of its three decimals, thousands apart.
pub(crate) fn number(value: Milli, places: u32) -> String {
    let step = 10_i64.pow(3 - places.min(3));
    let rounded = div_half_up(i128::from(value.units()), i128::from(step));
    let sign = if rounded < 0 { "-" } else { "" };
    let rounded = u64::try_from(rounded.unsigned_abs()).unwrap_or(u64::MAX);
    let scale = 10_u64.pow(places.min(3));
    let whole = grouped(rounded / scale);
    if places == 0 {
        format!("{sign}{whole}")
    } else {
        let width = places as usize;
        format!("{sign}{whole}.{:0width$}", rounded % scale)
    }
}

/// Three significant digits or so: `0.42`, `7.31`, `41.2`, `9,480`.
pub(crate) fn short(value: Milli) -> String {
    match value.units().unsigned_abs() {
        0 => "0".to_owned(),
        1..10_000 => number(value, 2),
        10_000..100_000 => number(value, 1),
        _ => number(value, 0),
    }
}

/// Milliseconds as `0.42 ms`, `41.2 ms` or, from a second on, `9.48 s`; what would be `0.00 ms` as `4 µs`.
pub(crate) fn duration(ms: Milli) -> String {
    match ms.units().unsigned_abs() {
        1..10 => format!("{} µs", ms.units()),
        0..1_000_000 => format!("{} ms", short(ms)),
        _ => format!("{} s", short(Milli::ratio(i128::from(ms.units()), 1_000_000))),
    }
}

/// Without decimals, rounded down: what is said to be there at least, or at its lowest.
pub(crate) fn whole_down(value: Milli) -> String {
    number(Milli::from_units(value.units() / 1000 * 1000), 0)
}

/// Seconds without needless decimals: `90`, `0.5`, `8.33`.
pub(crate) fn short_seconds(seconds: Milli) -> String {
    let text = number(seconds, 2);
    match text.split_once('.') {
        Some((_, decimals)) => {
            let kept = decimals.trim_end_matches('0').len();
            number(seconds, u32::try_from(kept).unwrap_or(2))
        }
        None => text,
    }
}

/// Seconds that may be short: `8.33 s`, `12.4 ms`.
pub(crate) fn seconds(seconds: Milli) -> String {
    duration(Milli::from_units(seconds.units().saturating_mul(1000)))
}

/// `$1,045.23`.
pub(crate) fn dollars(value: Cents) -> String {
    let sign = if value.units() < 0 { "-" } else { "" };
    let cents = value.units().unsigned_abs();
    format!("{sign}${}.{:02}", grouped(cents / 100), cents % 100)
}

/// `1 partition`, `20 partitions`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// `broker 3`, `brokers 1, 3`, `brokers 1 to 6`: ids in rising order. Many apart are only counted.
pub(crate) fn brokers(ids: &[i32]) -> String {
    const LISTED_MAX: usize = 8;
    const RUN_MIN: usize = 4;
    let is_run = ids.windows(2).all(|pair| i64::from(pair[1]) == i64::from(pair[0]) + 1);
    match ids {
        [only] => format!("broker {only}"),
        [first, .., last] if is_run && ids.len() >= RUN_MIN => format!("brokers {first} to {last}"),
        _ if ids.len() > LISTED_MAX => counted(ids.len() as u64, "broker"),
        _ => {
            let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
            format!("brokers {}", ids.join(", "))
        }
    }
}

/// A bound's value with its unit, as short as it can be.
pub(crate) fn with_unit(value: Milli, unit: &str) -> String {
    match unit {
        "ms" => duration(value),
        "USD" => dollars(Cents::from_units(
            i64::try_from(div_half_up(i128::from(value.units()), 10)).unwrap_or(i64::MAX),
        )),
        "records" | "partitions" if value == Milli::from_units(1000) => {
            format!("1 {}", unit.trim_end_matches('s'))
        }
        "records" | "partitions" => format!("{} {unit}", number(value, 0)),
        _ => format!("{} {unit}", short(value)),
    }
}

/// With a capital at the start.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// Lines of at most `width` characters, broken between words.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn precision_follows_size() {
        assert_eq!(short(Milli::from_units(423)), "0.42");
        assert_eq!(short(Milli::from_units(41_249)), "41.2");
        assert_eq!(short(Milli::from_units(9_480_500)), "9,481");
        assert_eq!(duration(Milli::from_units(9_480_000)), "9.48 s");
        assert_eq!(number(Milli::from_units(-1_500), 0), "-2");
    }

    #[test]
    fn seconds_lose_needless_decimals() {
        let shown = [90_000, 500, 8_332].map(|units| short_seconds(Milli::from_units(units)));
        assert_eq!(shown, ["90", "0.5", "8.33"]);
        assert_eq!(seconds(Milli::from_units(8_332)), "8.33 s");
        assert_eq!(seconds(Milli::from_units(12)), "12.0 ms");
    }

    #[test]
    fn what_is_shorter_than_a_hundredth_of_a_millisecond_is_not_nothing() {
        let shown = [0, 1, 9, 10].map(|units| duration(Milli::from_units(units)));
        assert_eq!(shown, ["0 ms", "1 µs", "9 µs", "0.01 ms"]);
    }

    #[test]
    fn at_least_is_rounded_down() {
        let shown = [99_999, 100_000, 500].map(|units| whole_down(Milli::from_units(units)));
        assert_eq!(shown, ["99", "100", "0"]);
    }

    #[test]
    fn brokers_are_named_as_long_as_that_is_short() {
        assert_eq!(brokers(&[3]), "broker 3");
        assert_eq!(brokers(&[1, 2, 3]), "brokers 1, 2, 3");
        assert_eq!(brokers(&[1, 2, 3, 4, 5, 6]), "brokers 1 to 6");
        assert_eq!(brokers(&[1, 2, 4, 5, 6]), "brokers 1, 2, 4, 5, 6");
        let odd: Vec<i32> = (0..9).map(|at| at * 2 + 1).collect();
        assert_eq!(brokers(&odd), "9 brokers");
    }

    #[test]
    fn words_stay_whole_when_lines_wrap() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("incomprehensible", 7), ["incomprehensible"]);
    }

    #[test]
    fn money_is_exact() {
        assert_eq!(dollars(Cents::from_units(104_523)), "$1,045.23");
        assert_eq!(with_unit(Milli::from_units(118_000), "USD"), "$118.00");
        assert_eq!(with_unit(Milli::from_units(1_000), "records"), "1 record");
        assert_eq!(with_unit(Milli::from_units(0), "records"), "0 records");
    }
}
