//! docs/conformance.md.

use super::{CLUSTERS, FEATURES, Outcome, Row};
use crate::ci::today;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const HEAD: &str = "# Conformance\n\n\
Clients that others wrote, against `stormglass serve`. Written by `cargo xtask conformance`, which \
installs the clients with the versions pinned in xtask/conformance and lets each of them check its \
own answers. A client that cannot be installed is skipped; `-` is a feature that the client does \
not have. ";

/// The whole page; `given` is the binary, if it was not built for this.
pub(super) fn page(rows: &[Row], given: Option<&str>) -> String {
    let mut page = String::from(HEAD);
    let _ = match given {
        None => writeln!(page, "The broker is an optimised build with its assertions."),
        Some(binary) => writeln!(page, "The broker is the build `{binary}`."),
    };
    let _ = writeln!(page, "\nRun on {}.", today());
    for brokers in CLUSTERS {
        let noun = if brokers == 1 { "broker" } else { "brokers" };
        let _ = writeln!(page, "\n## {brokers} {noun}\n");
        table(&mut page, rows, brokers);
    }
    notes(&mut page, rows);
    done(&mut page, rows);
    page
}

fn table(page: &mut String, rows: &[Row], brokers: u16) {
    let heads: Vec<&str> = FEATURES.iter().map(|(_, head)| *head).collect();
    let _ = writeln!(page, "| client | version | {} |", heads.join(" | "));
    let _ = writeln!(page, "|---|---|{}", "---|".repeat(heads.len()));
    for row in rows {
        let version = row.version.as_deref().unwrap_or("not installed");
        let _ = write!(page, "| {} | {version} |", row.client.about);
        for outcome in row.outcomes.iter().filter(|(b, _)| *b == brokers).flat_map(|(_, l)| l) {
            let _ = write!(page, " {} |", word(outcome));
        }
        page.push('\n');
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed(_) => "passed",
        Outcome::Failed(_) => "**failed**",
        Outcome::Explained(_) => "explained",
        Outcome::NotOffered => "-",
        Outcome::Skipped => "skipped",
    }
}

/// Everything that is not green.
fn notes(page: &mut String, rows: &[Row]) {
    let mut lines = Vec::new();
    for row in rows {
        if let Err(reason) = &row.version {
            lines.push(format!("- {}: not installed: {reason}", row.client.about));
        }
        for (brokers, outcomes) in &row.outcomes {
            for ((feature, _), outcome) in FEATURES.iter().zip(outcomes) {
                let reason = match outcome {
                    Outcome::Failed(reason) => reason.as_str(),
                    Outcome::Explained(reason) => reason,
                    Outcome::Passed(_) | Outcome::NotOffered | Outcome::Skipped => continue,
                };
                let (about, what) = (row.client.about, word(outcome));
                lines.push(format!("- {about}, {feature}, {brokers}: {what}: {reason}"));
            }
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(page, "\n## Not green\n\n{}", lines.join("\n"));
    }
}

/// What each client did where it passed.
fn done(page: &mut String, rows: &[Row]) {
    let _ = writeln!(page, "\n## What was done\n");
    for row in rows {
        let mut said = BTreeMap::new();
        for (_, outcomes) in &row.outcomes {
            for ((feature, _), outcome) in FEATURES.iter().zip(outcomes) {
                if let Outcome::Passed(what) = outcome {
                    said.insert(*feature, what.as_str());
                }
            }
        }
        let list: Vec<String> =
            said.iter().map(|(feature, what)| format!("{feature}: {what}")).collect();
        if !list.is_empty() {
            let _ = writeln!(page, "- {}: {}", row.client.about, list.join("; "));
        }
    }
}
