//! ConsumerGroupHeartbeat and ConsumerGroupDescribe: whether this broker may answer, which group is
//! meant, and what becomes of its changes.

use super::consumer::{self, Answer, ConsumerCx, ConsumerGroup, Drafted, Refusal};
use super::coordinator::{GroupCoordinator, Place};
use super::roster::Roster;
use super::timers::Deadline;
use crate::error::ErrorCode;
use crate::features::GROUP_VERSION;
use crate::metadata::{MetadataDelta, MetadataImage};
use crate::plant::{Plant, planted};
use crate::protocol::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    DescribedConsumerGroup, GroupState, JOIN_EPOCH, LeaveGroupRequest, LeaveGroupResponse,
    Response,
};
use crate::records::Record;
use crate::replica::ReplicaManager;
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Digits of Kafka's UUIDs.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Number of them.
const UUID_DIGITS: u32 = 22;

/// Who waits for an answer, and the answer.
type Waiting = (ReplyTo, Response);

impl GroupCoordinator {
    /// ConsumerGroupHeartbeat.
    pub(crate) fn consumer_heartbeat(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: &ConsumerGroupHeartbeatRequest,
    ) {
        if let Err(refusal) = self.try_heartbeat(step, replicas, image, to, request) {
            let answer = consumer::refusal(refusal);
            step.reply(to, Response::ConsumerGroupHeartbeat(Box::new(answer)));
        }
    }

