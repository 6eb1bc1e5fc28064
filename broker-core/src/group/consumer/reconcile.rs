//! A member's way from what it has to what it shall have (Kafka's `CurrentAssignmentBuilder`).
//!
//! A member gives up first what is not its own any more, and stays in its epoch until it has. Then
//! it gets the epoch of the target, and of the target's partitions those that nobody else has.

use super::refusal::Refusal;
use super::state::{Current, MemberState, Partitions};
use crate::error::ErrorCode;
use crate::ids::TopicPartition;

/// What a member is led to.
pub(super) struct Goal<'a, F> {
    /// Epoch of the target assignment.
    pub(super) epoch: i32,
    /// The member's target.
    pub(super) target: &'a Partitions,
    /// Whether somebody has a partition.
    pub(super) is_owned: F,
    /// What the member says that it has.
    pub(super) owned: Option<&'a [TopicPartition]>,
}

impl<F: Fn(&TopicPartition) -> bool> Goal<'_, F> {
    /// The member's next state, which may be the one that it is in.
    pub(super) fn next(&self, current: &Current) -> Result<Current, Refusal> {
        Ok(match current.state {
            MemberState::Stable if current.epoch == self.epoch => current.clone(),
            MemberState::Stable | MemberState::UnreleasedPartitions => {
                self.advance(current, current.epoch)
            }
            MemberState::UnrevokedPartitions if self.still_has(&current.revoking) => {
                current.clone()
            }
            MemberState::UnrevokedPartitions => self.advance(current, current.epoch + 1),
            MemberState::Unknown if self.owned.is_none_or(|owned| !owned.is_empty()) => {
                let message = "The consumer group member is in a unknown state. The member must \
                               abandon all its partitions and rejoin.";
                return Err(Refusal::new(ErrorCode::FencedMemberEpoch, message));
            }
            MemberState::Unknown => self.advance(current, self.epoch),
        })
    }

    /// Whether the member has any of these, as far as it says.
    fn still_has(&self, revoking: &Partitions) -> bool {
        self.owned.is_none_or(|owned| owned.iter().any(|tp| revoking.contains(tp)))
    }

    fn advance(&self, current: &Current, epoch: i32) -> Current {
        let kept: Partitions = current.assigned.intersection(self.target).copied().collect();
        let revoking: Partitions = current.assigned.difference(self.target).copied().collect();
        let missing = self.target.difference(&kept);
        let (unreleased, free): (Vec<TopicPartition>, Vec<TopicPartition>) =
            missing.copied().partition(&self.is_owned);
        if !revoking.is_empty() && self.still_has(&revoking) {
            return Current {
                epoch,
                previous_epoch: current.epoch,
                state: MemberState::UnrevokedPartitions,
                assigned: kept,
                revoking,
            };
        }
        let mut assigned = kept;
        assigned.extend(free);
        Current {
            epoch: self.epoch,
            previous_epoch: current.epoch,
            state: if unreleased.is_empty() {
                MemberState::Stable
            } else {
                MemberState::UnreleasedPartitions
            },
            assigned,
            revoking: Partitions::new(),
        }
    }
}
