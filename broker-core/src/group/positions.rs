//! OffsetCommit and OffsetFetch.

use super::codec::{OffsetKey, OffsetValue, encode_offset_key, encode_offset_value};
use super::coordinator::{Group, GroupCoordinator, Place, Recorded};
use super::membership::CommitBy;
use super::writes::{Write, commit_error};
use crate::error::ErrorCode;
use crate::ids::{NO_OFFSET, Offset, TopicId, TopicPartition};
use crate::metadata::MetadataImage;
use crate::plant::{Plant, planted};
use crate::protocol::{
    CommittedOffset, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchGroup,
    OffsetFetchGroupResponse, OffsetFetchRequest, OffsetFetchResponse, Response,
};
use crate::records::Record;
use crate::replica::ReplicaManager;
use crate::seam::TraceEvent;
use crate::step::{ReplyTo, Step};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the log is told.
type Position = (OffsetKey, OffsetValue);

/// What is wrong with each partition of a commit, if anything is.
type Refused = Vec<(TopicPartition, ErrorCode)>;

/// A commit under way.
#[derive(Debug)]
pub(super) struct Commit {
    /// Who waits; nobody any more once it took too long.
    to: Option<ReplyTo>,
    pub(super) group: Arc<str>,
    /// In the request's order, with those that cannot be committed, and why.
    positions: Vec<(TopicPartition, Result<Position, ErrorCode>)>,
    /// The producer in whose transaction it is.
    producer_id: Option<i64>,
    /// Offset of its first record.
    base_offset: Offset,
}

/// Records of those positions that can be committed.
fn commit_records(positions: &[(TopicPartition, Result<Position, ErrorCode>)]) -> Vec<Record> {
    let known = positions.iter().filter_map(|(_, position)| position.as_ref().ok());
    let record = |(key, value): &Position| {
        Record::new(Some(encode_offset_key(key)), Some(encode_offset_value(value)))
    };
    known.map(record).collect()
}

impl Commit {
    fn new(
        to: ReplyTo,
        group: Arc<str>,
        positions: Vec<(TopicPartition, Result<Position, ErrorCode>)>,
        producer_id: Option<i64>,
    ) -> Self {
        Self { to: Some(to), group, positions, producer_id, base_offset: NO_OFFSET }
    }

    /// It is about to be appended here.
    pub(super) fn begins_at(&mut self, offset: Offset) {
        self.base_offset = offset;
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &OffsetKey> {
        self.positions.iter().filter_map(|(_, position)| position.as_ref().ok().map(|(key, _)| key))
    }

    /// Whether an OffsetCommit waits for it, for checkers.
    pub(super) fn owes_answer(&self) -> bool {
        self.to.is_some() && self.producer_id.is_none()
    }

    /// Whether a producer's TxnOffsetCommit waits for it, for checkers.
    pub(super) fn owes_producer(&self) -> bool {
        self.to.is_some() && self.producer_id.is_some()
    }

    /// Answers who waits.
    pub(super) fn answer(&mut self, step: &mut Step<'_>, told: ErrorCode) {
        let Some(to) = self.to.take() else { return };
        let answers = self
            .positions
            .iter()
            .map(|(tp, position)| (*tp, position.as_ref().err().copied().unwrap_or(told)));
        if self.producer_id.is_some() {
            super::transactions::reply(step, to, answers);
        } else {
            reply(step, to, answers);
        }
    }
}

impl GroupCoordinator {
    /// Positions of groups.
    pub(crate) fn fetch(
        &mut self,
        image: &MetadataImage,
        request: &OffsetFetchRequest,
    ) -> OffsetFetchResponse {
        let answer = |asked| self.fetch_group(image, asked, request.require_stable);
        OffsetFetchResponse { groups: request.groups.iter().map(answer).collect() }
    }

