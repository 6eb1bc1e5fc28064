//! A broker is heard: it sends its controller a heartbeat an interval after the last answer, and soon again after a
//! failure. What it waits then doubles with each failure in a row, up to a session (`BrokerLifecycleManager`).

use super::NodeView;
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::timeouts::hurry_ppm;
use std::collections::BTreeMap;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::seam::PeerError;
use stormglass_scenarios::plan::Plan;

/// What a broker waits after its first failure, ns.
const RETRY_NS: u64 = 100_000_000;
/// What it is given beyond, ns.
const SLACK_NS: u64 = 500_000_000;

/// What a broker has said to its controllers.
#[derive(Debug, Default)]
struct Beat {
    /// The request that waits for an answer.
    open: Option<u64>,
    /// When it heard last that one was answered, or will not be, ns.
    since_ns: u64,
    /// Failures since the last success.
    failures: u32,
    /// It has been unfenced: it ends in order only after it has said so.
    runs: bool,
    /// It has asked to end.
    ends: bool,
}

/// Heartbeats of brokers.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    interval_ns: u64,
    session_ns: u64,
    /// By how much the slowest clock may be slow, parts per million.
    late_ppm: u64,
    beats: BTreeMap<i32, Beat>,
}

impl Heartbeats {
    /// With the intervals of a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let ns = |key: &str, default_ms: u64| {
            plan.cluster.config_ms(key, default_ms).saturating_mul(1_000_000)
        };
        Self {
            interval_ns: ns("broker.heartbeat.interval.ms", 2_000),
            session_ns: ns("broker.session.timeout.ms", 9_000),
            late_ppm: hurry_ppm(plan),
            beats: BTreeMap::new(),
        }
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.beats.remove(&node);
    }

    /// A node asks another one.
    pub(crate) fn asks(&mut self, node: i32, correlation: u64, request: &Request) {
        let ends = match request {
            Request::BrokerRegistration(_) => false,
            Request::BrokerHeartbeat(asked) => asked.want_shut_down,
            _ => return,
        };
        let beat = self.beats.entry(node).or_default();
        beat.open = Some(correlation);
        beat.ends |= ends;
    }

    /// A node is about to hear what has become of a request.
    pub(crate) fn hears(
        &mut self,
        now_ns: u64,
        (node, correlation): (i32, u64),
        result: &Result<Response, PeerError>,
    ) {
        let Some(beat) = self.beats.get_mut(&node) else { return };
        if beat.open != Some(correlation) {
            return;
        }
        (beat.open, beat.since_ns) = (None, now_ns);
        let (error, is_unfenced) = match result {
            Ok(Response::BrokerRegistration(answer)) => (answer.error, false),
            Ok(Response::BrokerHeartbeat(answer)) => {
                (answer.error, answer.error.is_ok() && !answer.is_fenced)
            }
            _ => (ErrorCode::UnknownServerError, false),
        };
        beat.runs |= is_unfenced;
        // who is not known any more registers anew, at once
        let is_news = matches!(
            error,
            ErrorCode::None | ErrorCode::StaleBrokerEpoch | ErrorCode::BrokerIdNotRegistered
        );
        beat.failures = if is_news { 0 } else { beat.failures.saturating_add(1) };
    }

    /// Looks at brokers that know a controller.
    pub(crate) fn look(&self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        for view in nodes.iter().filter(|view| view.broker.quorum().in_touch) {
            self.is_heard(ledger, view.node, view.awake_ns);
        }
    }

    fn is_heard(&self, ledger: &mut Ledger, node: i32, awake_ns: u64) {
        let Some(beat) = self.beats.get(&node) else { return };
        if beat.open.is_some() || !beat.runs || beat.ends {
            return;
        }
        let silent_ns = ledger.now_ns.saturating_sub(beat.since_ns).min(awake_ns);
        let pause_ns = self.pause_ns(beat.failures);
        ledger.checked(Check::Timeouts, 1);
        if silent_ns > pause_ns + pause_ns / 1_000_000 * self.late_ppm + SLACK_NS {
            ledger.broken(Check::Timeouts, ("", &History::default()), &|| {
                format!(
                    "broker {node} has not sent a heartbeat for {} ms, after {} failures in a row; it should \
                     have after {} ms",
                    silent_ns / 1_000_000,
                    beat.failures,
                    pause_ns / 1_000_000
                )
            });
        }
    }

    /// What a broker waits before the next one, ns.
    fn pause_ns(&self, failures: u32) -> u64 {
        match failures {
            0 => self.interval_ns,
            in_a_row => (RETRY_NS << (in_a_row - 1).min(16)).min(self.session_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::plan;
    use stormglass_broker_core::protocol::BrokerHeartbeatResponse;

    const MS: u64 = 1_000_000;

    fn answer(is_fenced: bool) -> Result<Response, PeerError> {
        Ok(Response::BrokerHeartbeat(BrokerHeartbeatResponse {
            error: ErrorCode::None,
            is_caught_up: true,
            is_fenced,
            should_shut_down: false,
        }))
    }

    /// Accounts of a broker that hears this, and is silent until it is looked at, at a time of the run in ms.
    fn broken(heard: &[Result<Response, PeerError>], (at_ms, awake_ms): (u64, u64)) -> usize {
        let (mut heartbeats, mut ledger) = (Heartbeats::new(&plan()), Ledger::default());
        for (correlation, result) in (0..).zip(heard) {
            heartbeats.beats.entry(1).or_default().open = Some(correlation);
            heartbeats.hears(1_000 * MS, (1, correlation), result);
        }
        ledger.now_ns = at_ms * MS;
        heartbeats.is_heard(&mut ledger, 1, awake_ms * MS);
        ledger.finish().1.len()
    }

    #[test]
    fn who_has_failed_once_asks_again_soon() {
        let failed = || Err(PeerError::TimedOut);
        let once = || vec![answer(false), failed()];
        assert_eq!((broken(&once(), (1_600, 9_000)), broken(&once(), (1_601, 9_000))), (0, 1));
        assert_eq!(broken(&once(), (9_000, 600)), 0, "it was stopped");
        let earlier = || [vec![answer(false)], (0..9).map(|_| failed()).collect(), once()].concat();
        assert_eq!(broken(&earlier(), (1_601, 9_000)), 1, "failures before a success do not count");
        let twice = [answer(false), failed(), failed()];
        assert_eq!(broken(&twice, (1_601, 9_000)), 0, "it waits for longer");
    }

    #[test]
    fn who_was_answered_asks_after_the_interval() {
        let of = |is_fenced, at_ms| broken(&[answer(is_fenced)], (at_ms, 99_000));
        assert_eq!((of(false, 3_500), of(false, 3_501)), (0, 1));
        assert_eq!(of(true, 9_000), 0, "it has not begun, and may end without a word");
    }
}
