//! Whether the events of a plan that was read from a file are as strong as a scenario's may be, and of a length.

use super::numbers::within;
use crate::bounds::{DRIFT_PPM_MAX, DURATION_NS_MAX, LINK_DELAY_NS_MAX, LOAD_PERMILLE_MAX};
use crate::digest::PlanError;
use crate::plan::{Action, EventPlan, LinkEffect};

/// The whole, parts per thousand.
const WHOLE_PERMILLE: u32 = 1_000;
/// The whole, parts per million.
const WHOLE_PPM: u32 = 1_000_000;

/// The numbers of an event.
pub(super) fn check(index: usize, event: &EventPlan) -> Result<(), PlanError> {
    let place = format!("events[{index}]");
    within(format_args!("{place}.at_ns"), event.at_ns, 0..=DURATION_NS_MAX)?;
    if let Some(for_ns) = event.for_ns {
        within(format_args!("{place}.for_ns"), for_ns, 0..=DURATION_NS_MAX)?;
    }
    check_action(&format!("{place}.action"), &event.action)
}

fn check_action(place: &str, action: &Action) -> Result<(), PlanError> {
    let duration =
        |field: &str, ns: u64| within(format_args!("{place}.{field}"), ns, 0..=DURATION_NS_MAX);
    let share = |field: &str, permille: u32, least: u32| {
        within(format_args!("{place}.{field}"), permille, least..=WHOLE_PERMILLE)
    };
    match action {
        Action::Link { effect, .. } => check_effect(&format!("{place}.effect"), *effect),
        Action::SlowDisk { rate_permille, extra_latency_ns, .. } => {
            share("rate_permille", *rate_permille, 1)?;
            duration("extra_latency_ns", *extra_latency_ns)
        }
        Action::BitRot { share_permille, .. } => share("share_permille", *share_permille, 1),
        Action::ObjectStorage { reject_permille, extra_latency_ns } => {
            share("reject_permille", *reject_permille, 0)?;
            duration("extra_latency_ns", *extra_latency_ns)
        }
        Action::ClockJump { by_ns, .. } => duration("by_ns", by_ns.unsigned_abs()),
        Action::ClockDrift { ppm, .. } => {
            let most = i64::from(DRIFT_PPM_MAX);
            within(format_args!("{place}.ppm"), i64::from(*ppm), -most..=most)
        }
        Action::RollingRestart { down_ns, pause_ns, .. } => {
            duration("down_ns", *down_ns)?;
            duration("pause_ns", *pause_ns)
        }
        Action::Load { rate_permille, .. } => {
            within(format_args!("{place}.rate_permille"), *rate_permille, 0..=LOAD_PERMILLE_MAX)
        }
        Action::SetCredits { level_permille, .. } => share("level_permille", *level_permille, 0),
        Action::AzDown { .. }
        | Action::HostCrash { .. }
        | Action::ProcessCrash { .. }
        | Action::ProcessPause { .. }
        | Action::DiskFull { .. }
        | Action::DiskError { .. }
        | Action::SyncError { .. }
        | Action::ConsumerPause { .. }
        | Action::ClientCrash { .. }
        | Action::ClientPause { .. }
        | Action::Admin { .. } => Ok(()),
    }
}

fn check_effect(place: &str, effect: LinkEffect) -> Result<(), PlanError> {
    match effect {
        LinkEffect::Cut => Ok(()),
        LinkEffect::Delay { extra_ns, jitter_ns } => {
            within(format_args!("{place}.delay.extra_ns"), extra_ns, 0..=LINK_DELAY_NS_MAX)?;
            within(format_args!("{place}.delay.jitter_ns"), jitter_ns, 0..=LINK_DELAY_NS_MAX)
        }
        LinkEffect::Loss { ppm } => within(format_args!("{place}.loss.ppm"), ppm, 0..=WHOLE_PPM),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::refusal;
    use super::*;
    use crate::plan::Endpoint;

    fn said(at_ns: u64, for_ns: Option<u64>, action: Action) -> String {
        // The only event of `az-outage` is the first.
        refusal(|plan| plan.events.push(EventPlan { at_ns, for_ns, action, line: None }))
    }

    #[test]
    fn faults_are_as_strong_as_in_a_scenario() {
        let link = |effect| Action::Link {
            from: vec![Endpoint::Brokers],
            to: vec![Endpoint::Clients],
            one_way: false,
            effect,
        };
        let slow = |rate_permille, extra_latency_ns| Action::SlowDisk {
            node: 1,
            rate_permille,
            extra_latency_ns,
        };
        let hours = LinkEffect::Delay { extra_ns: 2 * LINK_DELAY_NS_MAX, jitter_ns: 0 };
        for (action, expected) in [
            (slow(0, 0), "rate_permille is 0: 1 to 1000 are allowed"),
            (slow(1_000, u64::MAX), "extra_latency_ns is 18446744073709551615"),
            (Action::BitRot { node: 1, share_permille: 0 }, "share_permille is 0"),
            (Action::ClockDrift { node: 1, ppm: -600_000 }, "ppm is -600000: -500000 to 500000"),
            (Action::ClockJump { node: 1, by_ns: i64::MIN }, "by_ns is 9223372036854775808"),
            (Action::Load { producer: None, rate_permille: 100_001 }, "rate_permille is 100001"),
            (link(LinkEffect::Loss { ppm: 1_000_001 }), "effect.loss.ppm is 1000001"),
            (link(hours), "effect.delay.extra_ns is 7200000000000"),
        ] {
            let (said, expected) = (said(1, None, action), format!("events[1].action.{expected}"));
            assert!(said.starts_with(&expected), "{said}");
        }
    }

    #[test]
    fn events_have_a_time_that_comes() {
        let full = || Action::DiskFull { node: 1 };
        assert!(
            said(u64::MAX, None, full()).starts_with("events[1].at_ns is 18446744073709551615")
        );
        assert!(said(1, Some(u64::MAX), full()).starts_with("events[1].for_ns is 184467440737"));
    }
}
