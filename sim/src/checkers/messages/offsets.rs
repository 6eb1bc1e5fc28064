//! Positions that a group's coordinator is asked for: they are those that it knows; who wants none that an open
//! transaction may change is told which ones that are (KIP-447), replicated or not; and members in the consumer protocol
//! are answered in their epoch, and in no other.

use super::{Says, Speaker};
use crate::checkers::state::open_positions;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NO_OFFSET, Offset, TopicPartition};
use stormglass_broker_core::inspect::{ConsumerEpochsView, PositionKey};
use stormglass_broker_core::protocol::{
    CommittedOffset, OffsetFetchGroup, OffsetFetchGroupResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};

/// A coordinator answers.
pub(super) fn answer(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    (asked, answer): (&OffsetFetchRequest, &OffsetFetchResponse),
) {
    for (asked_of, answer) in asked.groups.iter().zip(&answer.groups) {
        of_member(says, by, asked_of, answer);
        if answer.error.is_ok() {
            known(says, by, answer);
            if asked.require_stable {
                stable(says, by, answer);
            }
        }
    }
}

/// A member asks. What the log has not confirmed yet may be so, or not.
fn of_member(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    asked: &OffsetFetchGroup,
    answer: &OffsetFetchGroupResponse,
) {
    let Some((member, epoch)) = &asked.member else { return };
    let known = by.broker.consumer_epochs(&asked.group, member);
    let Some(known) = known.filter(|known| known.is_confirmed) else { return };
    says.rule(is_right(&known, *epoch, answer.error), &|| {
        format!(
            "coordinator {} answers member {member} of {} in epoch {epoch}, which asks for positions, with \
             {:?}, and knows {known:?}",
            by.node, asked.group, answer.error
        )
    });
}

/// Who is in its epoch is answered, and everybody else is told so.
fn is_right(known: &ConsumerEpochsView, epoch: i32, told: ErrorCode) -> bool {
    match known.epoch == epoch {
        true => told.is_ok(),
        false => told == ErrorCode::StaleMemberEpoch,
    }
}

/// The group's position in a partition, by the name of its topic, if there is one.
fn key(by: Speaker<'_>, group: &Arc<str>, tp: TopicPartition) -> Option<PositionKey> {
    let topic = by.broker.metadata()?.topic(tp.topic)?;
    Some((Arc::clone(group), Arc::clone(&topic.name), tp.partition))
}

/// What is told is what is known.
fn known(says: &mut Says<'_>, by: Speaker<'_>, answer: &OffsetFetchGroupResponse) {
    let Some(place) = by.broker.partition_of_group(&answer.group) else { return };
    let known = by.broker.positions(place.partition);
    let position = |at: &CommittedOffset| {
        let key = key(by, &answer.group, at.tp);
        key.and_then(|key| known.get(&key).copied()).unwrap_or(NO_OFFSET)
    };
    let wrong = answer.offsets.iter().find(|at| position(at) != at.offset);
    says.rule(wrong.is_none(), &|| {
        let known = wrong.map(&position);
        format!("coordinator {} tells {} of {wrong:?}, and knows {known:?}", by.node, answer.group)
    });
}

/// What the log has of open transactions is not stable, whether it is replicated yet or not.
fn stable(says: &mut Says<'_>, by: Speaker<'_>, answer: &OffsetFetchGroupResponse) {
    let place = by.broker.partition_of_group(&answer.group);
    let Some(view) = place.and_then(|tp| by.broker.replica_view(tp)) else { return };
    let producers = view.log.active_producers().into_iter();
    let open = producers.map(|producer| producer.open_transaction).filter(|first| *first >= 0);
    let Some(first) = open.min() else { return };
    let batches = by.disk.batches(view.tp, &(first..Offset::MAX));
    let open = open_positions(batches.iter().map(Arc::as_ref));
    let mut told = answer.offsets.iter().filter(|at| !answer.unstable.contains(&at.tp));
    let is_open =
        |at: &CommittedOffset| key(by, &answer.group, at.tp).is_some_and(|key| open.contains(&key));
    let wrong = told.find(|at| is_open(at));
    says.rule(wrong.is_none(), &|| {
        format!(
            "coordinator {} tells {} of {wrong:?} as if it were stable, and its log has an open transaction \
             that says something else",
            by.node, answer.group
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_get_positions_in_their_epoch() {
        let known = ConsumerEpochsView {
            epoch: 5,
            previous: 4,
            assigned: [].into(),
            revoking: [].into(),
            is_confirmed: true,
        };
        assert!(is_right(&known, 5, ErrorCode::None));
        assert!(!is_right(&known, 5, ErrorCode::UnknownMemberId), "it is forgotten");
        assert!(is_right(&known, 4, ErrorCode::StaleMemberEpoch));
        assert!(!is_right(&known, 4, ErrorCode::None));
    }
}
