//! ConsumerGroupHeartbeat: what a member's heartbeat changes, and what it is told (Kafka's
//! `GroupMetadataManager.consumerGroupHeartbeat`).

use super::draft::Draft;
use super::reconcile::Goal;
use super::refusal::Refusal;
use super::settings::ConsumerSettings;
use super::state::{Change, Current, Member, State};
use super::topics;
use crate::error::ErrorCode;
use crate::ids::TopicPartition;
use crate::metadata::MetadataImage;
use crate::plant::{Plant, planted};
use crate::protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, JOIN_EPOCH, LEAVE_EPOCH,
    STATIC_LEAVE_EPOCH,
};
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a heartbeat is decided by, beside the state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) image: &'a MetadataImage,
    /// Regular expressions that are compiled.
    pub(super) patterns: &'a BTreeMap<Arc<str>, Regex>,
    pub(super) settings: &'a ConsumerSettings,
    /// Wall clock, ms since the epoch.
    pub(super) wall_ms: i64,
    /// Whether topics may have changed since the last look.
    pub(super) refresh: bool,
    /// Whether the member's last heartbeat came on another connection.
    pub(super) is_elsewhere: bool,
    pub(super) plant: Option<Plant>,
}

impl<'a> Given<'a> {
    /// A regular expression, compiled now if it was not before.
    pub(super) fn compiled(&self, regex: &Arc<str>) -> Result<Cow<'a, Regex>, Refusal> {
        match self.patterns.get(regex) {
            Some(compiled) => Ok(Cow::Borrowed(compiled)),
            None => topics::compile(regex).map(Cow::Owned),
        }
    }
}

/// Refuses what makes no sense, whatever the group.
pub(super) fn check(
    request: &ConsumerGroupHeartbeatRequest,
    settings: &ConsumerSettings,
) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let is_blank = |text: &Option<Arc<str>>| text.as_ref().is_some_and(|t| t.trim().is_empty());
    let needs_id =
        request.makes_member_id || request.epoch > JOIN_EPOCH || request.epoch == LEAVE_EPOCH;
    if needs_id && request.member.trim().is_empty() {
        return invalid("MemberId can't be empty.");
    }
    if request.group.trim().is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if is_blank(&request.instance) {
        return invalid("InstanceId can't be empty.");
    }
    if is_blank(&request.rack) {
        return invalid("RackId can't be empty.");
    }
    match request.epoch {
        JOIN_EPOCH if request.rebalance_timeout_ms == -1 => {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        JOIN_EPOCH if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        JOIN_EPOCH if request.topics.is_none() && request.regex.is_none() => {
            let message = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null \
                           when (re-)joining.";
            return invalid(message);
        }
        STATIC_LEAVE_EPOCH if request.instance.is_none() => {
            return invalid("InstanceId can't be null.");
        }
        JOIN_EPOCH.. | LEAVE_EPOCH | STATIC_LEAVE_EPOCH => {}
        epoch => {
            let message =
                format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
            return invalid(&message);
        }
    }
    if let Some(assignor) = &request.assignor
        && !settings.assignors.iter().any(|known| known.name() == &**assignor)
    {
        let known: Vec<_> = settings.assignors.iter().map(|assignor| assignor.name()).collect();
        let message = format!(
            "ServerAssignor {assignor} is not supported. Supported assignors: {}.",
            known.join(", ")
        );
        return Err(Refusal::new(ErrorCode::UnsupportedAssignor, &message));
    }
    Ok(())
}

/// A member joins, or says that it is alive.
pub(super) fn heartbeat(
    draft: &mut Draft<'_>,
    given: &Given<'_>,
    id: &Arc<str>,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
    check_room(draft.state(), given, id)?;
    let before = match &request.instance {
        None => dynamic_member(draft.state(), id, request)?,
        Some(instance) => static_member(draft, id, instance, request)?,
    };
    // as Kafka: a log that has lost its end after the cleaner had used that may know the
    // members and not the epoch, and nothing else would make such a group share out anew (hunt
    // seed 9014942)
    let has_no_epoch = draft.state().group_epoch == 0;
    let changed = update_subscription(draft, given, (id, &*before), request)? || has_no_epoch;
    if changed || given.refresh {
        topics::refresh(draft, given, changed);
    }
    if draft.state().group_epoch > draft.state().assignment_epoch {
        topics::assign(draft, given);
    }
    reconcile(draft, given, id, request.owned.as_deref())?;
    let state = draft.state();
    let member = state.members.get(id).ok_or(ErrorCode::UnknownMemberId)?;
    let is_full = request.epoch == JOIN_EPOCH
        || (request.rebalance_timeout_ms != -1
            && (request.topics.is_some() || request.regex.is_some())
            && request.owned.is_some());
    // A heartbeat that its client has given up may come after the next one, which went by another connection: what it
    // got, nobody has heard, and would not hear later, either (hunt seed 23011818; so in Kafka).
    let tell = is_full || given.is_elsewhere || member.current.assigned != before.current.assigned;
    Ok(ConsumerGroupHeartbeatResponse {
        error: ErrorCode::None,
        message: None,
        member: Some(Arc::clone(id)),
        epoch: member.current.epoch,
        heartbeat_interval_ms: given.settings.heartbeat_interval_ms,
        assignment: tell.then(|| member.current.assigned.iter().copied().collect()),
    })
}

