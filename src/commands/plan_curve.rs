//! `plan --curve FILE`: a load over time, of which a plan needs the average and the peak.
//!
//! Two columns, a time and a rate: `6h,20 MB/s`. Between the points the load moves in straight lines.
//! A first line of titles, empty lines and lines that begin with `#` say nothing.

use super::load::read;
use crate::args::INGRESS_MIN;
use crate::exit::Exit;
use crate::failure::Failure;
use std::path::Path;
use stormglass_reports::planner::Requirements;
use stormglass_scenarios::units;

/// What a plan needs of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Curve {
    /// Bytes per second over the whole time.
    average: u64,
    /// Bytes per second at the highest point.
    peak: u64,
}

/// Puts the average and the peak of a file into the requirements.
pub(super) fn apply(path: &Path, requirements: &mut Requirements) -> Result<(), Failure> {
    let text = String::from_utf8(read(path)?);
    let found = text.map_err(|_| (1, "not a text file".to_owned())).and_then(|text| curve(&text));
    let Curve { average, peak } = found.map_err(|(line, reason)| {
        let message = format!("{}:{line}: {reason}", path.display());
        Failure::new(Exit::InvalidScenario, message).help("a line is a time and a rate: 6h,20 MB/s")
    })?;
    requirements.ingress_bytes_per_sec = average;
    let permille = u128::from(peak) * 1000 / u128::from(average);
    requirements.peak_permille = u64::try_from(permille).unwrap_or(u64::MAX);
    Ok(())
}

/// The curve, or the line that is wrong, from 1, and why.
fn curve(text: &str) -> Result<Curve, (usize, String)> {
    let mut points: Vec<(u64, u64)> = Vec::new();
    // Spreadsheets begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match point(line) {
            Ok(point) if points.last().is_some_and(|last| last.0 >= point.0) => {
                return Err((at + 1, format!("`{line}` is no later than the line before")));
            }
            Ok(point) => points.push(point),
            // The first line may be titles, which have no digits where a time would be.
            Err(_) if points.is_empty() && is_titles(line) => {}
            Err(reason) => return Err((at + 1, reason)),
        }
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err((1, "no points".to_owned()));
    };
    if points.len() < 2 {
        return Err((1, "one point is no curve: give --ingress".to_owned()));
    }
    let area: u128 = points
        .windows(2)
        .map(|pair| {
            u128::from(pair[1].0 - pair[0].0) * (u128::from(pair[0].1) + u128::from(pair[1].1))
        })
        .sum();
    let average = area / 2 / u128::from(last.0 - first.0);
    let average = u64::try_from(average).unwrap_or(u64::MAX);
    let peak = points.iter().map(|point| point.1).max().unwrap_or(0);
    if average < INGRESS_MIN || peak / average > 100 {
        return Err((
            1,
            format!("an average of {average} B/s under a peak of {peak} B/s is no load"),
        ));
    }
    Ok(Curve { average, peak })
}

fn is_titles(line: &str) -> bool {
    !line.starts_with(|c: char| c.is_ascii_digit())
}

fn point(line: &str) -> Result<(u64, u64), String> {
    let (time, rate) = line.split_once(',').ok_or_else(|| format!("`{line}` has one column"))?;
    let (time, rate) = (time.trim().trim_matches('"'), rate.trim().trim_matches('"'));
    let time =
        units::parse_duration_ns(time).map_err(|error| format!("`{time}`: {}", error.message))?;
    let rate =
        units::parse_byte_rate(rate).map_err(|error| format!("`{rate}`: {}", error.message))?;
    Ok((time, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_over_time_and_the_peak_the_highest_point() {
        let text =
            "time,load\n# at night\n0h,10 MB/s\n6h,10 MB/s\n\n12h,\"50 MB/s\"\n24h,10 MB/s\n";
        // 10 for six hours, then 30 on the mean for eighteen.
        let expected = Curve { average: 25_000_000, peak: 50_000_000 };
        assert_eq!(curve(text), Ok(expected));
        let marked = "\u{feff}0h,10 MB/s\n6h,10 MB/s\n12h,50 MB/s\n24h,10 MB/s\n";
        assert_eq!(curve(marked), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("", 1, "no points"),
            ("0h,1 MB/s", 1, "no curve"),
            ("0h,1 MB/s\n1h", 2, "one column"),
            ("0h,1 MB/s\n1,1 MB/s", 2, "`1`"),
            ("0h,1 MB/s\n1h,7", 2, "`7`"),
            ("1h,1 MB/s\n1h,2 MB/s", 2, "no later"),
            ("0h,0 B/s\n1h,0 B/s", 1, "is no load"),
        ] {
            let (at, reason) = curve(text).unwrap_err();
            assert!(at == line && reason.contains(part), "{text}: {at} {reason}");
        }
    }
}
