//! Whom a voter must not vote for, and whom it must (KIP-595, KIP-996).

use super::Says;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::inspect::QuorumView;
use stormglass_broker_core::protocol::{Request, Response, VoteRequest};

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

/// Whether a voter must give its vote, as it stands before it is asked: who is not behind is refused by who has voted
/// already, or has a leader, and by nobody else.
pub(super) fn is_due(node: i32, broker: &Broker, request: &Request) -> bool {
    let Request::Vote(asked) = request else { return false };
    is_owed(node, &broker.quorum(), asked)
}

fn is_owed(node: i32, knows: &QuorumView, asked: &VoteRequest) -> bool {
    let log = (knows.last_epoch, knows.log_end);
    if asked.epoch < knows.epoch || (asked.last_offset_epoch, asked.last_offset) < log {
        return false;
    }
    let is_free = match (asked.pre_vote, knows.voted) {
        (true, _) => !knows.in_touch && knows.leader != Some(NodeId(node)),
        (false, Some(voted)) => voted == asked.candidate,
        (false, None) => knows.leader.is_none(),
    };
    // nobody has voted in an epoch that it has not heard of
    asked.epoch > knows.epoch || is_free
}

/// It is answered.
pub(super) fn given(says: &mut Says<'_>, node: i32, answer: &Response) {
    let Response::Vote(answer) = answer else { return };
    says.rule(answer.granted, &|| {
        format!("voter {node} refuses its vote, though it has no reason to: {answer:?}")
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::protocol::VoteResponse;

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

    fn owes(voted: Option<i32>, leader: Option<i32>, in_touch: bool, asked: &VoteRequest) -> bool {
        let knows = QuorumView {
            epoch: 5,
            voted: voted.map(NodeId),
            leader: leader.map(NodeId),
            last_epoch: 5,
            log_end: 30,
            high_watermark: 20,
            in_touch,
        };
        is_owed(1, &knows, asked)
    }

    fn asks(epoch: i32, (last_offset_epoch, last_offset): (i32, i64)) -> VoteRequest {
        VoteRequest { epoch, candidate: NodeId(2), last_offset_epoch, last_offset, pre_vote: false }
    }

    #[test]
    fn who_is_not_behind_gets_the_vote_of_who_is_free() {
        assert!(owes(None, None, false, &asks(5, (5, 30))));
        assert!(owes(Some(2), None, false, &asks(5, (5, 30))), "asked again");
        assert!(owes(Some(3), Some(3), true, &asks(6, (5, 30))), "a later epoch");
        assert!(!owes(Some(3), None, false, &asks(5, (5, 30))));
        assert!(!owes(None, Some(3), false, &asks(5, (5, 30))));
        assert!(!owes(None, None, false, &asks(6, (5, 29))));
        assert!(!owes(None, None, false, &asks(6, (4, 99))), "longer, of an older epoch");
        assert!(!owes(None, None, false, &asks(4, (5, 99))));
    }

    #[test]
    fn who_hears_from_no_leader_says_that_it_would_vote() {
        let asked = VoteRequest { pre_vote: true, ..asks(5, (5, 30)) };
        assert!(owes(Some(3), Some(3), false, &asked));
        assert!(!owes(Some(3), Some(3), true, &asked));
        assert!(!owes(None, Some(1), false, &asked), "it leads");
    }

    #[test]
    fn a_vote_that_is_due_and_refused_is_seen() {
        let broken = |granted| {
            let (mut ledger, history) = (Ledger::default(), History::default());
            let (label, is_gapless) = ("", true);
            let mut says = Says { ledger: &mut ledger, label, history: &history, is_gapless };
            let (error, leader) = (ErrorCode::None, None);
            let answer = VoteResponse { error, leader, epoch: 5, granted };
            given(&mut says, 1, &Response::Vote(answer));
            ledger.finish().1.len()
        };
        assert_eq!((broken(true), broken(false)), (0, 1));
    }
}