    fn try_heartbeat(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<(), Refusal> {
        if !self.consumer_settings.enabled || image.feature(GROUP_VERSION) == Some(0) {
            return Err(ErrorCode::UnsupportedVersion.into());
        }
        consumer::check(request, &self.consumer_settings)?;
        let place = self.ready(image, &request.group).map(|p| (p.tp, p.epoch))?;
        let (partition, id) = (place.0.partition, &request.group);
        let member =
            if request.member.is_empty() { self.new_id() } else { Arc::clone(&request.member) };
        if let Some(tombstones) = self.beginning(place, request) {
            let mut group = ConsumerGroup::new(id);
            let (drafted, answer) = {
                let Self { timers, consumer_settings, plant, .. } = &mut *self;
                let settings = consumer_settings.of_group(image, id);
                let cx = ConsumerCx { step, timers, settings: &settings, plant: *plant };
                group.heartbeat(&cx, image, (&member, to.conn), request)?
            };
            let answer = Response::ConsumerGroupHeartbeat(Box::new(answer));
            self.begin(step, replicas, place, (group, tombstones, drafted), (to, answer))?;
        } else {
            let thought = self.act_consumer_of(step, image, partition, id, |group, cx| {
                group.heartbeat(cx, image, (&member, to.conn), request)
            });
            let (drafted, answer) =
                thought.ok_or_else(|| self.no_consumers(place, (id, request.epoch)))??;
            let answer = Response::ConsumerGroupHeartbeat(Box::new(answer));
            self.settle(step, replicas, place, id, drafted, Some((to, answer)))?;
        }
        if request.epoch >= JOIN_EPOCH {
            self.act_consumer_of(step, image, partition, id, |group, cx| {
                group.heard(cx, &member, to.conn);
            });
        }
        Ok(())
    }

    /// A UUID as Kafka writes it.
    fn new_id(&mut self) -> Arc<str> {
        let bits = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        let digit = |at: u32| {
            let six = bits.rotate_left(6 * (at + 1)) & 0x3f;
            DIGITS.get(six as usize).map_or('A', |digit| char::from(*digit))
        };
        (0..UUID_DIGITS).map(digit).collect::<String>().into()
    }

    /// Whether a heartbeat begins a group in this protocol; then with what deletes the one that
    /// there was, which has no members (KIP-848's conversion of an empty group).
    fn beginning(
        &mut self,
        (tp, _): Place,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Option<Vec<Record>> {
        if request.epoch != JOIN_EPOCH {
            return None;
        }
        let groups = &self.partitions.get(&tp.partition)?.groups;
        let Some(group) = groups.get(&request.group) else { return Some(Vec::new()) };
        let classic = group.roster.classic()?;
        if classic.state() != GroupState::Empty {
            return None;
        }
        // a group that never had members is not in the log
        let is_simple = classic.protocol_type().is_empty();
        Some(if is_simple { Vec::new() } else { group.roster.tombstones(&request.group) })
    }

    /// What is said to members in this protocol of a group that is not in it: one that is being
    /// deleted is soon to be had.
    fn no_consumers(&self, (tp, _): Place, (id, epoch): (&Arc<str>, i32)) -> Refusal {
        let group = self.partitions.get(&tp.partition).and_then(|p| p.groups.get(id));
        let message = match group {
            Some(group) if group.roster.is_dead() => {
                return ErrorCode::CoordinatorNotAvailable.into();
            }
            Some(_) => format!("Group {id} is not a consumer group."),
            None if epoch < JOIN_EPOCH => format!("Group {id} not found."),
            None => format!("Consumer group {id} not found."),
        };
        Refusal::new(ErrorCode::GroupIdNotFound, &message)
    }

    /// A group begins in this protocol once the log has it.
    fn begin(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        place: Place,
        (mut group, mut records, drafted): (ConsumerGroup, Vec<Record>, Drafted),
        answer: Waiting,
    ) -> Result<(), ErrorCode> {
        let goes_over = !records.is_empty();
        records.extend(group.records(&drafted));
        let id = Arc::clone(group.id());
        let token = self.writes.append_consumers(step, replicas, place, &id, records)?;
        if goes_over {
            step.trace(TraceEvent::GroupRemoved { group: Arc::clone(&id) });
        }
        group.appended(token, drafted, self.waiting(step, Some(answer)));
        if let Some(partition) = self.partitions.get_mut(&place.0.partition) {
            partition.group(&id).roster = Roster::Consumer(Box::new(group));
        }
        Ok(())
    }

    /// Appends changes; who waits for them is answered when the log has confirmed them.
    ///
    /// # Errors
    /// The log took nothing, and nothing has changed.
    fn settle(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        place: Place,
        id: &Arc<str>,
        mut drafted: Drafted,
        mut waiting: Option<Waiting>,
    ) -> Result<(), ErrorCode> {
        let Some(group) = self.consumer_group(place.0.partition, id) else { return Ok(()) };
        if drafted.is_unchanged() {
            let Some((to, answer)) = waiting else { return Ok(()) };
            match group.answer_to_unchanged() {
                Answer::Now => {
                    step.reply(to, answer);
                    return Ok(());
                }
                Answer::Later => {
                    group.wait(to, answer);
                    return Ok(());
                }
                Answer::Probe => drafted = group.probe(),
            }
            waiting = Some((to, answer));
        }
        let records = group.records(&drafted);
        let token = self.writes.append_consumers(step, replicas, place, id, records)?;
        let waiting = self.waiting(step, waiting);
        if let Some(group) = self.consumer_group(place.0.partition, id) {
            group.appended(token, drafted, waiting);
        }
        Ok(())
    }

    /// Who waits for an append that the log has taken.
    fn waiting(&self, step: &mut Step<'_>, waiting: Option<Waiting>) -> Option<Waiting> {
        if planted(self.plant, Plant::AssignmentNotWritten)
            && let Some((to, answer)) = waiting
        {
            step.reply(to, answer);
            return None;
        }
        waiting
    }

    fn consumer_group(&mut self, partition: i32, id: &Arc<str>) -> Option<&mut ConsumerGroup> {
        self.partitions.get_mut(&partition)?.groups.get_mut(id)?.roster.consumer_mut()
    }

    /// Lets something happen to a group; `None` when it is not here.
    pub(super) fn act_consumer<T>(
        &mut self,
        step: &mut Step<'_>,
        partition: i32,
        id: &Arc<str>,
        act: impl FnOnce(&mut ConsumerGroup, &mut ConsumerCx<'_, '_>) -> T,
    ) -> Option<T> {
        let Self { partitions, timers, consumer_settings: settings, plant, .. } = self;
        let group = partitions.get_mut(&partition)?.groups.get_mut(id)?.roster.consumer_mut()?;
        Some(act(group, &mut ConsumerCx { step, timers, settings, plant: *plant }))
    }

    /// The same, with the configs that the group has of its own.
    pub(super) fn act_consumer_of<T>(
        &mut self,
        step: &mut Step<'_>,
        image: &MetadataImage,
        partition: i32,
        id: &Arc<str>,
        act: impl FnOnce(&mut ConsumerGroup, &mut ConsumerCx<'_, '_>) -> T,
    ) -> Option<T> {
        let Self { partitions, timers, consumer_settings, plant, .. } = self;
        let group = partitions.get_mut(&partition)?.groups.get_mut(id)?.roster.consumer_mut()?;
        let settings = consumer_settings.of_group(image, id);
        Some(act(group, &mut ConsumerCx { step, timers, settings: &settings, plant: *plant }))
    }

    /// A deadline of a group.
    pub(super) fn consumer_due(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        place: Place,
        deadline: &Deadline,
    ) {
        let Deadline { at, group: id, due } = deadline;
        let partition = place.0.partition;
        let drafted =
            self.act_consumer(step, partition, id, |group, cx| group.due(cx, image, *at, due));
        let Some(drafted) = drafted.flatten() else { return };
        if self.settle(step, replicas, place, id, drafted, None).is_err() {
            self.act_consumer(step, partition, id, |group, cx| group.due_again(cx, due));
        }
    }

    /// LeaveGroup of a group in this protocol: tools remove static members so. Answered when the
    /// log has the last removal.
    pub(super) fn remove_consumers(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        place: Place,
        to: ReplyTo,
        request: LeaveGroupRequest,
    ) {
        let LeaveGroupRequest { group, members } = request;
        let id = &group;
        let mut answer = LeaveGroupResponse { error: ErrorCode::None, members: Vec::new() };
        for (member, instance) in members {
            let removed = match instance.as_ref().filter(|_| member.is_empty()) {
                // others speak the consumer protocol, and leave by a heartbeat
                None => Err(ErrorCode::UnknownMemberId),
                Some(instance) => {
                    let drafted = self.act_consumer(step, place.0.partition, id, |group, cx| {
                        group.remove_static(cx, image, instance)
                    });
                    drafted
                        .unwrap_or(Err(ErrorCode::UnknownMemberId))
                        .and_then(|drafted| self.settle(step, replicas, place, id, drafted, None))
                }
            };
            let error = removed.err().unwrap_or(ErrorCode::None);
            if !matches!(error, ErrorCode::None | ErrorCode::UnknownMemberId) {
                // the log does not take it, and the request as a whole is asked again
                return step.reply(to, Response::LeaveGroup(LeaveGroupResponse::refused(error)));
            }
            answer.members.push((member, instance, error));
        }
        let nothing = Drafted::unchanged();
        let waiting = Some((to, Response::LeaveGroup(answer)));
        if let Err(error) = self.settle(step, replicas, place, id, nothing, waiting) {
            step.reply(to, Response::LeaveGroup(LeaveGroupResponse::refused(error)));
        }
    }

    /// ConsumerGroupDescribe.
    pub(crate) fn describe_consumers(
        &mut self,
        image: &MetadataImage,
        request: &ConsumerGroupDescribeRequest,
    ) -> ConsumerGroupDescribeResponse {
        let groups = request.groups.iter().map(|id| self.describe_consumer(image, id)).collect();
        ConsumerGroupDescribeResponse { groups }
    }

    fn describe_consumer(
        &mut self,
        image: &MetadataImage,
        id: &Arc<str>,
    ) -> DescribedConsumerGroup {
        let settings = self.consumer_settings.clone();
        let found = if !settings.enabled {
            Err((ErrorCode::UnsupportedVersion, None))
        } else if id.is_empty() {
            Err((ErrorCode::InvalidGroupId, None))
        } else {
            self.ready(image, id).map_err(|error| (error, None)).and_then(|partition| {
                let group = partition.groups.get(id);
                let consumers = group.and_then(|group| group.roster.consumer());
                consumers.ok_or_else(|| {
                    let is_there = group.is_some_and(|group| !group.roster.is_dead());
                    let what = if is_there { "is not a consumer group" } else { "not found" };
                    let message = format!("Group {id} {what}.");
                    (ErrorCode::GroupIdNotFound, Some(message.into()))
                })
            })
        };
        match found {
            Ok(group) => group.describe(image, &settings),
            Err((error, message)) => DescribedConsumerGroup {
                error,
                message,
                group: Arc::clone(id),
                state: None,
                epoch: 0,
                assignment_epoch: 0,
                assignor: "".into(),
                members: Vec::new(),
            },
        }
    }

    /// Groups look again at topics that were created, deleted, or whose partitions are more, or elsewhere.
    pub(super) fn topics_changed(&mut self, image: &MetadataImage, delta: &MetadataDelta) {
        let groups = self.partitions.values_mut().flat_map(|p| p.groups.values_mut());
        let mut groups = groups.filter_map(|group| group.roster.consumer_mut()).peekable();
        if groups.peek().is_none() {
            return;
        }
        let ids: BTreeSet<_> = delta.partitions.iter().map(|tp| tp.topic).collect();
        let changed = ids.into_iter().filter_map(|id| image.topic(id));
        let names: BTreeSet<_> =
            changed.chain(&delta.removed_topics).map(|topic| &topic.name).collect();
        for group in groups {
            names.iter().for_each(|name| group.topic_changed(name));
            if !delta.brokers.is_empty() {
                group.brokers_changed(image);
            }
        }
    }
}
