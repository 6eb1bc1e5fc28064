//! Epochs of members in the consumer protocol (KIP-848): who says its own is heard, and so is who says the one before and
//! has nothing that is not its own, as it may not have heard of the next. Nobody else is. And who has to give something
//! up stays in its epoch until it says that it has; then it goes on, even if it has to give up more by then, as it has
//! its time for each epoch (`CurrentAssignmentBuilder`).

use super::{Says, Speaker};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::inspect::ConsumerEpochsView;
use stormglass_broker_core::protocol::{ConsumerGroupHeartbeatRequest, JOIN_EPOCH};

/// A heartbeat that is being handled, of a member that its coordinator knows.
#[derive(Debug)]
pub(super) struct Epochs {
    /// Group and member.
    member: (Arc<str>, Arc<str>),
    /// What it says.
    epoch: i32,
    may_be: bool,
    /// Whether it says that it has nothing any more of what it was to give up; `None`: there was nothing.
    has_given_up: Option<bool>,
    before: ConsumerEpochsView,
}

impl Epochs {
    /// A member shows that it is alive.
    pub(super) fn of(broker: &Broker, asked: &ConsumerGroupHeartbeatRequest) -> Option<Self> {
        if asked.epoch < JOIN_EPOCH {
            return None; // it leaves
        }
        let before = broker.consumer_epochs(&asked.group, &asked.member)?;
        let may_be = may_be(&before, asked.epoch, asked.owned.as_deref());
        let has_given_up = has_given_up(&before, asked.owned.as_deref());
        let member = (Arc::clone(&asked.group), Arc::clone(&asked.member));
        Some(Self { member, epoch: asked.epoch, may_be, has_given_up, before })
    }

    /// It has been handled. Unless it was refused, it is answered now (`told`), or when the log has what follows.
    pub(super) fn handled(&self, says: &mut Says<'_>, by: Speaker<'_>, told: Option<ErrorCode>) {
        let Self { member: (group, member), epoch, may_be, has_given_up, before } = self;
        says.rule(is_right(*may_be, told), &|| {
            format!(
                "coordinator {} answers member {member} of {group} in epoch {epoch} with {told:?} (None: \
                 later), and knows {before:?}",
                by.node
            )
        });
        let Some(after) = by.broker.consumer_epochs(group, member) else { return };
        says.rule(is_remembered(before, &after), &|| {
            format!(
                "coordinator {} gives member {member} of {group} another epoch, and does not remember the one \
                 before: {before:?}, {after:?}",
                by.node
            )
        });
        let is_refused = told.is_some_and(|error| !error.is_ok());
        let Some(has_given_up) = has_given_up.filter(|_| !is_refused) else { return };
        says.rule(goes_on(has_given_up, before, &after), &|| {
            format!(
                "coordinator {} hears from member {member} of {group} whether it has given up what it was to \
                 ({has_given_up}), and takes it from {before:?} to {after:?}",
                by.node
            )
        });
    }
}

/// Whether a member may say that it is in an epoch, and has these partitions.
fn may_be(known: &ConsumerEpochsView, epoch: i32, owned: Option<&[TopicPartition]>) -> bool {
    let has_no_more =
        || owned.is_some_and(|owned| owned.iter().all(|tp| known.assigned.contains(tp)));
    let is_behind = epoch < known.epoch && epoch == known.previous;
    epoch == JOIN_EPOCH || epoch == known.epoch || is_behind && has_no_more()
}

/// Whether a member has nothing of what it is to give up, as far as it says; `None`: there is nothing.
fn has_given_up(known: &ConsumerEpochsView, owned: Option<&[TopicPartition]>) -> Option<bool> {
    let says_so = || owned.is_some_and(|owned| !owned.iter().any(|tp| known.revoking.contains(tp)));
    (!known.revoking.is_empty()).then(says_so)
}

