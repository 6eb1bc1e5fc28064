//! The timeline page of a replay: for the partition of a broken promise, brokers as lanes with
//! leadership, ISR, log end and high watermark, faults as bands over them, and the account below.
//!
//! Replicas are looked at once a second, so a lane's edges are that coarse; faults and the broken
//! promise stand where they happened. Left out: partitions of which nothing bad is known.

mod lanes;

use crate::html::shell;
use crate::narrative::narrative;
use crate::recording::{ClusterEvent, Recording, ReplicaSecond, Violation};
use crate::result::Milli;
use crate::text;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Partitions drawn.
const PARTITIONS_MAX: usize = 6;
/// Faults listed.
const FAULTS_MAX: usize = 40;

/// The page; `None` when no promise was broken, or the cluster was too large for its replicas to be
/// looked at.
#[must_use]
pub fn timeline_page(title: &str, recording: &Recording) -> Option<String> {
    let first = recording.violations.first()?;
    if recording.replicas.is_empty() {
        return None;
    }
    let faults = faults(&recording.events);
    let body = html! {
        header {
            p.kind { "Timeline of a broken promise" }
            h1 { (title) }
            p.setting {
                "Each lane is a broker. "
                strong { "Filled" } ": it leads the partition; " strong { "tinted" }
                ": it follows and is in sync; " strong { "hollow" }
                ": it follows, out of sync; nothing: it is down. The line is where its log ends, \
                 the dashed one its high watermark. Numbered bands are faults; the upright line is \
                 where the promise was broken."
            }
        }
        main {
            @for partition in partitions(recording, first) {
                @let rows = rows_of(&recording.replicas, partition);
                @let broken = broken_at(&recording.violations, partition);
                @let drawing = lanes::draw(recording.sim_ns, &rows, &faults, &broken);
                figure {
                    figcaption {
                        h3 { (partition) }
                        p { (caption(&rows)) }
                    }
                    div.drawing tabindex="0" role="region" aria-label=(partition) { (drawing) }
                }
            }
            (list(&faults))
            (accounts(recording))
        }
    };
    Some(shell(title, &body))
}

/// A fault, as a band.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Band<'a> {
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
    pub(crate) what: &'a str,
}

fn faults(events: &[ClusterEvent]) -> Vec<Band<'_>> {
    let begins = events.iter().filter(|event| event.kind == "fault-begin");
    let band = |event: &'_ ClusterEvent| {
        let until_ns = event.until_ns.unwrap_or(event.at_ns).max(event.at_ns);
        (event.at_ns, until_ns)
    };
    begins
        .map(|event| {
            let (from_ns, until_ns) = band(event);
            Band { from_ns, until_ns, what: &event.detail }
        })
        .collect()
}

/// Those of broken promises, in order; all that are known when no promise names one.
fn partitions<'a>(recording: &'a Recording, first: &'a Violation) -> Vec<&'a str> {
    let known: BTreeSet<&str> =
        recording.replicas.iter().map(|replica| &*replica.partition).collect();
    let mut named: Vec<&str> = Vec::new();
    let violations = std::iter::once(first).chain(&recording.violations);
    for partition in violations.filter_map(|violation| violation.partition.as_deref()) {
        if known.contains(partition) && !named.contains(&partition) {
            named.push(partition);
        }
    }
    if named.is_empty() {
        named.extend(known);
    }
    named.truncate(PARTITIONS_MAX);
    named
}

fn rows_of<'a>(replicas: &'a [ReplicaSecond], partition: &str) -> Vec<&'a ReplicaSecond> {
    replicas.iter().filter(|replica| &*replica.partition == partition).collect()
}

fn broken_at(violations: &[Violation], partition: &str) -> Vec<u64> {
    let of = |violation: &&Violation| {
        violation.partition.as_deref().is_none_or(|broken| broken == partition)
    };
    violations.iter().filter(of).map(|violation| violation.at_ns).collect()
}

fn caption(rows: &[&ReplicaSecond]) -> String {
    let end = rows.iter().map(|row| row.log_end).max().unwrap_or(0);
    let epoch = rows.iter().map(|row| row.epoch).max().unwrap_or(0);
    format!("Leader epochs 0 to {epoch}; the highest log end is offset {end}.")
}

/// Seconds to the millisecond.
fn seconds(at_ns: u64) -> String {
    text::number(Milli::seconds_from_ns(at_ns), 3)
}

fn list(faults: &[Band<'_>]) -> Markup {
    html! {
        section id="faults" {
            h2 { "Faults" }
            ol {
                @for fault in faults.iter().take(FAULTS_MAX) {
                    li {
                        (seconds(fault.from_ns)) " to " (seconds(fault.until_ns))
                        " s: " (fault.what)
                    }
                }
            }
            @if faults.len() > FAULTS_MAX {
                p.small { (text::counted((faults.len() - FAULTS_MAX) as u64, "more fault")) }
            }
        }
    }
}

fn accounts(recording: &Recording) -> Markup {
    html! {
        section id="account" {
            h2 { "What led to it" }
            @if let Some(story) = narrative(recording) { div.violation { pre { (story) } } }
            @for violation in &recording.violations {
                div.violation {
                    h3 { (violation.checker) }
                    pre { (violation.account) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::empty_recording;

    fn sample(second: u32, node: i32, leads: bool) -> ReplicaSecond {
        let partition = "orders-0".into();
        let (epoch, log_end, high_watermark) = (1, 100, 90);
        ReplicaSecond {
            second,
            partition,
            node,
            leads,
            in_sync: true,
            epoch,
            log_end,
            high_watermark,
        }
    }

    #[test]
    fn a_broken_promise_has_lanes_bands_and_an_account() {
        let mut recording = empty_recording();
        recording.sim_ns = 4_000_000_000;
        recording.replicas =
            (0..4).flat_map(|at| [sample(at, 1, true), sample(at, 2, false)]).collect();
        assert_eq!(timeline_page("t", &recording), None, "nothing was broken");
        recording.violations.push(Violation {
            checker: "no-acked-loss".to_owned(),
            at_ns: 2_000_000_000,
            partition: Some("orders-0".to_owned()),
            account: "seen: a <record> is gone\n".to_owned(),
            excused_by: Vec::new(),
        });
        let page = timeline_page("seed 1", &recording).unwrap();
        for part in
            ["orders-0", "broker 1", "broker 2", "a &lt;record&gt; is gone", "class=\"broken\""]
        {
            assert!(page.contains(part), "{part}");
        }
        recording.replicas.clear();
        assert_eq!(timeline_page("t", &recording), None, "the cluster is too large");
    }
}
