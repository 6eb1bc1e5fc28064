//! What tools ask of groups: DescribeGroups, ListGroups, DeleteGroups, OffsetDelete.

use super::codec::{OffsetKey, encode_offset_key};
use super::coordinator::{Group, GroupCoordinator, OffsetsPartition, Place};
use super::membership::Membership;
use super::positions::key;
use super::writes::{Write, batch_bytes_max, commit_error, in_batches};
use crate::error::ErrorCode;
use crate::metadata::MetadataImage;
use crate::protocol::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribedGroup, GroupState, ListGroupsRequest, ListGroupsResponse, ListedGroup,
    OffsetDeleteRequest, OffsetDeleteResponse, Response,
};
use crate::records::Record;
use crate::replica::ReplicaManager;
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Tombstones under way.
#[derive(Debug)]
pub(super) enum Deletion {
    /// A group with all that it has; part of a request.
    Group { request: u64, group: Arc<str> },
    /// Positions in a topic that is no more; nobody waits for it.
    Topic { group: Arc<str>, keys: Vec<OffsetKey> },
    /// Positions that are too old, and their group if it has nothing left.
    Expired { group: Arc<str>, keys: Vec<OffsetKey>, is_over: bool },
    /// Positions of a group.
    Positions {
        /// Who waits; nobody any more once it took too long.
        to: Option<ReplyTo>,
        group: Arc<str>,
        keys: Vec<OffsetKey>,
        answer: OffsetDeleteResponse,
    },
}

/// A DeleteGroups of which some groups are not done yet.
#[derive(Debug)]
struct Unfinished {
    to: ReplyTo,
    groups: Vec<(Arc<str>, Option<ErrorCode>)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    requests: BTreeMap<u64, Unfinished>,
    next: u64,
}

/// Topics that members of a group have subscribed to; `None`: it may be any.
type Subscribed = Option<BTreeSet<Arc<str>>>;

impl Deletion {
    /// Whether an OffsetDelete waits for it, for checkers.
    pub(super) fn owes_answer(&self) -> bool {
        matches!(self, Self::Positions { to: Some(_), .. })
    }
}

impl Deletions {
    /// DeleteGroups that are not answered, for checkers.
    pub(super) fn answers_owed(&self) -> usize {
        self.requests.len()
    }

    fn open(&mut self, to: ReplyTo) -> u64 {
        self.next += 1;
        self.requests.insert(self.next, Unfinished { to, groups: Vec::new() });
        self.next
    }

    fn settle(&mut self, request: u64, group: &Arc<str>, error: ErrorCode) {
        let Some(unfinished) = self.requests.get_mut(&request) else { return };
        let waits = unfinished.groups.iter_mut().find(|(id, e)| id == group && e.is_none());
        if let Some((_, outcome)) = waits {
            *outcome = Some(error);
        }
    }

    /// Answers a request when all its groups are done.
    fn finish(&mut self, step: &mut Step<'_>, request: u64) {
        let Some(unfinished) = self.requests.get(&request) else { return };
        let done = unfinished.groups.iter().map(|(id, error)| Some((Arc::clone(id), (*error)?)));
        let Some(groups) = done.collect::<Option<Vec<_>>>() else { return };
        step.reply(unfinished.to, Response::DeleteGroups(DeleteGroupsResponse { groups }));
        self.requests.remove(&request);
    }
}

impl Group {
    /// Keys of positions in a topic, those that open transactions tell of among them
    /// (`OffsetMetadataManager.onPartitionsDeleted`).
    fn keys_in(&self, id: &Arc<str>, topic: &Arc<str>) -> impl Iterator<Item = OffsetKey> {
        let pending = self.pending.values().flat_map(BTreeMap::keys);
        let all = self.positions.keys().chain(pending);
        let of_topic: BTreeSet<_> = all.filter(move |(name, _)| name == topic).collect();
        of_topic.into_iter().map(move |(topic, partition)| OffsetKey {
            group: Arc::clone(id),
            topic: Arc::clone(topic),
            partition: *partition,
        })
    }

    /// Whether nobody has come since it was to be removed.
    fn is_unused(&self) -> bool {
        self.positions.is_empty() && self.pending.is_empty() && self.roster.is_unused()
    }

    fn forget(&mut self, keys: Vec<OffsetKey>) {
        for key in keys {
            let place = (key.topic, key.partition);
            self.forget_open(&place);
            self.positions.remove(&place);
        }
    }
}

impl GroupCoordinator {
    /// DescribeGroups.
    pub(crate) fn describe(
        &mut self,
        image: &MetadataImage,
        request: &DescribeGroupsRequest,
    ) -> DescribeGroupsResponse {
        let groups = request.groups.iter().map(|group| self.describe_group(image, group)).collect();
        DescribeGroupsResponse { groups }
    }

