//! Whom a voter must not vote for (KIP-595).

use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::QuorumView;
use stormglass_broker_core::protocol::{Request, VoteRequest};

/// Why a voter must not give its vote, as it stands before it is asked.
pub(super) fn objection(broker: &Broker, request: &Request) -> Option<String> {
    let Request::Vote(asked) = request else { return None };
    of(&broker.quorum(), asked)
}

fn of(knows: &QuorumView, asked: &VoteRequest) -> Option<String> {
    let is_current = !asked.pre_vote && asked.epoch == knows.epoch;
    if is_current && knows.voted == Some(asked.candidate) {
        return None; // that stays so, whatever it has got meanwhile
    }
    let log = (knows.last_epoch, knows.log_end);
    if (asked.last_offset_epoch, asked.last_offset) < log {
        return Some(format!("its log ends at {log:?} (epoch, offset), behind which {asked:?} is"));
    }
    (is_current && (knows.voted.is_some() || knows.leader.is_some())).then(|| {
        let QuorumView { epoch, voted, leader, .. } = knows;
        format!("in epoch {epoch} it has voted for {voted:?} and follows {leader:?}: {asked:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::ids::NodeId;

    #[test]
    fn a_vote_is_given_once_and_to_nobody_who_is_behind_or_late() {
        let knows = |voted: Option<i32>, leader: Option<i32>| QuorumView {
            epoch: 5,
            voted: voted.map(NodeId),
            leader: leader.map(NodeId),
            last_epoch: 4,
            log_end: 30,
            high_watermark: 20,
            in_touch: false,
        };
        let asks = |epoch, last: (i32, i64), pre_vote| VoteRequest {
            epoch,
            candidate: NodeId(2),
            last_offset_epoch: last.0,
            last_offset: last.1,
            pre_vote,
        };
        let object = |knows, asks| of(&knows, &asks).is_some();
        assert!(!object(knows(None, None), asks(5, (4, 30), false)));
        assert!(!object(knows(Some(2), Some(2)), asks(5, (4, 29), false)), "asked again");
        assert!(!object(knows(Some(1), Some(1)), asks(6, (5, 3), false)), "a later epoch");
        assert!(!object(knows(Some(1), None), asks(5, (4, 30), true)));
        assert!(object(knows(Some(1), None), asks(5, (4, 30), false)));
        assert!(object(knows(None, Some(3)), asks(5, (4, 30), false)));
        assert!(object(knows(None, None), asks(6, (4, 29), false)));
        assert!(object(knows(None, None), asks(6, (3, 40), true)));
    }
}
