//! The summary's sections, top to bottom.

use super::recovery;
use super::sparkline;
use crate::recording::Recording;
use crate::result::{
    FULL_VOLUME, Milli, RunResult, SATURATION_NOTE, Saturation, Status, VOLUMES_NOTE,
};
use crate::text;

const SPARK_COLUMNS: usize = 60;
/// Facts wrap here, under their first word.
const WIDTH: usize = 100;
const FACT_INDENT: usize = 14;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// With ANSI colours.
    Ansi,
}

/// What is summed up.
#[derive(Debug, Clone, Copy)]
pub struct SummaryInput<'a> {
    /// The result.
    pub result: &'a RunResult,
    /// What was recorded, for the lines over time.
    pub recording: &'a Recording,
    /// Where the report was written, if it was.
    pub report_path: Option<&'a str>,
    /// The command that reproduces the run.
    pub command: &'a str,
}

/// The summary's text, ending in a newline.
#[must_use]
pub fn render(input: &SummaryInput<'_>, style: Style) -> String {
    let mut page = Page { style, text: String::new() };
    page.head(input.result);
    page.thresholds(input.result);
    page.latency(input.result);
    page.over_time(input.recording);
    page.recovery(input.result);
    page.facts(input.result);
    page.violations(input.result);
    page.tail(input);
    page.text
}

struct Page {
    style: Style,
    text: String,
}

#[derive(Clone, Copy)]
enum Ink {
    Good,
    Bad,
    Faint,
    Strong,
}