    fn fetch_group(
        &mut self,
        image: &MetadataImage,
        asked: &OffsetFetchGroup,
        require_stable: bool,
    ) -> OffsetFetchGroupResponse {
        let group = Arc::clone(&asked.group);
        let committing: BTreeSet<OffsetKey> = if require_stable {
            let open = self.writes.commits_of(&group).filter(|commit| commit.producer_id.is_some());
            open.flat_map(|commit| commit.keys().cloned()).collect()
        } else {
            BTreeSet::new()
        };
        let partition = match self.ready(image, &group) {
            Ok(partition) => partition,
            Err(error) => {
                let (offsets, unstable) = (Vec::new(), Vec::new());
                return OffsetFetchGroupResponse { group, error, offsets, unstable };
            }
        };
        let known = partition.groups.get(&group);
        let members = known.and_then(|known| known.roster.consumer());
        let checked = members
            .zip(asked.member.as_ref())
            .map(|(members, (id, epoch))| members.check_fetch(id, *epoch));
        if let Some(Err(error)) = checked {
            let (offsets, unstable) = (Vec::new(), Vec::new());
            return OffsetFetchGroupResponse { group, error, offsets, unstable };
        }
        let offsets: Vec<CommittedOffset> = match &asked.partitions {
            None => known.map_or_else(Vec::new, |known| known.all_positions(image)),
            Some(asked) => asked.iter().map(|tp| Group::position(known, image, *tp)).collect(),
        };
        let mut unstable = Vec::new();
        if require_stable {
            let is_open = |at: &CommittedOffset| {
                let key = key(image, &group, at.tp)?;
                let pending = known.is_some_and(|k| k.is_unstable(&key.topic, key.partition));
                (pending || committing.contains(&key)).then_some(at.tp)
            };
            unstable.extend(offsets.iter().filter_map(is_open));
        }
        OffsetFetchGroupResponse { group, error: ErrorCode::None, offsets, unstable }
    }

    /// Appends positions to the log; they count, and the client hears of it, once replicated.
    pub(crate) fn commit(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        to: ReplyTo,
        request: OffsetCommitRequest,
    ) {
        let place = match self.check_commit(step, replicas, image, (&request, CommitBy::Member)) {
            Ok(place) => place,
            Err(error) => {
                if error == ErrorCode::CoordinatorLoadInProgress {
                    step.trace(TraceEvent::Mark("coordinator-loading"));
                }
                return reply(step, to, request.offsets.iter().map(|o| (o.tp, error)));
            }
        };
        match self.begin_commit(step, image, to, request, None) {
            Ok((commit, records)) => {
                self.writes.append(step, replicas, place, records, Write::Positions(commit));
            }
            Err(refused) => reply(step, to, refused.into_iter()),
        }
    }

    /// A commit that the log is to be told of, and its records.
    ///
    /// # Errors
    /// None of it can be committed; what is wrong with each partition, if anything is.
    pub(super) fn begin_commit(
        &self,
        step: &Step<'_>,
        image: &MetadataImage,
        to: ReplyTo,
        request: OffsetCommitRequest,
        producer_id: Option<i64>,
    ) -> Result<(Commit, Vec<Record>), Refused> {
        let group = Arc::clone(&request.group);
        let positions = self.positions_of(step, image, request);
        let records = commit_records(&positions);
        if records.is_empty() {
            let refused = positions.into_iter();
            let error = |position: Result<Position, _>| position.err().unwrap_or(ErrorCode::None);
            return Err(refused.map(|(tp, position)| (tp, error(position))).collect());
        }
        Ok((Commit::new(to, group, positions, producer_id), records))
    }

    /// What the log is to be told of a commit, and what cannot be committed.
    fn positions_of(
        &self,
        step: &Step<'_>,
        image: &MetadataImage,
        request: OffsetCommitRequest,
    ) -> Vec<(TopicPartition, Result<Position, ErrorCode>)> {
        let metadata_bytes_max = self.limits.metadata_bytes_max;
        let wall_ms = step.wall_ms;
        let position = |at: CommittedOffset| {
            let metadata = at.metadata.filter(|text| !text.is_empty());
            if metadata.as_ref().is_some_and(|text| text.len() > metadata_bytes_max) {
                return (at.tp, Err(ErrorCode::OffsetMetadataTooLarge));
            }
            let key = key(image, &request.group, at.tp).ok_or(ErrorCode::UnknownTopicOrPartition);
            let (offset, leader_epoch) = (at.offset, at.leader_epoch);
            let value = OffsetValue { offset, leader_epoch, metadata, commit_ms: wall_ms };
            (at.tp, key.map(|key| (key, value)))
        };
        request.offsets.into_iter().map(position).collect()
    }