/// Whether a member has a place, or another one has. Kafka looks at that first: whoever says that it is a member, and
/// is not, hears it, and so does whoever comes for the place of one with its name (`throwIfConsumerGroupIsFull`).
fn check_room(state: &State, given: &Given<'_>, id: &Arc<str>) -> Result<(), Refusal> {
    let size_max = given.settings.size_max;
    if state.members.len() < size_max || state.members.contains_key(id) {
        return Ok(());
    }
    let message =
        format!("The consumer group has reached its maximum capacity of {size_max} members.");
    Err(Refusal::new(ErrorCode::GroupMaxSizeReached, &message))
}

fn dynamic_member(
    state: &State,
    id: &Arc<str>,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<Arc<Member>, Refusal> {
    match state.members.get(id) {
        Some(member) => {
            check_epoch(member, request.epoch, request.owned.as_deref())?;
            Ok(Arc::clone(member))
        }
        None if request.epoch == JOIN_EPOCH => Ok(Arc::default()),
        None => Err(unknown(id, &request.group)),
    }
}

/// A static member may take the place of one with its `group.instance.id` that has left.
fn static_member(
    draft: &mut Draft<'_>,
    id: &Arc<str>,
    instance: &Arc<str>,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<Arc<Member>, Refusal> {
    let state = draft.state();
    let holder = state.instances.get(instance).cloned();
    let member = holder.as_ref().and_then(|holder| state.members.get(holder)).cloned();
    match (holder, member) {
        (Some(holder), Some(member)) if holder == *id => {
            check_epoch(&member, request.epoch, request.owned.as_deref())?;
            Ok(member)
        }
        (Some(holder), Some(member)) if request.epoch == JOIN_EPOCH => {
            if member.current.epoch != STATIC_LEAVE_EPOCH {
                let message = format!(
                    "Static member {id} with instance id {instance} cannot join the group because \
                     the instance id is owned by {holder} member."
                );
                return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, &message));
            }
            Ok(replace(draft, &holder, id, &member))
        }
        (Some(holder), Some(_)) => Err(fenced_by(&holder, id, instance)),
        _ if request.epoch == JOIN_EPOCH => Ok(state.members.get(id).cloned().unwrap_or_default()),
        _ => Err(unknown_instance(instance)),
    }
}

/// The new member gets all that the old one has.
fn replace(
    draft: &mut Draft<'_>,
    old: &Arc<str>,
    new: &Arc<str>,
    member: &Arc<Member>,
) -> Arc<Member> {
    let mut heir = Member::clone(member);
    (heir.current.epoch, heir.current.previous_epoch) = (JOIN_EPOCH, JOIN_EPOCH);
    let target = draft.state().targets.get(old).cloned().unwrap_or_default();
    put_removal(draft, old);
    draft.put(Change::Member(Arc::clone(new), Some(heir.subscription.clone())));
    draft.put(Change::Target(Arc::clone(new), Some(target)));
    draft.put(Change::Current(Arc::clone(new), Some(heir.current.clone())));
    Arc::new(heir)
}

/// A member goes with all that it has.
pub(super) fn put_removal(draft: &mut Draft<'_>, id: &Arc<str>) {
    draft.put(Change::Current(Arc::clone(id), None));
    draft.put(Change::Target(Arc::clone(id), None));
    draft.put(Change::Member(Arc::clone(id), None));
}

/// Nobody is called that.
pub(super) fn unknown(id: &str, group: &str) -> Refusal {
    let message = format!("Member {id} is not a member of group {group}.");
    Refusal::new(ErrorCode::UnknownMemberId, &message)
}

/// No static member has this name.
pub(super) fn unknown_instance(instance: &str) -> Refusal {
    let message = format!("Instance id {instance} is unknown.");
    Refusal::new(ErrorCode::UnknownMemberId, &message)
}

