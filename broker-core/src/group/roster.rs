//! Members of a group, in whichever protocol they speak.

use super::codec::encode_group_key;
use super::consumer::ConsumerGroup;
use super::membership::Membership;
use crate::error::ErrorCode;
use crate::protocol::{GroupState, ListedState};
use crate::records::Record;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Protocol type of consumers, in both protocols.
const CONSUMER_TYPE: &str = "consumer";

/// Members of a group.
#[derive(Debug)]
pub(super) enum Roster {
    /// They join and sync; also a group that has positions only.
    Classic(Box<Membership>),
    /// They speak the consumer protocol (KIP-848).
    Consumer(Box<ConsumerGroup>),
}

impl Roster {
    /// A member's epoch, or the generation that it is in; for checkers.
    pub(super) fn epoch_of(&self, member: &str) -> Option<i32> {
        match self {
            Self::Classic(membership) => membership.generation_of(member),
            Self::Consumer(group) => group.epoch_of(member),
        }
    }

    pub(super) fn classic(&self) -> Option<&Membership> {
        match self {
            Self::Classic(membership) => Some(membership),
            Self::Consumer(_) => None,
        }
    }

    pub(super) fn classic_mut(&mut self) -> Option<&mut Membership> {
        match self {
            Self::Classic(membership) => Some(membership),
            Self::Consumer(_) => None,
        }
    }

    pub(super) fn consumer(&self) -> Option<&ConsumerGroup> {
        match self {
            Self::Classic(_) => None,
            Self::Consumer(group) => Some(group),
        }
    }

    pub(super) fn consumer_mut(&mut self) -> Option<&mut ConsumerGroup> {
        match self {
            Self::Classic(_) => None,
            Self::Consumer(group) => Some(group),
        }
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(membership) => membership.state() == GroupState::Empty,
            Self::Consumer(group) => group.is_empty() && !group.is_dying(),
        }
    }

    /// Whether it is being deleted.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Self::Classic(membership) => membership.state() == GroupState::Dead,
            Self::Consumer(group) => group.is_dying(),
        }
    }

    /// The state that tools are shown.
    pub(super) fn shown_state(&self) -> ListedState {
        match self {
            Self::Classic(membership) => ListedState::Classic(membership.state()),
            Self::Consumer(group) => ListedState::Consumer(group.shown_state()),
        }
    }

    /// Kind of the group, empty before its first member.
    pub(super) fn protocol_type(&self) -> Arc<str> {
        match self {
            Self::Classic(membership) => membership.protocol_type(),
            Self::Consumer(_) => CONSUMER_TYPE.into(),
        }
    }

    /// Whether it has no members, and nobody is about to become one.
    pub(super) fn is_unused(&self) -> bool {
        match self {
            Self::Classic(membership) => membership.is_unused(),
            Self::Consumer(group) => group.is_unused(),
        }
    }

    /// Being deleted; `false` takes that back.
    pub(super) fn set_dead(&mut self, dead: bool) {
        match self {
            Self::Classic(membership) => membership.set_dead(dead),
            Self::Consumer(group) => group.set_dead(dead),
        }
    }

    /// Records that leave nothing of a group without members in the log.
    pub(super) fn tombstones(&self, id: &str) -> Vec<Record> {
        match self {
            Self::Classic(_) => vec![Record::new(Some(encode_group_key(id)), None)],
            Self::Consumer(group) => group.tombstones(),
        }
    }

    /// Topics that members read; `None`: they may be any.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP`: it has members that are no consumers.
    pub(super) fn subscriptions(&self) -> Result<Option<BTreeSet<Arc<str>>>, ErrorCode> {
        match self {
            Self::Classic(membership) => membership.subscriptions(),
            Self::Consumer(group) => Ok(Some(group.subscriptions())),
        }
    }
}