impl Page {
    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "31;1",
            Ink::Faint => "2",
            Ink::Strong => "1",
        };
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        let title = self.ink(Ink::Strong, title);
        self.line("");
        self.line(&title);
    }

    fn fact(&mut self, name: &str, text: &str) {
        let name = self.ink(Ink::Strong, &format!("{name:<13}"));
        for (index, line) in text::wrapped(text, WIDTH - FACT_INDENT).iter().enumerate() {
            match index {
                0 => self.line(&format!("{name} {line}")),
                _ => self.line(&format!("{:FACT_INDENT$}{line}", "")),
            }
        }
    }

    fn head(&mut self, result: &RunResult) {
        let (word, ink) = match result.verdict.status {
            Status::Ok => ("OK", Ink::Good),
            Status::ThresholdMissed => ("THRESHOLD MISSED", Ink::Bad),
            Status::Violated => ("PROMISE BROKEN", Ink::Bad),
            Status::Interrupted => ("INTERRUPTED", Ink::Bad),
        };
        let name = self.ink(Ink::Strong, &result.scenario.name);
        let word = self.ink(ink, word);
        let seconds = text::number(result.simulated.seconds, 0);
        let kind = result.kind_of_time();
        self.line(&format!("{name}  seed {}, {seconds} {kind}: {word}", result.seed));
        self.line(&result.scenario.question);
        for reason in &result.verdict.reasons {
            let reason = self.ink(Ink::Bad, reason);
            self.line(&format!("  {reason}"));
        }
    }

    fn thresholds(&mut self, result: &RunResult) {
        if result.thresholds.is_empty() {
            return;
        }
        self.section("Thresholds");
        for threshold in &result.thresholds {
            let mark = if threshold.passed {
                self.ink(Ink::Good, "met   ")
            } else {
                self.ink(Ink::Bad, "missed")
            };
            let actual = threshold
                .actual
                .map_or("no samples".to_owned(), |actual| text::with_unit(actual, &threshold.unit));
            let line = format!(
                "  {mark}  {:<19} {:<18} {actual:>12}  {}",
                threshold.metric, threshold.text, threshold.phase
            );
            self.line(&line);
        }
    }

    fn latency(&mut self, result: &RunResult) {
        self.section("Latency, ms               p50      p99    p99.9      max      records");
        for (kind, name) in [("response", "response"), ("end_to_end", "end to end")] {
            for phase in ["measure", "heal"] {
                let Some(row) = result.latency_of(phase, kind) else { continue };
                let cells: Vec<String> = [row.p50_ms, row.p99_ms, row.p99_9_ms, row.max_ms]
                    .into_iter()
                    .map(|ms| format!("{:>8}", text::short(ms)))
                    .collect();
                let count = text::grouped(row.count);
                self.line(&format!("  {name:<11} {phase:<7} {} {count:>12}", cells.join(" ")));
            }
        }
    }

    fn over_time(&mut self, recording: &Recording) {
        if recording.seconds.is_empty() {
            return;
        }
        let acked: Vec<Option<u64>> =
            recording.seconds.iter().map(|second| Some(second.acked_bytes)).collect();
        let p99: Vec<Option<u64>> = recording
            .seconds
            .iter()
            .map(|second| (second.response.count > 0).then_some(second.response.p99_ns))
            .collect();
        let top = |values: &[Option<u64>]| values.iter().flatten().copied().max().unwrap_or(0);
        let length = text::counted(recording.seconds.len() as u64, "second");
        self.section(&format!("Over time, {length}"));
        self.line(&format!(
            "  acked    {}  max {} MB/s",
            sparkline::linear(&acked, SPARK_COLUMNS),
            text::short(Milli::mb_from_bytes(top(&acked)))
        ));
        self.line(&format!(
            "  p99 log  {}  max {}",
            sparkline::logarithmic(&p99, SPARK_COLUMNS),
            text::duration(Milli::ms_from_ns(top(&p99)))
        ));
        let marks = sparkline::fault_marks(&recording.events, &recording.seconds, SPARK_COLUMNS);
        if !marks.is_empty() {
            let marks = self.ink(Ink::Bad, &marks);
            self.line(&format!("  faults   {marks}"));
        }
    }

    fn recovery(&mut self, result: &RunResult) {
        let lines = recovery::table(result);
        if let Some((title, rows)) = lines.split_first() {
            self.section(title);
            for row in rows {
                self.line(row);
            }
        }
        self.line("");
    }

    fn facts(&mut self, result: &RunResult) {
        if let Some(row) = result.throughput.first() {
            self.fact(
                "Throughput",
                &format!(
                    "{} MB/s offered, {} MB/s acked (max {}), {} MB/s consumed",
                    text::short(row.offered.mb_per_s_avg),
                    text::short(row.acked.mb_per_s_avg),
                    text::short(row.acked.mb_per_s_max),
                    text::short(row.consumed.mb_per_s_avg),
                ),
            );
        }
        if let Some(remote) = &result.remote_storage {
            self.fact(
                "Remote",
                &format!(
                    "{} MB/s copied there (max {}), {} MB/s fetched (max {}), {} GB stored, {} requests \
                     answered with 503",
                    text::short(remote.copied_mb_per_s),
                    text::short(remote.copied_mb_per_s_max),
                    text::short(remote.fetched_mb_per_s),
                    text::short(remote.fetched_mb_per_s_max),
                    text::short(remote.stored_gb),
                    text::grouped(remote.slow_downs),
                ),
            );
        }
        self.fact("Availability", &availability_sentence(result));
        if let Some(reason) = gap_reason(result) {
            self.fact("", &reason);
        }
        self.fact("Safety", &safety_sentence(result));
        // Brokers of a real cluster are not looked into.
        if result.is_simulated() {
            self.fact("Saturation", &saturation(result));
        }
        self.notes(result, "Quotas", "quotas: ");
        self.notes(result, "Volumes", VOLUMES_NOTE);
        let without = if result.cost.complete { "" } else { ", not every price is known" };
        let cost = text::dollars(result.cost.total_usd);
        self.fact("Cost", &format!("{cost} a month of {}{without}", cost_basis(result)));
    }

    /// Notes that begin so, under a name of their own.
    fn notes(&mut self, result: &RunResult, name: &str, prefix: &str) {
        let names = std::iter::once(name).chain(std::iter::repeat(""));
        for (note, name) in notes(result, prefix).zip(names) {
            self.fact(name, note);
        }
    }

    fn violations(&mut self, result: &RunResult) {
        for violation in &result.violations {
            let place = violation.partition.as_deref().unwrap_or("cluster");
            let title =
                format!("{} broken at t={} s on {place}", violation.checker, violation.at_s);
            self.line("");
            let title = self.ink(Ink::Bad, &title);
            self.line(&title);
            for line in violation.account.lines() {
                self.line(&format!("  {line}"));
            }
        }
    }

    fn tail(&mut self, input: &SummaryInput<'_>) {
        if let Some(path) = input.report_path {
            self.fact("Report", path);
        }
        if input.result.is_simulated() {
            let hash = self.ink(Ink::Faint, &input.result.event_hash);
            self.fact("Event hash", &hash);
        }
        if input.result.verdict.status != Status::Ok {
            self.line("");
            self.line("Reproduce with:");
            self.line(input.command);
        }
    }
}