    fn describe_group(&mut self, image: &MetadataImage, group: &Arc<str>) -> DescribedGroup {
        let found = self.ready(image, group).map(|partition| {
            let group = partition.groups.get(group);
            group.and_then(|group| group.roster.classic()).map(Membership::describe)
        });
        let (error, state) = match found {
            Ok(Some(described)) => return described,
            Ok(None) => (ErrorCode::GroupIdNotFound, Some(GroupState::Dead)),
            Err(error) => (error, None),
        };
        DescribedGroup {
            error,
            group: Arc::clone(group),
            state,
            protocol_type: "".into(),
            protocol: "".into(),
            members: Vec::new(),
        }
    }

    /// ListGroups.
    pub(crate) fn list(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        if self.partitions.values().any(|partition| partition.loading.is_some()) {
            let error = ErrorCode::CoordinatorLoadInProgress;
            return ListGroupsResponse { error, groups: Vec::new() };
        }
        let any = |wanted: &[Arc<str>], is: &str| {
            wanted.is_empty() || wanted.iter().any(|name| name.eq_ignore_ascii_case(is))
        };
        let all = self.partitions.values().flat_map(|partition| &partition.groups);
        let listed = all.map(|(id, group)| ListedGroup {
            group: Arc::clone(id),
            protocol_type: group.roster.protocol_type(),
            state: group.roster.shown_state(),
        });
        let mut groups: Vec<_> = listed
            .filter(|group| any(&request.states, group.state.name()))
            .filter(|group| any(&request.types, group.state.kind()))
            .collect();
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        ListGroupsResponse { error: ErrorCode::None, groups }
    }

    /// DeleteGroups: groups without members go with their positions.
    pub(crate) fn delete(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: DeleteGroupsRequest,
    ) {
        let id = self.deletions.open(to);
        for group in request.groups {
            let refused = self.delete_group(step, replicas, image, id, &group).err();
            if let Some(unfinished) = self.deletions.requests.get_mut(&id) {
                unfinished.groups.push((group, refused));
            }
        }
        self.deletions.finish(step, id);
    }

    fn delete_group(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        request: u64,
        id: &Arc<str>,
    ) -> Result<(), ErrorCode> {
        let partition = self.ready(image, id)?;
        let place = (partition.tp, partition.epoch);
        let group = partition.groups.get_mut(id).ok_or(ErrorCode::GroupIdNotFound)?;
        if group.roster.is_dead() {
            return Err(ErrorCode::GroupIdNotFound);
        }
        if !group.roster.is_empty() {
            return Err(ErrorCode::NonEmptyGroup);
        }
        group.roster.set_dead(true);
        let own_records = group.roster.tombstones(id);
        let open = group.pending.values().flat_map(BTreeMap::keys);
        let own = group.positions.keys().chain(open).map(|(topic, partition)| OffsetKey {
            group: Arc::clone(id),
            topic: Arc::clone(topic),
            partition: *partition,
        });
        let mut keys: BTreeSet<_> = own.collect();
        // what is being committed goes, too: its records come before the tombstones
        keys.extend(self.writes.commits_of(id).flat_map(|commit| commit.keys().cloned()));
        let mut records: Vec<_> =
            keys.iter().map(|key| Record::new(Some(encode_offset_key(key)), None)).collect();
        records.extend(own_records);
        step.trace(TraceEvent::GroupRemoved { group: Arc::clone(id) });
        let deletion = Deletion::Group { request, group: Arc::clone(id) };
        self.writes.append(step, replicas, place, records, Write::Deletion(deletion));
        Ok(())
    }

    /// OffsetDelete: positions in topics that no member reads.
    pub(crate) fn delete_offsets(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: OffsetDeleteRequest,
    ) {
        let OffsetDeleteRequest { group, partitions } = request;
        let (place, subscribed) = match self.check_offset_delete(image, &group) {
            Ok(found) => found,
            Err(error) => {
                let response = OffsetDeleteResponse { error, partitions: Vec::new() };
                return step.reply(to, Response::OffsetDelete(response));
            }
        };
        let is_read =
            |topic: &Arc<str>| subscribed.as_ref().is_none_or(|topics| topics.contains(topic));
        let (mut keys, mut outcomes) = (Vec::new(), Vec::new());
        for tp in partitions {
            let error = match key(image, &group, tp) {
                None => ErrorCode::UnknownTopicOrPartition,
                Some(key) if is_read(&key.topic) => ErrorCode::GroupSubscribedToTopic,
                Some(key) => {
                    keys.push(key);
                    ErrorCode::None
                }
            };
            outcomes.push((tp, error));
        }
        let answer = OffsetDeleteResponse { error: ErrorCode::None, partitions: outcomes };
        if keys.is_empty() {
            return step.reply(to, Response::OffsetDelete(answer));
        }
        let tombstone = |key: &OffsetKey| Record::new(Some(encode_offset_key(key)), None);
        let records = keys.iter().map(tombstone).collect();
        let deletion = Deletion::Positions { to: Some(to), group, keys, answer };
        self.writes.append(step, replicas, place, records, Write::Deletion(deletion));
    }

