//! The verdict as workflow commands of GitHub Actions: an annotation on the line of each limit or
//! scenario that failed.

use super::text::{attribution, threshold_reason};
use super::types::{CheckReport, GateReport};

/// GitHub shows about ten annotations of a kind for each step.
const ANNOTATIONS_MAX: usize = 10;

/// A command a line; empty when all is well.
#[must_use]
pub fn annotations(report: &GateReport) -> String {
    let mut lines: Vec<String> = Vec::new();
    for check in &report.checks {
        of_check(check, &report.file, &mut lines);
    }
    let left_out = lines.len().saturating_sub(ANNOTATIONS_MAX);
    lines.truncate(ANNOTATIONS_MAX);
    if left_out > 0 {
        let message = format!("{left_out} more failures are in the step's summary");
        lines.push(command("notice", &report.file, 1, "More failures", &message));
    }
    lines.concat()
}

fn of_check(check: &CheckReport, file: &str, lines: &mut Vec<String>) {
    let title = |what: &str| format!("{}: {what}", check.name);
    for broken in &check.broken {
        lines.push(command("error", file, check.line, &title("promise broken"), broken));
    }
    if let Some(reason) = &check.not_comparable {
        lines.push(command("error", file, check.line, &title("not comparable"), reason));
    }
    for limit in check.limits.iter().filter(|limit| !limit.outcome.is_good()) {
        let mut message = format!("{} {}", limit.figure, limit.reason);
        for told in attribution(check) {
            message.push('\n');
            message.push_str(&told);
        }
        lines.push(command("error", file, limit.line, &title("regression"), &message));
    }
    for threshold in check.thresholds.iter().filter(|one| !one.missed_by.is_empty()) {
        let message = format!(
            "{} {} in {}: {}",
            threshold.metric,
            threshold.text,
            threshold.phase,
            threshold_reason(threshold)
        );
        lines.push(command("error", file, check.line, &title("threshold missed"), &message));
    }
}

fn command(kind: &str, file: &str, line: u32, title: &str, message: &str) -> String {
    format!(
        "::{kind} file={},line={line},title={}::{}\n",
        property(file),
        property(title),
        data(message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
