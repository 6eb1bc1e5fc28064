//! Epochs of members in the consumer protocol (KIP-848): who says its own is heard, and so is who says the one before and
//! has nothing that is not its own, as it may not have heard of the next. Nobody else is.

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
        let member = (Arc::clone(&asked.group), Arc::clone(&asked.member));
        Some(Self { member, epoch: asked.epoch, may_be, before })
    }

    /// It has been handled. Unless it was refused, it is answered now (`told`), or when the log has what follows.
    pub(super) fn handled(&self, says: &mut Says<'_>, by: Speaker<'_>, told: Option<ErrorCode>) {
        let Self { member: (group, member), epoch, may_be, before } = self;
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
    }
}

/// Whether a member may say that it is in an epoch, and has these partitions.
fn may_be(known: &ConsumerEpochsView, epoch: i32, owned: Option<&[TopicPartition]>) -> bool {
    let has_no_more =
        || owned.is_some_and(|owned| owned.iter().all(|tp| known.assigned.contains(tp)));
    let is_behind = epoch < known.epoch && epoch == known.previous;
    epoch == JOIN_EPOCH || epoch == known.epoch || is_behind && has_no_more()
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
    fn the_epoch_before_is_remembered() {
        assert!(is_remembered(&view(5, 3), &view(6, 5)) && is_remembered(&view(5, 3), &view(5, 3)));
        assert!(!is_remembered(&view(5, 3), &view(6, 3)));
    }
}
