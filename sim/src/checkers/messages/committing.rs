//! Who may commit positions, as its coordinator decides it when it is asked (Kafka's `validateOffsetCommit`): a member
//! in its generation or epoch, also while others join, so that it can say how far it has read before it gives anything
//! up; not while its group waits for an assignment; and who is no member, only while the group has none, as a tool would
//! move the positions under the members' feet. While it has none that may be who has a name of its own, too: a consumer
//! that divides nothing commits with its `group.instance.id`, if it has one. Producers need not name a member, as those
//! of before KIP-447 cannot: within a transaction what names nobody is taken whatever members there are, in either
//! protocol (KAFKA-18060).

use super::{Says, classic};
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    GroupState, OffsetCommitRequest, Request, Response, TxnOffsetCommitRequest,
};

/// What who commits is to hear, as a node begins to work on that. `None`: it is not who it says, or nothing is known of
/// its group here.
pub(super) fn due(broker: &Broker, asked: &OffsetCommitRequest) -> Option<ErrorCode> {
    let OffsetCommitRequest { group, generation, member, instance, .. } = asked;
    if *generation < 0 {
        let state = broker.classic_group(group).map(|of| of.state);
        if is_open(state) {
            return Some(ErrorCode::None);
        }
        if member.is_empty() {
            let has_classic = state.is_some_and(has_some);
            let name = instance.as_ref().filter(|_| has_classic);
            let heir = name.and_then(|name| broker.member_named(group, name));
            let has_members = has_classic || has_consumers(broker, group);
            return has_members.then(|| stranger(heir.is_some()));
        }
    }
    if let Some(known) = broker.classic_member(group, member) {
        let is_same = instance.is_none() || known.instance == instance.as_ref();
        return is_same.then(|| word((known.state, known.generation), *generation));
    }
    let known = broker.consumer_epochs(group, member)?;
    Some(if known.epoch == *generation { ErrorCode::None } else { ErrorCode::StaleMemberEpoch })
}

/// What who is no member hears of a group that has some; `has_heir`: one of them, in the classic protocol, has its name
/// (`ClassicGroup.validateMember`).
fn stranger(has_heir: bool) -> ErrorCode {
    if has_heir { ErrorCode::FencedInstanceId } else { ErrorCode::UnknownMemberId }
}

/// Whether a group that is coordinated here, and loaded, has members in the consumer protocol.
fn has_consumers(broker: &Broker, group: &str) -> bool {
    broker.consumer_members(group).is_some_and(|count| count > 0)
}

/// Whether a group in the classic protocol that is in a state, if it is known, takes positions of anybody who has no
/// generation, whatever else it says of itself.
fn is_open(state: Option<GroupState>) -> bool {
    state == Some(GroupState::Empty)
}

/// Whether a group in the classic protocol has members in a state.
fn has_some(state: GroupState) -> bool {
    !matches!(state, GroupState::Empty | GroupState::Dead)
}

/// What members of a generation in the classic protocol hear as they commit.
fn word((state, now): (GroupState, i32), generation: i32) -> ErrorCode {
    match state {
        GroupState::Dead => ErrorCode::CoordinatorNotAvailable,
        _ if generation != now => ErrorCode::IllegalGeneration,
        GroupState::CompletingRebalance => ErrorCode::RebalanceInProgress,
        GroupState::PreparingRebalance | GroupState::Stable | GroupState::Empty => ErrorCode::None,
    }
}

/// The coordinator answers, perhaps when its log has the positions.
pub(super) fn answer(
    says: &mut Says<'_>,
    node: i32,
    due: ErrorCode,
    (asked, answer): (&Request, &Response),
) {
    let Response::OffsetCommit(answer) = answer else { return };
    let wrong = answer.partitions.iter().find(|(_, told)| !is_heard(due, *told));
    says.rule(wrong.is_none(), &|| {
        format!(
            "coordinator {node} answers who commits positions with {wrong:?}, and not with {due:?}: {asked:?}"
        )
    });
}

/// The coordinator answers a producer, which may have named nobody.
pub(super) fn answer_to_producer(
    says: &mut Says<'_>,
    node: i32,
    (asked, answer): (&Request, &Response),
) {
    let (Request::TxnOffsetCommit(asked), Response::TxnOffsetCommit(answer)) = (asked, answer)
    else {
        return;
    };
    if !names_nobody(asked) {
        return;
    }
    let wrong = answer.partitions.iter().find(|(_, told)| is_of_members(*told));
    says.rule(wrong.is_none(), &|| {
        format!(
            "coordinator {node} answers a producer that commits positions and names no member with {wrong:?}: \
             {asked:?}"
        )
    });
}

/// Whether a producer names neither a member nor a generation.
fn names_nobody(asked: &TxnOffsetCommitRequest) -> bool {
    let TxnOffsetCommitRequest { generation, member, instance, .. } = asked;
    *generation < 0 && member.is_empty() && instance.is_none()
}

/// Whether only who names a member may hear this.
fn is_of_members(told: ErrorCode) -> bool {
    matches!(
        told,
        ErrorCode::FencedInstanceId
            | ErrorCode::IllegalGeneration
            | ErrorCode::RebalanceInProgress
            | ErrorCode::StaleMemberEpoch
            | ErrorCode::UnknownMemberId
    )
}

