//! What coordinators owe: questions about groups are answered once, and until then their coordinator knows who waits, so
//! that members whose group rebalances, or goes over to another broker, are not left waiting for ever; and what is decided
//! of a transaction is carried out, unless somebody else decides by now. What producers ask is left out of the questions,
//! as it may wait for the coordinator of their transactions.

use super::{Says, Talk, transactional};
use std::collections::BTreeSet;
use stormglass_broker_core::protocol::{Request, Response};

/// By node, connection and correlation.
type Key = (i32, u64, u64);

/// What is owed, by node.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Questions that are not answered yet.
    questions: BTreeSet<Key>,
    /// Coordinators of transactions that have heard that somebody else decides.
    overruled: BTreeSet<i32>,
}

impl Owed {
    /// A node begins to work on a request.
    pub(super) fn asked(&mut self, key: Key, request: &Request) {
        let is_one = matches!(
            request,
            Request::JoinGroup(_)
                | Request::SyncGroup(_)
                | Request::LeaveGroup(_)
                | Request::ConsumerGroupHeartbeat(_)
                | Request::OffsetCommit(_)
                | Request::DeleteGroups(_)
                | Request::OffsetDelete(_)
        );
        if is_one {
            self.questions.insert(key);
        }
    }

    /// A node answers. Whether it was asked, and has not answered yet.
    pub(super) fn answered(&mut self, key: Key) -> bool {
        self.questions.remove(&key)
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.questions.retain(|(of, ..)| *of != node);
        self.overruled.remove(&node);
    }

    /// A peer has answered a node.
    pub(super) fn hears(&mut self, node: i32, answer: &Response) {
        if transactional::overrules(answer) {
            self.overruled.insert(node);
        }
    }

    fn count(&self, node: i32) -> usize {
        self.questions.range((node, 0, 0)..=(node, u64::MAX, u64::MAX)).count()
    }
}

impl Talk {
    /// Requests about groups, but for those of producers, that a node has not answered.
    pub(crate) fn questions(&self, node: i32) -> usize {
        self.owed.count(node)
    }

    /// Whether a coordinator of transactions has heard that somebody else decides.
    pub(crate) fn is_overruled(&self, node: i32) -> bool {
        self.owed.overruled.contains(&node)
    }
}

/// Whether this answers one of them.
pub(super) fn is_answer(answer: &Response) -> bool {
    matches!(
        answer,
        Response::JoinGroup(_)
            | Response::SyncGroup(_)
            | Response::LeaveGroup(_)
            | Response::ConsumerGroupHeartbeat(_)
            | Response::OffsetCommit(_)
            | Response::DeleteGroups(_)
            | Response::OffsetDelete(_)
    )
}

/// A node answers such a question, which is to be one that it `was_asked`.
pub(super) fn once(says: &mut Says<'_>, node: i32, was_asked: bool, answer: &Response) {
    says.rule(was_asked, &|| {
        format!("coordinator {node} answers what nobody has asked, or has been told: {answer:?}")
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::TopicPartition;
    use stormglass_broker_core::protocol::{
        DeleteGroupsRequest, DeleteGroupsResponse, WriteTxnMarkersResponse,
    };

    #[test]
    fn a_question_is_answered_once() {
        let asked = Request::DeleteGroups(DeleteGroupsRequest { groups: Vec::new() });
        let answer = Response::DeleteGroups(DeleteGroupsResponse { groups: Vec::new() });
        assert!(is_answer(&answer));
        let mut owed = Owed::default();
        owed.asked((1, 5, 7), &asked);
        owed.asked((2, 5, 7), &asked);
        assert_eq!((owed.count(1), owed.count(2), owed.count(3)), (1, 1, 0));
        assert!(!owed.answered((1, 5, 8)), "it has asked something else");
        assert!(owed.answered((1, 5, 7)) && !owed.answered((1, 5, 7)), "once");
        owed.forget(2);
        assert_eq!((owed.count(1), owed.count(2)), (0, 0));
    }

    #[test]
    fn who_hears_that_somebody_else_decides_is_overruled() {
        let tp = TopicPartition::METADATA;
        let told = |error| {
            let markers = vec![(7, vec![(tp, ErrorCode::None), (tp, error)])];
            let mut owed = Owed::default();
            owed.hears(1, &Response::WriteTxnMarkers(WriteTxnMarkersResponse { markers }));
            owed.overruled.contains(&1)
        };
        assert!(told(ErrorCode::InvalidProducerEpoch));
        assert!(told(ErrorCode::TransactionCoordinatorFenced));
        assert!(!told(ErrorCode::NotLeaderOrFollower) && !told(ErrorCode::None));
    }
}
