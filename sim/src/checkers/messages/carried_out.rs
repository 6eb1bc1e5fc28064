//! What a node says it has done is done: what an administrator asked for is in the metadata, and a member whose
//! sign of life was taken has a session that ends later than before, and hears where its group is.

use super::epochs::Epochs;
use super::rehearsed::Rehearsed;
use super::subscribed::Subscribed;
use super::{Says, Speaker, classic, undone};
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::metadata::{MetadataImage, PartitionImage};
use stormglass_broker_core::protocol::{
    AlterPartitionRequest, ConsumerGroupHeartbeatRequest, HeartbeatRequest, HeartbeatResponse,
    Request, Response,
};
use stormglass_broker_core::seam::Reply;
use stormglass_broker_core::time::Instant;

/// By node, connection and correlation.
type Key = (i32, u64, u64);

/// A heartbeat in the consumer protocol.
#[derive(Debug)]
pub(super) struct Beat {
    key: Key,
    /// Group and member.
    member: (Arc<str>, Arc<str>),
    /// When its session would have ended.
    before: Instant,
}

impl Beat {
    /// It has been handled: unless it was refused, the session is longer. Of `changed` groups nothing is said: their
    /// configs may give members less, by as much perhaps as has gone by (hunt seeds 6000011, 8003583).
    pub(super) fn is_heard(
        &self,
        says: &mut Says<'_>,
        by: Speaker<'_>,
        (changed, replies): (&BTreeSet<Arc<str>>, &[Reply]),
    ) {
        let Self { member: (group, member), before, .. } = self;
        let until = by.broker.member_session(group, member);
        let is_refused = self.is_refused(by.node, replies);
        let told = if is_refused { ErrorCode::UnknownMemberId } else { ErrorCode::None };
        says.rule(changed.contains(&**group) || is_renewed(told, *before, until), &|| {
            format!(
                "coordinator {} has heard member {member} of {group}, and leaves the end of its session at \
                 {before:?}: {until:?}",
                by.node
            )
        });
    }

    fn is_refused(&self, node: i32, replies: &[Reply]) -> bool {
        is_refused(answer_to(self.key, node, replies))
    }

    /// Group and member, unless it was refused, or whoever was asked has ended.
    pub(super) fn taken(&self, node: i32, replies: &[Reply]) -> Option<(&Arc<str>, &Arc<str>)> {
        let is_taken = self.key.0 == node && !self.is_refused(node, replies);
        is_taken.then_some((&self.member.0, &self.member.1))
    }
}

/// A node's answer to a request, if it answers at once.
fn answer_to(key: Key, node: i32, replies: &[Reply]) -> Option<&Reply> {
    replies.iter().find(|of| (node, of.conn.0, of.correlation.0) == key)
}

/// What a heartbeat in the consumer protocol is answered with.
fn error_of(reply: &Reply) -> Option<ErrorCode> {
    match &reply.response {
        Some(Response::ConsumerGroupHeartbeat(answer)) => Some(answer.error),
        _ => None,
    }
}

fn is_refused(own: Option<&Reply>) -> bool {
    own.is_some_and(|reply| error_of(reply).is_none_or(|error| !error.is_ok()))
}

/// What such a heartbeat says: of the member's epoch, and of the member.
#[derive(Debug)]
pub(super) struct Heard {
    key: Key,
    epochs: Option<Epochs>,
    subscribed: Option<Subscribed>,
}

impl Heard {
    fn of(key: Key, broker: &Broker, asked: &ConsumerGroupHeartbeatRequest) -> Option<Self> {
        let epochs = Epochs::of(broker, asked);
        let subscribed = Subscribed::of(broker, asked);
        (epochs.is_some() || subscribed.is_some()).then_some(Self { key, epochs, subscribed })
    }

    /// It has been handled.
    pub(super) fn handled(&self, says: &mut Says<'_>, by: Speaker<'_>, replies: &[Reply]) {
        if self.key.0 != by.node {
            return; // whoever was asked has ended
        }
        let own = answer_to(self.key, by.node, replies);
        let told = own.and_then(error_of);
        if let Some(epochs) = &self.epochs {
            epochs.handled(says, by, told);
        }
        if let Some(subscribed) = &self.subscribed {
            subscribed.handled(says, by, (told, is_refused(own)));
        }
    }
}

/// A heartbeat in the classic protocol.
#[derive(Debug)]
struct Shown {
    key: Key,
    asked: HeartbeatRequest,
    /// When the member's session would have ended.
    before: Instant,
    /// What it is to hear of its group.
    due: Option<ErrorCode>,
}