    /// Whether who commits may, and where to.
    pub(super) fn check_commit(
        &mut self,
        step: &mut Step<'_>,
        replicas: &mut ReplicaManager,
        image: &MetadataImage,
        (request, by): (&OffsetCommitRequest, CommitBy),
    ) -> Result<Place, ErrorCode> {
        let partition = self.ready(image, &request.group)?;
        let (tp, epoch) = (partition.tp, partition.epoch);
        let known = partition.groups.get(&request.group);
        if let Some(members) = known.and_then(|group| group.roster.consumer()) {
            let knows_epochs = request.knows_epochs || by == CommitBy::Producer;
            return match members.check_commit(&request.member, request.generation, knows_epochs) {
                Err(ErrorCode::StaleMemberEpoch)
                    if planted(self.plant, Plant::StaleEpochCommits) =>
                {
                    Ok((tp, epoch))
                }
                checked => checked.map(|()| (tp, epoch)),
            };
        }
        let checked = self.act(step, replicas, tp.partition, &request.group, |membership, cx| {
            let OffsetCommitRequest { generation, member, instance, .. } = request;
            membership.check_commit(cx, *generation, (member, instance.as_ref()), by)
        });
        match checked {
            _ if planted(self.plant, Plant::OldGenerationCommits) => {}
            Some(checked) => checked?,
            // whoever has a generation has it from a group that is gone
            None if request.generation >= 0 => return Err(ErrorCode::GroupIdNotFound),
            None => {}
        }
        Ok((tp, epoch))
    }

    /// What whoever waits for a commit is told of its append.
    pub(super) fn answer_to_commit(&self, error: ErrorCode) -> ErrorCode {
        match planted(self.plant, Plant::FailedCommitAnswered) {
            true => ErrorCode::None,
            false => commit_error(error),
        }
    }
}

impl Group {
    /// The log has confirmed a commit.
    pub(super) fn committed(&mut self, commit: Commit) {
        let known = commit.positions.into_iter().filter_map(|(_, position)| position.ok());
        for (at, (key, value)) in (commit.base_offset..).zip(known) {
            let place = (key.topic, key.partition);
            self.record(place, Recorded { value, at }, commit.producer_id);
        }
    }

    /// A group's position in a partition.
    fn position(
        group: Option<&Self>,
        image: &MetadataImage,
        tp: TopicPartition,
    ) -> CommittedOffset {
        let found = group.and_then(|group| {
            let topic = image.topic(tp.topic)?;
            group.positions.get(&(Arc::clone(&topic.name), tp.partition))
        });
        found.map_or_else(|| CommittedOffset::none(tp), |known| known.value.at(tp))
    }

    /// Every position in topics that exist.
    fn all_positions(&self, image: &MetadataImage) -> Vec<CommittedOffset> {
        let known = self.positions.iter().filter_map(|((topic, partition), known)| {
            let topic = image.topic_named(topic)?;
            Some(known.value.at(TopicPartition::new(topic.id, *partition)))
        });
        known.collect()
    }
}

impl OffsetValue {
    fn at(&self, tp: TopicPartition) -> CommittedOffset {
        let metadata = self.metadata.clone();
        CommittedOffset { tp, offset: self.offset, leader_epoch: self.leader_epoch, metadata }
    }
}

pub(super) fn key(
    image: &MetadataImage,
    group: &Arc<str>,
    tp: TopicPartition,
) -> Option<OffsetKey> {
    let topic = image.topic(tp.topic).filter(|t| t.id != TopicId::METADATA)?;
    usize::try_from(tp.partition).ok().filter(|index| *index < topic.partitions.len())?;
    let topic = Arc::clone(&topic.name);
    Some(OffsetKey { group: Arc::clone(group), topic, partition: tp.partition })
}

fn reply(
    step: &mut Step<'_>,
    to: ReplyTo,
    partitions: impl Iterator<Item = (TopicPartition, ErrorCode)>,
) {
    let response = OffsetCommitResponse { partitions: partitions.collect() };
    step.reply(to, Response::OffsetCommit(response));
}
