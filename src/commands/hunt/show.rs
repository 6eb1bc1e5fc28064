//! A hunt's findings for people, for programs, and how fast it was.

use super::crew::rate_milli;
use super::folder;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host;
use crate::output::Output;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use stormglass_reports::hunt::HuntResult;

/// `speed.json`: what the machine did. Not deterministic, so apart from hunt.json.
#[derive(Debug, Serialize)]
struct Speed {
    wall_ms: u64,
    jobs: usize,
    seeds_per_second_milli: u64,
    events_per_second: u64,
    peak_rss_bytes: Option<u64>,
    host: String,
}

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Findings<'a> {
    /// What was found.
    pub(super) result: &'a HuntResult,
    /// How long that took with how many jobs; of a merge nobody knows.
    pub(super) took: Option<(Duration, usize)>,
    /// Where it lies.
    pub(super) dir: &'a Path,
}

/// Prints the findings and returns the exit code.
pub(super) fn show(findings: &Findings<'_>, output: Output) -> Result<Exit, Failure> {
    if output.is_json() {
        output.json(findings.result)?;
    } else {
        output.text(&text(findings))?;
    }
    Ok(exit(findings.result))
}

fn exit(result: &HuntResult) -> Exit {
    match result.failures.is_empty() {
        false => Exit::PromiseBroken,
        true if result.interrupted || !result.missing.is_empty() => Exit::Interrupted,
        true => Exit::Ok,
    }
}

/// Writes `speed.json`.
pub(super) fn write_speed(
    result: &HuntResult,
    wall: Duration,
    jobs: usize,
    dir: &Path,
) -> Result<(), Failure> {
    let speed = Speed {
        wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        jobs,
        seeds_per_second_milli: rate_milli(result.seeds, wall),
        events_per_second: rate_milli(result.events, wall) / 1_000,
        peak_rss_bytes: host::peak_rss_bytes(),
        host: host::description(),
    };
    let text = serde_json::to_string_pretty(&speed).map_err(Failure::internal)?;
    folder::whole(&dir.join("speed.json"), format!("{text}\n").as_bytes())
}

fn text(findings: &Findings<'_>) -> String {
    let Findings { result, dir, .. } = *findings;
    let mut text = String::new();
    write_headline(&mut text, findings);
    if result.seeds > 0 {
        write_numbers(&mut text, result);
    }
    for line in &result.missing {
        let _ = writeln!(text, "{line}");
    }
    // where nothing was run, it says nothing about storms that nothing was reached
    if result.seeds > 0 {
        write_never_reached(&mut text, result);
    }
    write_failures(&mut text, result, dir);
    text
}

fn write_headline(text: &mut String, findings: &Findings<'_>) {
    let HuntResult { scenario, seeds, .. } = findings.result;
    let _ = match seeds {
        0 => write!(text, "{scenario}: no seed was run"),
        seeds => write!(text, "{scenario}: {seeds} seeds"),
    };
    if let Some((wall, jobs)) = findings.took.filter(|_| *seeds > 0) {
        let (rate, ms) = (rate_milli(*seeds, wall), wall.as_millis());
        let _ = write!(
            text,
            " in {}.{} s, {}.{:02} seeds/s with {jobs} jobs, {} events/s",
            ms / 1_000,
            ms % 1_000 / 100,
            rate / 1_000,
            rate % 1_000 / 10,
            rate_milli(findings.result.events, wall) / 1_000
        );
    }
    if findings.result.interrupted {
        text.push_str(", interrupted");
    }
    text.push('\n');
}

fn write_numbers(text: &mut String, result: &HuntResult) {
    let HuntResult { sound, excused, failed, refused, .. } = result;
    let _ = writeln!(
        text,
        "{} simulated s, {} records acknowledged, {} events; hash {}",
        result.sim_ms / 1_000,
        result.acked_records,
        result.events,
        result.hash
    );
    let _ = write!(text, "{sound} sound, {excused} excused, {failed} failed");
    if *refused > 0 {
        let _ = write!(text, ", {refused} could not be run");
    }
    text.push('\n');
}

fn write_never_reached(text: &mut String, result: &HuntResult) {
    let never: Vec<&str> =
        result.marks.iter().filter(|(_, hits)| **hits == 0).map(|(mark, _)| &**mark).collect();
    if !never.is_empty() {
        let _ = writeln!(text, "\nNever reached: {}", never.join(", "));
    }
}

fn write_failures(text: &mut String, result: &HuntResult, dir: &Path) {
    let Some(first) = result.failures.iter().min_by_key(|row| row.seed) else { return };
    text.push_str("\nFailures\n");
    for row in &result.failures {
        let _ = write!(text, "  {}\n    {} seed", row.signature, row.count);
        let _ = write!(text, "{}, first {}", if row.count == 1 { "" } else { "s" }, row.seed);
        let _ = match row.shrunk_events {
            Some(events) => writeln!(text, ", shrunk from {} to {events} events", row.plan_events),
            None => writeln!(text, ", {} events", row.plan_events),
        };
        let _ = writeln!(text, "    {}", dir.join(&row.folder).display());
    }
    let _ = writeln!(text, "\nReproduce the first with:");
    let _ = writeln!(text, "{}", folder::command(dir, first, &result.plant));
}
