//! A follower that is in sync gets what there is: its fetch does not wait beside it. Replication quotas hold back those
//! that are out of sync, so that no ISR shrinks for them (KIP-73).

use super::NodeView;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use crate::checkers::messages::diverging;
use crate::checkers::timeouts::Timeouts;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::inspect::{ReplicaView, SessionPartView, SessionView};

/// What a node that was stopped is given to answer fetches whose time is over, ns.
const SLACK_NS: u64 = 2_000_000_000;

/// Fetches that wait at a node. Who has joined the ISR since may have been out of sync when it was held back.
pub(super) fn in_sync(ledger: &mut Ledger, view: &NodeView<'_>, timeouts: &Timeouts) {
    if view.awake_ns < SLACK_NS {
        return;
    }
    let now_ns = ledger.now_ns;
    for session in view.broker.fetch_sessions().iter().filter(|session| waits_for_any(session)) {
        let Some(follower) = session.replica else { continue };
        for part in &session.parts {
            let Some(replica) = view.broker.replica_view(part.tp) else { continue };
            let is_fresh = timeouts.lags.has_fresh_isr(now_ns, view.node, part.tp);
            says(ledger, is_fresh || !waits_beside(&replica, part, follower), &|| {
                format!(
                    "leader {} lets follower {follower}, which is in sync, wait at offset {} of {:?}; its \
                     log ends at {}",
                    view.node,
                    part.fetch_offset,
                    part.tp,
                    replica.log.log_end_offset()
                )
            });
        }
    }
}

/// Whether a fetch waits, and any record would end that.
fn waits_for_any(session: &SessionView) -> bool {
    session.parked_until.is_some() && !session.is_reading && session.min_bytes <= 1
}

/// Whether a leader has something for a follower that is in sync, and knows it to be of the same history.
fn waits_beside(replica: &ReplicaView<'_>, part: &SessionPartView, follower: NodeId) -> bool {
    let Some(lead) = &replica.lead else { return false };
    let (log, offset) = (replica.log, part.fetch_offset);
    let end = log.log_end_offset();
    lead.isr.contains(&follower)
        && part.current_leader_epoch == replica.leader_epoch
        && (log.log_start_offset()..end).contains(&offset)
        && diverging(log, part.last_fetched_epoch, (part.log_start, offset)).is_none()
        && matches!(log.read_plan(offset, end, 1), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LOG, log, view};
    use super::*;
    use crate::recorder::testing::tp;

    #[test]
    fn who_is_in_sync_does_not_wait_beside_what_there_is() {
        let part = |fetch_offset, current_leader_epoch| SessionPartView {
            tp: tp(0),
            fetch_offset,
            current_leader_epoch,
            last_fetched_epoch: 0,
            log_start: 0,
            told_high_watermark: 0,
            told_log_start: 0,
            is_queued: true,
            is_watched: Some(true),
        };
        let log = log(&LOG);
        let mut replica = view(&log);
        let waits = |replica: &ReplicaView<'_>, part, follower| {
            waits_beside(replica, &part, NodeId(follower))
        };
        assert!(waits(&replica, part(10, 2), 2));
        assert!(!waits(&replica, part(10, 2), 3), "out of sync: it may be held back");
        assert!(!waits(&replica, part(10, 1), 2), "it is told of the newer epoch");
        let at_end = SessionPartView { last_fetched_epoch: 2, ..part(30, 2) };
        assert!(!waits(&replica, at_end, 2), "there is nothing more");
        let differs = SessionPartView { last_fetched_epoch: 1, ..part(15, 2) };
        assert!(!waits(&replica, differs, 2), "it is told where its log differs");
        replica.lead = None;
        assert!(!waits(&replica, part(10, 2), 2));
    }
}