/// A partition that is being moved.
#[derive(Debug)]
struct Move {
    tp: TopicPartition,
    /// Replicas that it gets, and keeps.
    adding: Vec<NodeId>,
    /// The replicas that it is to have, in order.
    target: Vec<NodeId>,
}

/// What is being handled.
#[derive(Debug, Default)]
pub(super) struct CarriedOut {
    /// An active controller is to change something.
    change: Option<(Key, Request)>,
    /// An active controller is asked if it could change something.
    rehearsed: Option<Rehearsed>,
    /// Partitions that are being moved where an active controller is to change the ISR.
    moving: Vec<Move>,
    /// A member has shown that it is alive.
    member: Option<Shown>,
    /// The same of a member in the consumer protocol, which is answered when the log has what it says.
    beats: Option<Beat>,
    /// What such a member says.
    heard: Option<Heard>,
    /// Members that have shown it at this very time, ns: what was late may come all at once.
    shown: (u64, Vec<Arc<str>>),
    /// The node that led something else last, or whose disk answered last, and when, ns.
    turned: (i32, u64),
}

impl CarriedOut {
    /// A node begins to work on a request.
    pub(super) fn asked(&mut self, now_ns: u64, key: Key, broker: &Broker, request: &Request) {
        self.rest();
        if self.shown.0 != now_ns {
            self.shown.0 = now_ns;
            self.shown.1.clear();
        }
        let shows = match request {
            Request::Heartbeat(asked) => Some(&asked.member),
            Request::OffsetCommit(asked) => Some(&asked.member),
            Request::SyncGroup(asked) => Some(&asked.member),
            Request::JoinGroup(asked) => Some(&asked.member),
            Request::ConsumerGroupHeartbeat(asked) => Some(&asked.member),
            _ => None,
        };
        // a group that was loaded at this very time has new sessions (hunt seed 1008405)
        let is_new = self.turned == (key.0, now_ns);
        let again = is_new || shows.is_some_and(|member| self.shown.1.contains(member));
        self.shown.1.extend(shows.filter(|_| !again).cloned());
        if let Request::ConsumerGroupHeartbeat(asked) = request {
            self.heard = Heard::of(key, broker, asked);
        }
        self.rehearsed = Rehearsed::of((key.0, broker), request);
        match request {
            asked if undone::is_change(asked) => {
                let image = broker.active_metadata();
                self.change = image.map(|image| (key, undone::wanted(image, asked)));
            }
            Request::AlterPartition(asked) => {
                let image = broker.active_metadata();
                self.moving = image.map_or_else(Vec::new, |image| moving(image, asked));
            }
            Request::Heartbeat(asked) if !again => {
                let until = broker.member_session(&asked.group, &asked.member);
                self.member = until.map(|before| {
                    let due = classic::due(broker, asked);
                    Shown { key, asked: HeartbeatRequest::clone(asked), before, due }
                });
            }
            Request::ConsumerGroupHeartbeat(asked) if !again && asked.epoch >= 0 => {
                let until = broker.member_session(&asked.group, &asked.member);
                let member = || (Arc::clone(&asked.group), Arc::clone(&asked.member));
                self.beats = until.map(|before| Beat { key, member: member(), before });
            }
            _ => {}
        }
    }

    /// A node has begun to lead, or what it read is there: a group may have been loaded.
    pub(super) fn turned(&mut self, now_ns: u64, node: i32) {
        self.turned = (node, now_ns);
    }

    /// Something else is handled.
    pub(super) fn rest(&mut self) {
        // one by one: all of them together are copied to be dropped
        self.change = None;
        self.rehearsed = None;
        self.member = None;
        self.beats = None;
        self.heard = None;
        self.moving.clear();
    }

    /// Whether the node is looked at though it says nothing.
    pub(super) fn is_asked(&self) -> bool {
        let is_heard = self.beats.is_some() || self.heard.is_some();
        let changes = self.change.is_some() || self.rehearsed.is_some();
        changes || is_heard || !self.moving.is_empty()
    }

    /// The request has been handled. Which one must be refused now, and why.
    pub(super) fn objection(&mut self, broker: &Broker) -> Option<(Key, String)> {
        let (key, asked) = self.change.take()?;
        let undone = undone::undone(broker.active_metadata()?, &asked)?;
        Some((key, format!("it is not done: {undone}")))
    }

    /// What was to change nothing.
    pub(super) fn rehearsed(&mut self) -> Option<Rehearsed> {
        self.rehearsed.take()
    }