/// Another static member has this name.
pub(super) fn fenced_by(holder: &str, id: &str, instance: &str) -> Refusal {
    let message =
        format!("Static member {id} with instance id {instance} was fenced by member {holder}.");
    Refusal::new(ErrorCode::FencedInstanceId, &message)
}

/// The epoch must be the member's. The one before it counts as long as the member has nothing that
/// it may not have: it may not have heard of the new one. Who joins has given up everything
/// (KAFKA-19233).
fn check_epoch(
    member: &Member,
    epoch: i32,
    owned: Option<&[TopicPartition]>,
) -> Result<(), Refusal> {
    let current = &member.current;
    let has_no_more =
        || owned.is_some_and(|owned| owned.iter().all(|tp| current.assigned.contains(tp)));
    let accepted = epoch == JOIN_EPOCH
        || epoch == current.epoch
        || (epoch < current.epoch && epoch == current.previous_epoch && has_no_more());
    if accepted {
        return Ok(());
    }
    let kind = if epoch > current.epoch { "greater" } else { "smaller" };
    let message = format!(
        "The consumer group member has a {kind} member epoch ({epoch}) than the one known by the \
         group coordinator ({}). The member must abandon all its partitions and rejoin.",
        current.epoch
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, &message))
}

/// Takes what a member says of itself. Whether the group must think again about who has what: not where somebody comes
/// who reads nothing (`GroupMetadataManager.hasMemberSubscriptionChanged`).
fn update_subscription(
    draft: &mut Draft<'_>,
    given: &Given<'_>,
    (id, before): (&Arc<str>, &Member),
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<bool, Refusal> {
    let old = &before.subscription;
    let mut new = old.clone();
    let keep = |told: &Option<Arc<str>>, known: Option<Arc<str>>| told.clone().or(known);
    new.instance = keep(&request.instance, new.instance);
    new.rack = keep(&request.rack, new.rack);
    new.assignor = keep(&request.assignor, new.assignor);
    new.regex = keep(&request.regex, new.regex).filter(|regex| !regex.is_empty());
    if request.rebalance_timeout_ms != -1 {
        new.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(topics) = &request.topics {
        new.topics = topics.iter().cloned().collect();
    }
    new.client_id = Arc::clone(&request.client_id);
    new.client_host = Arc::clone(&request.client_host);
    if let Some(regex) = new.regex.as_ref().filter(|regex| old.regex.as_ref() != Some(regex)) {
        given.compiled(regex)?;
    }
    let is_new = !draft.state().members.contains_key(id);
    let reads_others = new.topics != old.topics || new.regex != old.regex;
    if is_new || new != *old {
        draft.put(Change::Member(Arc::clone(id), Some(new)));
    }
    Ok(reads_others)
}

/// Leads a member towards its target.
fn reconcile(
    draft: &mut Draft<'_>,
    given: &Given<'_>,
    id: &Arc<str>,
    owned: Option<&[TopicPartition]>,
) -> Result<(), Refusal> {
    let state = draft.state();
    let Some(member) = state.members.get(id) else { return Ok(()) };
    if member.current.is_reconciled_to(state.assignment_epoch) {
        return Ok(());
    }
    let nothing = Arc::default();
    let goal = Goal {
        epoch: state.assignment_epoch,
        target: state.targets.get(id).unwrap_or(&nothing),
        is_owned: |tp: &TopicPartition| {
            state.owners.contains_key(tp) && !planted(given.plant, Plant::UnreleasedGiven)
        },
        owned,
    };
    let next = goal.next(&member.current)?;
    if next != member.current {
        check_owners(state, id, &next)?;
        draft.put(Change::Current(Arc::clone(id), Some(next)));
    }
    Ok(())
}

/// No partition has two owners in one epoch (Kafka's `ConsumerGroup.addPartitionEpochs`). Who has left may be back with
/// what others were given since: where its removal was compacted away while a replica was away, that one loads it as it
/// was, once it leads (hunt seed 12000734).
fn check_owners(state: &State, id: &Arc<str>, next: &Current) -> Result<(), Refusal> {
    let epoch_of = |owner: &Arc<str>| Some(state.members.get(owner)?.current.epoch);
    let is_taken = |tp: &TopicPartition| {
        let other = state.owners.get(tp).filter(|owner| *owner != id);
        other.and_then(epoch_of) >= Some(next.epoch)
    };
    match next.assigned.iter().chain(&next.revoking).any(is_taken) {
        true => Err(ErrorCode::UnknownServerError.into()),
        false => Ok(()),
    }
}
