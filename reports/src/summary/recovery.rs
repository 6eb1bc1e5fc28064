//! How the cluster came back, a line per fault.

use crate::result::{Milli, Recovery, Return};
use crate::text;

const ROWS_MAX: usize = 6;
/// A label longer than this gets a line of its own.
const LABEL_MAX: usize = 28;
const COLUMNS: [&str; 7] =
    ["fenced", "leaders", "produce", "backlog", "p99", "in sync", "consumers"];

/// A title and a line per fault; nothing without faults.
pub(super) fn table(rows: &[Recovery]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![row("Back after, seconds", COLUMNS.map(str::to_owned))];
    for fault in rows.iter().take(ROWS_MAX) {
        let label = format!("  t={} s {}", text::short_seconds(fault.at_s), fault.fault);
        let cells = cells(fault);
        if label.chars().count() > LABEL_MAX {
            lines.extend([label, row("", cells)]);
        } else {
            lines.push(row(&label, cells));
        }
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

fn cells(fault: &Recovery) -> [String; 7] {
    let exact = |after: Option<Milli>| after.map_or("-".to_owned(), text::short_seconds);
    let returned = |state: Return| match state {
        Return::Undisturbed => "steady".to_owned(),
        Return::Back { after_s } => text::short_seconds(after_s),
        Return::NotBack => "never".to_owned(),
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