    /// An ISR was to be changed. Partitions whose reassignment has ended with it before all that it adds are in
    /// sync, or with other replicas than it was to end with.
    pub(super) fn moved_wrongly(&mut self, broker: &Broker) -> Vec<TopicPartition> {
        let moving = std::mem::take(&mut self.moving);
        let Some(image) = broker.active_metadata() else { return Vec::new() };
        let is_wrong =
            |of: &Move| image.partition(of.tp).is_some_and(|state| has_moved_wrongly(state, of));
        moving.into_iter().filter(is_wrong).map(|of| of.tp).collect()
    }

    /// A member in the consumer protocol that has just shown that it is alive.
    pub(super) fn beat(&mut self) -> Option<Beat> {
        self.beats.take()
    }

    /// What such a member has said.
    pub(super) fn heard(&mut self) -> Option<Heard> {
        self.heard.take()
    }

    /// A member is answered. What it has asked, if it was heard.
    pub(super) fn answered(
        &mut self,
        says: &mut Says<'_>,
        by: Speaker<'_>,
        key: Key,
        answer: &HeartbeatResponse,
    ) -> Option<HeartbeatRequest> {
        let Shown { asked, before, due, .. } = self.member.take_if(|of| of.key == key)?;
        let until = by.broker.member_session(&asked.group, &asked.member);
        says.rule(is_renewed(answer.error, before, until), &|| {
            format!(
                "coordinator {} answers the heartbeat of {} in {} with {:?}, and leaves the end of its \
                 session at {before:?}: {until:?}",
                by.node, asked.member, asked.group, answer.error
            )
        });
        says.rule(due.is_none_or(|due| classic::is_heard(due, answer.error)), &|| {
            format!(
                "coordinator {} answers the heartbeat of {} in {} with {:?}, and not with {due:?}",
                by.node, asked.member, asked.group, answer.error
            )
        });
        counts(answer.error).then_some(asked)
    }
}

/// Partitions that are being moved, and whose ISR is to be changed.
fn moving(image: &MetadataImage, asked: &AlterPartitionRequest) -> Vec<Move> {
    let of = asked.partitions.iter().filter_map(|data| {
        let state = image.partition(data.tp)?;
        let adding = state.moving.as_ref()?.staying().copied().collect();
        Some(Move { tp: data.tp, adding, target: undone::after_moving(state) })
    });
    of.collect()
}

/// Whether a partition is not being moved any more, and some of what was added to it is not in sync, or it has other
/// replicas than it was to have, or in another order.
fn has_moved_wrongly(state: &PartitionImage, of: &Move) -> bool {
    let lacks = of.adding.iter().any(|id| !state.isr.contains(id));
    state.moving.is_none() && (lacks || state.replicas != of.target)
}

/// Who is told to go on, or to join again, has shown that it is alive.
fn counts(told: ErrorCode) -> bool {
    matches!(told, ErrorCode::None | ErrorCode::RebalanceInProgress)
}

fn is_renewed(told: ErrorCode, before: Instant, until: Option<Instant>) -> bool {
    !counts(told) || until.is_none_or(|until| until > before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::time::Duration;

    #[test]
    fn a_reassignment_ends_when_what_it_adds_is_in_sync() {
        let of = |isr: &[i32], is_over: bool| PartitionImage {
            replicas: [1, 2, 3].map(NodeId).to_vec(),
            isr: isr.iter().copied().map(NodeId).collect(),
            moving: (!is_over).then(Box::default),
            leader: Some(NodeId(1)),
            leader_epoch: 0,
            partition_epoch: 0,
            recovering: false,
        };
        let moved = |target: [i32; 3]| Move {
            tp: TopicPartition::METADATA,
            adding: vec![NodeId(3)],
            target: target.map(NodeId).to_vec(),
        };
        let is_early =
            |isr: &[i32], is_over| has_moved_wrongly(&of(isr, is_over), &moved([1, 2, 3]));
        assert!(is_early(&[1, 2], true));
        assert!(!is_early(&[1, 3], true) && !is_early(&[1, 2], false));
        assert!(has_moved_wrongly(&of(&[1, 3], true), &moved([3, 1, 2])), "in another order");
    }

    #[test]
    fn who_is_answered_has_a_longer_session() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let renewed = |told, until| is_renewed(told, at(5), until);
        assert!(renewed(ErrorCode::None, Some(at(6))) && !renewed(ErrorCode::None, Some(at(5))));
        assert!(!renewed(ErrorCode::RebalanceInProgress, Some(at(5))));
        assert!(renewed(ErrorCode::IllegalGeneration, Some(at(5))));
        assert!(renewed(ErrorCode::None, None), "it was removed with this very answer");
    }
}