    /// Positions in a topic that was deleted mean nothing in one that gets its name.
    pub(super) fn forget_topic(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        topic: &Arc<str>,
    ) {
        let mut found: BTreeMap<(Place, Arc<str>), BTreeSet<OffsetKey>> = BTreeMap::new();
        for partition in self.partitions.values().filter(|p| p.loading.is_none()) {
            let place = (partition.tp, partition.epoch);
            for (id, group) in &partition.groups {
                let mut keys = group.keys_in(id, topic).peekable();
                if keys.peek().is_some() {
                    found.entry((place, Arc::clone(id))).or_default().extend(keys);
                }
            }
            // what is being committed goes, too: its records come before the tombstones
            for commit in self.writes.commits_to(place) {
                let mut keys = commit.keys().filter(|key| key.topic == *topic).cloned().peekable();
                if keys.peek().is_some() {
                    found.entry((place, Arc::clone(&commit.group))).or_default().extend(keys);
                }
            }
        }
        for ((place, group), keys) in found {
            let keys: Vec<_> = keys.into_iter().collect();
            let tombstone = |key: &OffsetKey| Record::new(Some(encode_offset_key(key)), None);
            let records = keys.iter().map(tombstone).collect();
            let mut keys = keys.into_iter();
            for records in in_batches(records, batch_bytes_max(replicas, place.0)) {
                let keys = keys.by_ref().take(records.len()).collect();
                let write = Write::Deletion(Deletion::Topic { group: Arc::clone(&group), keys });
                self.writes.append(step, replicas, place, records, write);
            }
        }
    }

    /// Where the group is, and topics whose positions must stay.
    fn check_offset_delete(
        &mut self,
        image: &MetadataImage,
        group: &Arc<str>,
    ) -> Result<(Place, Subscribed), ErrorCode> {
        if group.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let partition = self.ready(image, group)?;
        let place = (partition.tp, partition.epoch);
        let known = partition.groups.get(group).ok_or(ErrorCode::GroupIdNotFound)?;
        if known.roster.is_dead() {
            return Err(ErrorCode::GroupIdNotFound);
        }
        Ok((place, known.roster.subscriptions()?))
    }

    /// Answers who waits for tombstones.
    pub(super) fn answer_deletion(
        &mut self,
        step: &mut Step<'_>,
        deletion: &mut Deletion,
        error: ErrorCode,
    ) {
        let error = commit_error(error);
        match deletion {
            Deletion::Group { request, group } => {
                self.deletions.settle(*request, group, error);
                self.deletions.finish(step, *request);
            }
            Deletion::Topic { .. } | Deletion::Expired { .. } => {}
            Deletion::Positions { to, answer, .. } => {
                let Some(to) = to.take() else { return };
                // what is said of a partition is final, and the request as a whole is asked again
                let answer = match error {
                    ErrorCode::None => answer.clone(),
                    error => OffsetDeleteResponse { error, partitions: Vec::new() },
                };
                step.reply(to, Response::OffsetDelete(answer));
            }
        }
    }
}

impl OffsetsPartition {
    /// The log has confirmed tombstones.
    pub(super) fn deleted(&mut self, deletion: Deletion) {
        match deletion {
            Deletion::Group { group, .. } => {
                self.groups.remove(&group);
            }
            Deletion::Topic { group, keys } | Deletion::Positions { group, keys, .. } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.forget(keys);
                }
            }
            Deletion::Expired { group, keys, is_over } => {
                let Some(known) = self.groups.get_mut(&group) else { return };
                known.forget(keys);
                if is_over && known.is_unused() {
                    self.groups.remove(&group);
                }
            }
        }
    }

    /// The log has not taken tombstones.
    pub(super) fn not_deleted(&mut self, deletion: &Deletion) {
        if let Deletion::Group { group, .. } = deletion
            && let Some(group) = self.groups.get_mut(group)
        {
            group.roster.set_dead(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::codec::OffsetValue;
    use crate::group::coordinator::Recorded;

    fn at(offset: i64) -> Recorded {
        let value = OffsetValue { offset, leader_epoch: -1, metadata: None, commit_ms: 0 };
        Recorded { value, at: offset }
    }

    #[test]
    fn a_topic_that_goes_takes_the_positions_of_open_transactions_along() {
        let (id, gone, other): (Arc<str>, Arc<str>, Arc<str>) =
            ("readers".into(), "gone".into(), "other".into());
        let mut group = Group::new(&id);
        group.positions.insert((Arc::clone(&gone), 0), at(5));
        group.positions.insert((Arc::clone(&other), 0), at(6));
        let open = [((Arc::clone(&gone), 0), at(7)), ((Arc::clone(&gone), 1), at(8))];
        group.pending.insert(3, BTreeMap::from(open));

        let keys: Vec<OffsetKey> = group.keys_in(&id, &gone).collect();
        assert_eq!(keys.iter().map(|key| key.partition).collect::<Vec<_>>(), [0, 1]);
        group.forget(keys);
        assert!(group.pending.is_empty(), "{group:?}");
        assert_eq!(group.positions.len(), 1, "{group:?}");
    }
}