/// What clients could not do.
pub(crate) fn availability_sentence(result: &RunResult) -> String {
    let availability = &result.availability;
    let mut sentence = failed_sentence(result);
    if let Some(worst) = availability.worst_partitions.first() {
        sentence.push_str(&format!(
            ", longest gap {} on {} from t={} s",
            text::duration(worst.longest_ms),
            worst.partition,
            text::number(worst.from_s, 1),
        ));
    }
    let offline = availability.seconds_with_offline_partitions;
    if offline > 0 {
        sentence.push_str(&format!(", {offline} s with leaderless partitions"));
    }
    sentence
}

/// How many records failed, and how many had no outcome.
pub(crate) fn failed_sentence(result: &RunResult) -> String {
    let failed = text::counted(result.availability.failed_records, "record");
    match result.availability.unresolved_records {
        Some(more) => {
            format!("{failed} failed, {} without an outcome at the end", text::grouped(more))
        }
        None => format!("{failed} failed"),
    }
}

/// What made the longest gap as long as it is.
pub(crate) fn gap_reason(result: &RunResult) -> Option<String> {
    let reason = result.availability.longest_gap_reason.as_ref()?;
    Some(format!("The longest gap is that long because {reason}"))
}

/// What was checked, and what broke.
pub(crate) fn safety_sentence(result: &RunResult) -> String {
    let facts: u64 = result.checkers.iter().map(|checker| checker.checked).sum();
    let broken: u64 = result.checkers.iter().map(|checker| checker.violations).sum();
    let lost = text::counted(result.lost_records, "acknowledged record");
    let exercised = result.checkers.iter().filter(|checker| checker.checked > 0).count();
    // A promise that nothing was asked of is neither kept nor broken.
    if exercised == 0 && broken == 0 {
        return format!("{lost} lost; no promise was exercised");
    }
    let outcome =
        if broken == 0 { "none broken".to_owned() } else { text::counted(broken, "violation") };
    let promises = text::counted(result.checkers.len() as u64, "promise");
    let facts = text::grouped(facts);
    format!("{lost} lost; {exercised} of {promises} exercised on {facts} facts, {outcome}")
}

/// What a month's cost carries on: `730 hours at this run's average load, storm included`.
pub(crate) fn cost_basis(result: &RunResult) -> String {
    let storm = if result.recoveries.is_empty() { "" } else { ", storm included" };
    format!("{} hours at this run's average load{storm}", result.cost.month_hours)
}

/// Notes that begin so, without their beginning.
fn notes<'a>(result: &'a RunResult, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    result.validity_notes.iter().filter_map(move |note| note.strip_prefix(prefix))
}

