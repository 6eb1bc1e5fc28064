//! How the cluster came back, a line per fault.

use crate::result::{Milli, Recovery, Return, RunResult};
use crate::text;

const ROWS_MAX: usize = 6;
/// A label longer than this gets a line of its own.
const LABEL_MAX: usize = 28;
const COLUMNS: [&str; 7] =
    ["fenced", "leaders", "produce", "backlog", "p99", "in sync", "consumers"];

/// Said below the table.
const OVERLAP: [&str; 2] = [
    "  Faults overlap: each is followed until the next begins, so that what comes back later is",
    "  the work of several; >5: not within the 5 s until then",
];

/// A title and a line per fault; nothing without faults.
pub(super) fn table(result: &RunResult) -> Vec<String> {
    let rows = result.recoveries.as_slice();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![row("Back after, seconds", COLUMNS.map(str::to_owned))];
    let mut overlaps = false;
    for (index, fault) in rows.iter().enumerate().take(ROWS_MAX) {
        let label = format!("  t={} s {}", text::short_seconds(fault.at_s), fault.fault);
        let next = rows.get(index + 1);
        overlaps |= next.is_some_and(|next| !fault.was_over_at(next));
        let never = if is_open(result, fault) { "not yet" } else { "never" };
        let cells = cells(fault, next, never);
        if label.chars().count() > LABEL_MAX {
            lines.extend([label, row("", cells)]);
        } else {
            lines.push(row(&label, cells));
        }
    }
    if overlaps {
        lines.extend(OVERLAP.map(str::to_owned));
    }
    if rows.len() > ROWS_MAX {
        let more = (rows.len() - ROWS_MAX) as u64;
        lines.push(format!("  {} in the report", text::counted(more, "more fault")));
    }
    lines
}

fn row(label: &str, cells: [String; 7]) -> String {
    let cells = cells.map(|cell| format!("{cell:>9}"));
    format!("{label:<LABEL_MAX$}{}", cells.join(" "))
}

/// Whether the run was cut short, or ended while a fault lasted: what has not come back may do so yet.
pub(crate) fn is_open(result: &RunResult, fault: &Recovery) -> bool {
    let lasts = fault.until_s.is_some_and(|until| until > result.simulated.seconds);
    lasts || result.is_interrupted()
}

/// `never`: what is said of what does not come back, where no other fault follows.
fn cells(fault: &Recovery, next: Option<&Recovery>, never: &str) -> [String; 7] {
    let exact = |after: Option<Milli>| after.map_or("-".to_owned(), text::short_seconds);
    let returned = |state: Return| match state {
        Return::Undisturbed => "steady".to_owned(),
        Return::Back { after_s } => text::short_seconds(after_s),
        Return::NotBack => next.map_or(never.to_owned(), |next| {
            format!(">{}", text::short_seconds(until(fault, next)))
        }),
    };
    [
        exact(fault.detected_after_s),
        exact(fault.leaders_after_s),
        returned(fault.produce),
        returned(fault.backlog),
        returned(fault.latency),
        returned(fault.replicas),
        returned(fault.consumers),
    ]
}

/// Seconds from the begin of a fault to that of the next one.
pub(crate) fn until(fault: &Recovery, next: &Recovery) -> Milli {
    Milli::from_units(next.at_s.units() - fault.at_s.units())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Recording;
    use crate::result::build;
    use crate::testing;

    #[test]
    fn faults_that_overlap_are_said_to() {
        let mut recording = testing::az_outage();
        let mut again = recording.events[0].clone();
        again.at_ns += 5_000_000_000;
        recording.events.insert(3, again);
        let mut result = build("p", "m", &testing::plan(), &recording);
        let text = table(&result).join("\n");
        assert!(text.contains(" >5 ") && text.contains("Faults overlap"), "{text}");
        result.recoveries.remove(0);
        let alone = table(&result).join("\n");
        assert!(!alone.contains('>') && !alone.contains("overlap"), "{alone}");
    }

    #[test]
    fn what_a_run_was_too_short_for_is_not_never() {
        let told = |change: fn(&mut Recording)| {
            let mut recording = testing::az_outage();
            change(&mut recording);
            let mut result = build("p", "m", &testing::plan(), &recording);
            result.recoveries[0].replicas = Return::NotBack;
            table(&result).join("\n")
        };
        assert!(told(|_| {}).contains(" never "));
        assert!(told(|recording| recording.interrupted = true).contains(" not yet "));
        let lasting = told(|recording| recording.events[0].until_ns = Some(300_000_000_000));
        assert!(lasting.contains(" not yet "), "{lasting}");
    }
}