/// Whether a member that was to give something up has gone on, or has not, as it has said. What it is to give up next,
/// it has another epoch for. Who goes, or is forgotten, is none any more.
fn goes_on(has_given_up: bool, before: &ConsumerEpochsView, after: &ConsumerEpochsView) -> bool {
    let is_same_epoch = after.epoch == before.epoch;
    match has_given_up {
        true => after.revoking.is_empty() || !is_same_epoch,
        false => is_same_epoch && after.revoking == before.revoking,
    }
}

/// Whether who may be in its epoch is not fenced, nor unknown, and everybody else is refused at once.
fn is_right(may_be: bool, told: Option<ErrorCode>) -> bool {
    use ErrorCode::{FencedMemberEpoch, GroupIdNotFound, UnknownMemberId};
    match may_be {
        true => !told.is_some_and(|error| {
            matches!(error, FencedMemberEpoch | GroupIdNotFound | UnknownMemberId)
        }),
        false => told.is_some_and(|error| !error.is_ok()),
    }
}

fn is_remembered(before: &ConsumerEpochsView, after: &ConsumerEpochsView) -> bool {
    after.epoch == before.epoch || after.previous == before.epoch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    fn view(epoch: i32, previous: i32) -> ConsumerEpochsView {
        let (assigned, revoking) = ([tp(0)].into(), [].into());
        ConsumerEpochsView { epoch, previous, assigned, revoking, is_confirmed: true }
    }

    #[test]
    fn the_epoch_before_counts_with_partitions_that_are_the_members() {
        let known = view(5, 3);
        assert!(may_be(&known, 5, None) && may_be(&known, 0, Some(&[])));
        assert!(may_be(&known, 3, Some(&[tp(0)])));
        assert!(!may_be(&known, 3, Some(&[tp(1)])) && !may_be(&known, 3, None));
        assert!(!may_be(&known, 4, Some(&[])) && !may_be(&known, 6, Some(&[])));
    }

    #[test]
    fn who_is_in_its_epoch_is_heard_and_nobody_else() {
        let fenced = Some(ErrorCode::FencedMemberEpoch);
        assert!(is_right(true, None) && is_right(false, fenced));
        assert!(!is_right(true, fenced) && !is_right(false, None));
        assert!(!is_right(true, Some(ErrorCode::UnknownMemberId)));
        assert!(!is_right(false, Some(ErrorCode::None)));
    }

    #[test]
    fn who_has_given_up_what_it_had_to_goes_on_and_nobody_else() {
        let to_give_up = |epoch: i32, partitions: &[i32]| {
            let revoking = partitions.iter().map(|partition| tp(*partition)).collect();
            ConsumerEpochsView { revoking, ..view(epoch, 3) }
        };
        let before = to_give_up(5, &[1]);
        let says = |owned: Option<&[TopicPartition]>| has_given_up(&before, owned);
        assert_eq!((says(Some(&[tp(0)])), says(Some(&[tp(0), tp(1)]))), (Some(true), Some(false)));
        assert_eq!(says(None), Some(false), "it says nothing");
        assert_eq!(has_given_up(&view(5, 3), Some(&[])), None, "it has nothing to give up");
        let goes_on = |has_given_up, epoch, partitions: &[i32]| {
            goes_on(has_given_up, &before, &to_give_up(epoch, partitions))
        };
        assert!(goes_on(true, 6, &[]) && goes_on(true, 9, &[]));
        assert!(goes_on(true, 6, &[0]) && !goes_on(true, 5, &[0]), "it has more to give up");
        assert!(!goes_on(true, 5, &[1]), "it has not been heard");
        assert!(goes_on(false, 5, &[1]) && !goes_on(false, 6, &[1]) && !goes_on(false, 6, &[]));
    }

    #[test]
    fn the_epoch_before_is_remembered() {
        assert!(is_remembered(&view(5, 3), &view(6, 5)) && is_remembered(&view(5, 3), &view(5, 3)));
        assert!(!is_remembered(&view(5, 3), &view(6, 3)));
    }
}