/// Which resource was busy first, and which volumes were full.
fn saturation(result: &RunResult) -> String {
    let first = result.saturated_first.as_ref();
    let busy = first.filter(|first| first.resource != FULL_VOLUME).map(saturation_sentence);
    let full = notes(result, SATURATION_NOTE).map(str::to_owned);
    let all: Vec<String> = busy.into_iter().chain(full).collect();
    if all.is_empty() { "nothing went over 90 %".to_owned() } else { all.join("; ") }
}

/// Which resource filled up first.
fn saturation_sentence(saturation: &Saturation) -> String {
    format!(
        "{} of broker {} first, at t={} s ({} %), above 90 % for {} s",
        saturation.resource,
        saturation.broker,
        saturation.second,
        text::short(saturation.percent),
        saturation.seconds_above,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result;
    use crate::testing;

    fn rendered(change: impl FnOnce(&mut Recording), style: Style) -> String {
        let mut recording = testing::az_outage();
        change(&mut recording);
        let result = result::build("plan", "model", &testing::plan(), &recording);
        let input = SummaryInput {
            result: &result,
            recording: &recording,
            report_path: Some("stormglass-out/az-outage-7/index.html"),
            command: "stormglass run az-outage --seed 7",
        };
        render(&input, style)
    }

    #[test]
    fn plain_summary() {
        insta::assert_snapshot!(rendered(|_| {}, Style::Plain));
    }

    #[test]
    fn summary_of_a_broken_promise() {
        let text = rendered(
            |recording| {
                recording.violations = testing::violations();
                recording.checkers[0].violations = 1;
                recording.lost_records = 1;
            },
            Style::Plain,
        );
        assert_eq!(text.lines().last(), Some("stormglass run az-outage --seed 7"));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn full_volumes_are_a_saturation() {
        let text = rendered(
            |recording| *recording = testing::halting(&[(1, 30_000), (2, 30_100)]),
            Style::Plain,
        );
        let line = "Saturation    volumes of brokers 1, 2 were full at t=30.0 s\n";
        assert!(text.contains(line), "{text}");
    }

    /// An eighth of all records was missing from what was acknowledged, and "0 records failed".
    #[test]
    fn records_without_an_outcome_are_told_beside_those_that_failed() {
        let availability = |unresolved_records| {
            let change =
                |recording: &mut Recording| recording.unresolved_records = unresolved_records;
            let text = rendered(change, Style::Plain);
            text.lines().find(|line| line.starts_with("Availability")).unwrap().to_owned()
        };
        let some = availability(880_078);
        assert!(some.contains(" failed, 880,078 without an outcome at the end"), "{some}");
        assert!(!availability(0).contains("outcome"));
    }

    #[test]
    fn promises_that_nothing_was_asked_of_are_not_counted_as_kept() {
        let safety = |change: fn(&mut Recording)| {
            let text = rendered(change, Style::Plain);
            text.lines().find(|line| line.starts_with("Safety")).unwrap().to_owned()
        };
        let some = safety(|recording| recording.checkers[0].checked = 0);
        assert!(some.contains("; 5 of 6 promises exercised on"), "{some}");
        let none = safety(|recording| {
            recording.checkers.iter_mut().for_each(|checker| checker.checked = 0);
        });
        assert!(none.ends_with("lost; no promise was exercised"), "{none}");
    }

    #[test]
    fn colours_change_no_word() {
        let coloured = rendered(|_| {}, Style::Ansi);
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some(start) = rest.find('\u{1b}') {
            plain.push_str(&rest[..start]);
            let end = rest[start..].find('m').unwrap();
            rest = &rest[start + end + 1..];
        }
        plain.push_str(rest);
        assert!(coloured.contains("\u{1b}[32m"));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&plain), words(&rendered(|_| {}, Style::Plain)));
    }

    #[test]
    fn nothing_recorded_still_sums_up() {
        let text = rendered(|recording| *recording = testing::empty_recording(), Style::Plain);
        assert!(text.contains("no samples"), "{text}");
    }
}
