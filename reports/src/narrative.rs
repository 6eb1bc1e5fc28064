//! What led to a broken promise, for people: the faults of the plan and what the cluster made of
//! them, in order of time, up to the moment at which it was broken, and the account.

use crate::recording::{ClusterEvent, Recording, Violation};
use std::fmt::Write as _;

/// Lines told at most; those right before the failure are kept.
const LINES_MAX: usize = 60;

/// The story of the first violation that no fault excuses, or of the first one; `None` without any.
#[must_use]
pub fn narrative(recording: &Recording) -> Option<String> {
    let unexcused = recording.violations.iter().filter(|found| found.excused_by.is_empty());
    let first = unexcused.min_by_key(|found| found.at_ns).or(recording.violations.first())?;
    let mut text = String::from("What happened:\n");
    let told: Vec<&ClusterEvent> =
        recording.events.iter().filter(|event| concerns(event, first)).collect();
    let left_out = told.len().saturating_sub(LINES_MAX);
    if left_out > 0 {
        let _ = writeln!(text, "  ({left_out} events before)");
    }
    let mut broken = false;
    for event in &told[left_out..] {
        if !broken && event.at_ns > first.at_ns {
            broken = true;
            write_broken(&mut text, first);
        }
        let _ = writeln!(text, "  {} {}", seconds(event.at_ns), event.detail);
    }
    if !broken {
        write_broken(&mut text, first);
    }
    text.push('\n');
    text.push_str(&first.account);
    Some(text)
}

/// Whether an event is about the violation's partition, or about no partition at all.
fn concerns(event: &ClusterEvent, violation: &Violation) -> bool {
    let Some(partition) = &violation.partition else { return true };
    let is_about_partitions = event.partitions > 0;
    let named = || event.detail.split([' ', ',']).any(|word| word == partition);
    // a long list does not name every partition
    !is_about_partitions || named() || event.detail.ends_with(" more")
}

fn write_broken(text: &mut String, violation: &Violation) {
    let _ = write!(text, "  {} ** {} broken", seconds(violation.at_ns), violation.checker);
    if let Some(partition) = &violation.partition {
        let _ = write!(text, " for {partition}");
    }
    text.push_str(" **\n");
}

fn seconds(ns: u64) -> String {
    format!("{:>4}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::empty_recording;

    fn event(at_ms: u64, partitions: u64, detail: &str) -> ClusterEvent {
        ClusterEvent {
            at_ns: at_ms * 1_000_000,
            kind: "test".to_owned(),
            node: None,
            partition: None,
            partitions,
            detail: detail.to_owned(),
            until_ns: None,
        }
    }

    fn violation(at_ms: u64) -> Violation {
        Violation {
            checker: "no-acked-loss".to_owned(),
            at_ns: at_ms * 1_000_000,
            partition: Some("orders-1".to_owned()),
            account: "promised: x\nseen: y\n".to_owned(),
            excused_by: Vec::new(),
        }
    }

    #[test]
    fn the_story_has_the_faults_and_the_partition_and_the_moment() {
        let mut recording = empty_recording();
        assert_eq!(narrative(&recording), None);
        recording.violations.push(violation(3_000));
        recording.events = vec![
            event(1_000, 0, "node 1 is down"),
            event(2_000, 1, "node 2 leads orders-1"),
            event(2_500, 1, "node 2 leads orders-10"),
            event(4_000, 0, "over: node 1 is down"),
        ];
        assert_eq!(
            narrative(&recording).as_deref(),
            Some(
                "What happened:\n     1.000 s node 1 is down\n     2.000 s node 2 leads orders-1\n   \
                 \u{20} 3.000 s ** no-acked-loss broken for orders-1 **\n     4.000 s over: node 1 \
                 is down\n\npromised: x\nseen: y\n"
            )
        );
    }
}
