//! Volumes that the load filled. A full one shows in no gauge of use: its broker halts, and is down.

use super::decimal::Milli;
use super::gap::hit::hits;
use crate::recording::{Recording, VOLUME_FULL};
use crate::text;
use std::collections::BTreeMap;
use stormglass_scenarios::plan::Plan;

const SECOND_NS: u64 = 1_000_000_000;

/// A broker and when its volume was full for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) broker: i32,
    pub(super) at_ns: u64,
}

/// Brokers whose volumes were full, in order of time. Those that a fault of the plan fills do not count:
/// it has a name of its own in the report.
pub(super) fn volumes(plan: &Plan, recording: &Recording) -> Vec<Full> {
    let mut first: BTreeMap<i32, u64> = BTreeMap::new();
    let halts = |kind: &str, detail: &str| kind == "broker-down" && detail.ends_with(VOLUME_FULL);
    for event in recording.events.iter().filter(|event| halts(&event.kind, &event.detail)) {
        let Some(broker) = event.node else { continue };
        let is_broker = plan.cluster.brokers.iter().any(|node| node.id == broker);
        let is_planned = || {
            let mut faults = hits(plan, broker).filter(|hit| hit.is_full_volume());
            faults.any(|hit| (hit.at_ns..=hit.ends_ns).contains(&event.at_ns))
        };
        if is_broker && !is_planned() {
            first.entry(broker).or_insert(event.at_ns);
        }
    }
    let mut all: Vec<Full> =
        first.into_iter().map(|(broker, at_ns)| Full { broker, at_ns }).collect();
    all.sort_by_key(|full| (full.at_ns, full.broker));
    all
}

/// `volumes of brokers 1, 2, 3 were full at t=70.7 s`; nothing when none was.
pub(super) fn sentence(all: &[Full]) -> Option<String> {
    let (first, last) = (all.first()?, all.last()?);
    let at = text::number(Milli::seconds_from_ns(first.at_ns), 1);
    let when = if last.at_ns - first.at_ns < SECOND_NS {
        format!("at t={at} s")
    } else {
        format!("one after another from t={at} s on")
    };
    Some(match all {
        [_] => format!("the volume of {} was full {when}", named(all)),
        _ => format!("volumes of {} were full {when}", named(all)),
    })
}

/// `brokers 1, 2, 3`.
pub(super) fn named(all: &[Full]) -> String {
    let mut ids: Vec<i32> = all.iter().map(|full| full.broker).collect();
    ids.sort_unstable();
    text::brokers(&ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use stormglass_scenarios::plan::{Action, EventPlan};

    fn told(halts: &[(i32, u64)]) -> Option<String> {
        sentence(&volumes(&testing::plan(), &testing::halting(halts)))
    }

    #[test]
    fn each_broker_is_named_once_with_when_it_began() {
        let halts = [(3, 70_698), (1, 70_701), (2, 70_725), (1, 158_002)];
        assert_eq!(told(&halts).unwrap(), "volumes of brokers 1, 2, 3 were full at t=70.7 s");
        assert_eq!(told(&[(2, 9_960)]).unwrap(), "the volume of broker 2 was full at t=10.0 s");
        let apart = told(&[(2, 9_000), (1, 30_000)]).unwrap();
        assert_eq!(apart, "volumes of brokers 1, 2 were full one after another from t=9.0 s on");
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn a_volume_that_a_fault_fills_is_that_faults_business() {
        let mut plan = testing::plan();
        plan.events = vec![EventPlan {
            at_ns: 60 * SECOND_NS,
            for_ns: Some(30 * SECOND_NS),
            action: Action::DiskFull { node: 1 },
            line: None,
        }];
        let found = volumes(&plan, &testing::halting(&[(1, 60_010), (2, 70_000)]));
        assert_eq!(found, [Full { broker: 2, at_ns: 70 * SECOND_NS }]);
    }

    #[test]
    fn other_ends_of_a_broker_are_none() {
        let mut recording = testing::halting(&[(1, 60_000)]);
        "node 1 is down: log directory failed: Io".clone_into(&mut recording.events[0].detail);
        assert!(volumes(&testing::plan(), &recording).is_empty());
        assert_eq!(told(&[(10_001, 60_000)]), None, "controllers keep no topics");
    }
}