/// Whether who commits hears what it is to hear, or nothing of its group: of a partition that there is not, or of the
/// log.
fn is_heard(due: ErrorCode, told: ErrorCode) -> bool {
    let is_of_epochs = told == ErrorCode::StaleMemberEpoch;
    told == due || !is_of_epochs && classic::is_heard(due, told)
}

#[cfg(test)]
mod tests {
    use super::super::tests::broken_by;
    use super::*;
    use crate::recorder::testing::tp;
    use std::sync::Arc;
    use stormglass_broker_core::protocol::{
        OffsetCommitResponse, ProducerIdAndEpoch, TransactionRules, TxnOffsetCommitResponse,
    };

    /// How many rules an answer breaks that has this for the second of two partitions, the first of which is not there.
    fn broken(due: ErrorCode, told: ErrorCode) -> usize {
        let group: Arc<str> = "g".into();
        let asked = OffsetCommitRequest::without_member(group, Vec::new());
        let asked = Request::OffsetCommit(Box::new(asked));
        let partitions = vec![(tp(7), ErrorCode::UnknownTopicOrPartition), (tp(0), told)];
        let told = Response::OffsetCommit(OffsetCommitResponse { partitions });
        broken_by(|says| answer(says, 1, due, (&asked, &told)))
    }

    #[test]
    fn members_commit_while_others_join() {
        use GroupState::{CompletingRebalance, Dead, PreparingRebalance, Stable};
        let told = |state, told| broken(word((state, 4), 4), told);
        let rebalances = ErrorCode::RebalanceInProgress;
        for state in [PreparingRebalance, Stable] {
            assert_eq!((told(state, ErrorCode::None), told(state, rebalances)), (0, 1));
            assert_eq!(told(state, ErrorCode::UnknownMemberId), 1, "it is one");
        }
        assert_eq!((told(CompletingRebalance, rebalances), told(Dead, ErrorCode::None)), (0, 1));
        assert_eq!(told(CompletingRebalance, ErrorCode::None), 1);
        assert_eq!(told(Stable, ErrorCode::CoordinatorNotAvailable), 0, "that is of its log");
    }

    #[test]
    fn generations_and_epochs_are_compared() {
        let other = word((GroupState::Stable, 5), 4);
        let none = ErrorCode::None;
        assert_eq!((broken(other, ErrorCode::IllegalGeneration), broken(other, none)), (0, 1));
        let stale = ErrorCode::StaleMemberEpoch;
        assert_eq!((broken(stale, stale), broken(stale, none)), (0, 1));
        assert_eq!(broken(none, stale), 1, "it is in its epoch");
        assert_eq!(broken(stale, ErrorCode::NotCoordinator), 0, "that is something else");
    }

    /// A consumer that divides nothing, and has a `group.instance.id`, is refused as if it were a member.
    #[test]
    fn who_has_a_name_commits_where_there_are_no_members() {
        use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        let others = [Dead, PreparingRebalance, CompletingRebalance, Stable];
        assert!(is_open(Some(Empty)) && !is_open(None));
        assert!(!others.into_iter().any(|state| is_open(Some(state))));
        let none = ErrorCode::None;
        assert_eq!((broken(none, none), broken(none, ErrorCode::NotCoordinator)), (0, 0));
        assert_eq!(broken(none, ErrorCode::UnknownMemberId), 1);
        assert_eq!(broken(none, ErrorCode::FencedInstanceId), 1);
        let heir = stranger(true);
        assert_eq!((broken(heir, ErrorCode::FencedInstanceId), broken(heir, none)), (0, 1));
        assert_eq!(broken(stranger(false), ErrorCode::FencedInstanceId), 1, "nobody has its name");
    }

    #[test]
    fn who_is_no_member_commits_where_there_are_none() {
        use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        assert!([PreparingRebalance, CompletingRebalance, Stable].into_iter().all(has_some));
        assert!(!has_some(Empty) && !has_some(Dead));
        let unknown = ErrorCode::UnknownMemberId;
        assert_eq!((broken(unknown, unknown), broken(unknown, ErrorCode::None)), (0, 1));
        assert_eq!(broken(unknown, ErrorCode::CoordinatorLoadInProgress), 0);
    }

    /// How many rules an answer breaks to a producer that names a member in a generation.
    fn broken_by_producer((member, generation): (&str, i32), told: ErrorCode) -> usize {
        let asked = Request::TxnOffsetCommit(Box::new(TxnOffsetCommitRequest {
            transactional_id: "t".into(),
            rules: TransactionRules::Added,
            producer: ProducerIdAndEpoch { id: 7, epoch: 0 },
            group: "g".into(),
            generation,
            member: member.into(),
            instance: None,
            offsets: Vec::new(),
        }));
        let told = TxnOffsetCommitResponse { partitions: vec![(tp(0), told)] };
        let told = Response::TxnOffsetCommit(told);
        broken_by(|says| answer_to_producer(says, 1, (&asked, &told)))
    }

    #[test]
    fn producers_need_not_name_a_member() {
        let (unknown, stale) = (ErrorCode::UnknownMemberId, ErrorCode::IllegalGeneration);
        let told = |error| broken_by_producer(("", -1), error);
        assert_eq!((told(ErrorCode::None), told(unknown), told(stale)), (0, 1, 1));
        assert_eq!(told(ErrorCode::InvalidTxnState), 0, "that is of its transaction");
        assert_eq!(broken_by_producer(("a", 3), unknown), 0, "it has named one");
        assert_eq!(broken_by_producer(("", 3), stale), 0, "a generation is somebody's");
    }
}
