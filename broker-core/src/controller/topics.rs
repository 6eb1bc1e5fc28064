//! CreateTopics: validation, placement, ids. Quotas and policies are left out.

use super::configs::check_topic_config;
use super::placement::place;
use super::remote_storage;
use super::state::Controller;
use crate::config::{ServerConfig, check_together};
use crate::effective::{Dynamic, of_topic};
use crate::error::ErrorCode;
use crate::ids::{NodeId, Offset, TopicId, TopicPartition};
use crate::metadata::{ConfigResource, MetadataRecord, PartitionRecord};
use crate::protocol::{
    CreateTopicsRequest, CreateTopicsResponse, CreatedTopic, NewTopic, Placement, Response,
};
use crate::raft::Raft;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const NAME_LEN_MAX: usize = 249;
/// Partitions of one request, as in Kafka.
pub(super) const PARTITIONS_MAX: usize = 100_000;

/// An error, and what is wrong where the code does not say it.
type Refusal = (ErrorCode, Option<Arc<str>>);

impl Controller {
    pub(super) fn create_topics(&mut self, raft: &Raft, request: &CreateTopicsRequest) -> Response {
        let mut topics = Vec::with_capacity(request.topics.len());
        let server = self.server_now();
        let twice = named_twice(request.topics.iter().map(|topic| &topic.name));
        let collisions = self.collisions(request);
        for name in &twice {
            let message = "The request names the topic more than once.".into();
            let refused = ErrorCode::InvalidRequest;
            topics.push(CreatedTopic::refused(Arc::clone(name), refused, Some(message)));
        }
        for topic in request.topics.iter().filter(|topic| !twice.contains(&topic.name)) {
            let offset = raft.log_end_offset() + self.staged() as Offset;
            let created = self
                .check_name(&topic.name, collisions.get(&topic.name))
                .and_then(|()| self.create_topic(topic, &server, offset, request.validate_only));
            topics.push(created.unwrap_or_else(|(error, message)| {
                CreatedTopic::refused(topic.name.clone(), error, message)
            }));
        }
        Response::CreateTopics(CreateTopicsResponse { topics })
    }

    /// What the request names, with topics of names that metrics cannot tell from those. Only topics
    /// that were there before the request count, as in Kafka's `validateNewTopicNames`: two of one
    /// request may collide.
    fn collisions(&self, request: &CreateTopicsRequest) -> BTreeMap<Arc<str>, Arc<str>> {
        let Some(active) = &self.active else { return BTreeMap::new() };
        let names = request.topics.iter().map(|topic| &topic.name);
        let colliding = names.filter_map(|name| Some((name, active.names.colliding(name)?)));
        colliding.map(|(name, other)| (Arc::clone(name), Arc::clone(other))).collect()
    }

    fn check_name(&self, name: &str, collides_with: Option<&Arc<str>>) -> Result<(), Refusal> {
        if !is_legal_name(name) {
            return Err((ErrorCode::InvalidTopic, None));
        }
        if self.image.topic_named(name).is_some() {
            return Err((ErrorCode::TopicAlreadyExists, None));
        }
        let Some(other) = collides_with else { return Ok(()) };
        let message = format!("Topic '{name}' collides with existing topic: {other}");
        Err((ErrorCode::InvalidTopic, Some(message.into())))
    }

    /// A topic whose name may be used.
    fn create_topic(
        &mut self,
        topic: &NewTopic,
        server: &ServerConfig,
        offset: Offset,
        validate_only: bool,
    ) -> Result<CreatedTopic, Refusal> {
        let plain = |error| (error, None);
        for (key, value) in &topic.config {
            check_topic_config(key, value)
                .map_err(|message| (ErrorCode::InvalidConfig, Some(message.into())))?;
        }
        let configs = topic.config.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        remote_storage::check(server, std::iter::empty(), configs.clone())
            .and_then(|()| check_together(server, configs))
            .map_err(|message| (ErrorCode::InvalidConfig, Some(message.into())))?;
        let id = self.new_topic_id(&topic.name, offset);
        let placement = match &topic.placement {
            Placement::Automatic { partitions, replication_factor } => {
                self.place_automatically(*partitions, *replication_factor, id).map_err(plain)?
            }
            Placement::Manual(replicas) => {
                self.check_manual(replicas).map_err(plain)?;
                replicas.clone()
            }
        };
        let created = self.created(topic, id, &placement);
        if validate_only {
            return Ok(created);
        }
        self.stage(MetadataRecord::Topic { name: topic.name.clone(), id });
        for (key, value) in &topic.config {
            self.stage(MetadataRecord::Config {
                resource: ConfigResource::Topic(topic.name.clone()),
                key: key.as_str().into(),
                value: Some(value.as_str().into()),
            });
        }
        for (index, replicas) in (0..).zip(placement) {
            self.create_partition(TopicPartition::new(id, index), replicas);
        }
        Ok(created)
    }

    /// What the client is told of its new topic.
    fn created(&self, topic: &NewTopic, id: TopicId, placement: &[Vec<NodeId>]) -> CreatedTopic {
        let overrides = topic.config.iter();
        let overrides = overrides.map(|(key, value)| (key.as_str().into(), value.as_str().into()));
        let factor = placement.first().map_or(0, Vec::len);
        CreatedTopic {
            name: topic.name.clone(),
            error: ErrorCode::None,
            message: None,
            id,
            partitions: i32::try_from(placement.len()).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
            configs: of_topic(
                &self.server,
                Dynamic::of_all(&self.image),
                Some(&overrides.collect()),
            ),
        }
    }

    fn place_automatically(
        &self,
        partitions: i32,
        replication_factor: i16,
        id: TopicId,
    ) -> Result<Vec<Vec<NodeId>>, ErrorCode> {
        let partitions = if partitions == -1 { self.server.num_partitions } else { partitions };
        let factor = match replication_factor {
            -1 => self.server.default_replication_factor,
            factor => i32::from(factor),
        };
        let partitions = usize::try_from(partitions)
            .ok()
            .filter(|n| (1..=PARTITIONS_MAX).contains(n))
            .ok_or(ErrorCode::InvalidPartitions)?;
        let factor = usize::try_from(factor).map_err(|_| ErrorCode::InvalidReplicationFactor)?;
        place(&self.image, partitions, factor, (id.0 >> 64) as u64)
    }

    pub(super) fn check_manual(&self, placement: &[Vec<NodeId>]) -> Result<(), ErrorCode> {
        if placement.is_empty() || placement.len() > PARTITIONS_MAX {
            return Err(ErrorCode::InvalidReplicaAssignment);
        }
        for replicas in placement {
            let mut distinct = replicas.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let known = replicas.iter().all(|node| self.image.broker(*node).is_some());
            let live = replicas.iter().any(|node| self.image.is_active(*node));
            let equal = distinct.len() == replicas.len() && replicas.len() == placement[0].len();
            if !equal || !known || !live {
                return Err(ErrorCode::InvalidReplicaAssignment);
            }
        }
        Ok(())
    }

    /// Fenced brokers are replicas, but not in sync (ISR-24).
    pub(super) fn create_partition(&mut self, tp: TopicPartition, replicas: Vec<NodeId>) {
        let isr: Vec<NodeId> =
            replicas.iter().copied().filter(|node| self.image.is_active(*node)).collect();
        assert!(!isr.is_empty(), "placement has at least one live replica");
        self.stage(MetadataRecord::Partition(PartitionRecord {
            tp,
            leader: isr.first().copied(),
            replicas,
            isr,
            moving: None,
            recovering: false,
            leader_epoch: 0,
            partition_epoch: 0,
        }));
    }

    /// Kafka draws a random UUID; here name and offset decide, so that runs repeat.
    fn new_topic_id(&self, name: &str, offset: Offset) -> TopicId {
        let mut salt = offset.unsigned_abs();
        loop {
            let high = mix(hash(name, 0xcbf2_9ce4_8422_2325) ^ salt);
            let low = mix(hash(name, high) ^ salt.rotate_left(32));
            let id = TopicId(u128::from(high) << 64 | u128::from(low));
            if id.0 > u128::from(u32::MAX) && self.image.topic(id).is_none() {
                return id;
            }
            salt = salt.wrapping_add(1 << 40);
        }
    }
}

/// What a request names more than once, which refuses all that it wants of it.
pub(super) fn named_twice<'a, T: Ord + Clone + 'a>(
    named: impl Iterator<Item = &'a T>,
) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    named.filter(|one| !seen.insert(*one)).cloned().collect()
}

/// FNV-1a.
fn hash(text: &str, basis: u64) -> u64 {
    text.bytes().fold(basis, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Splitmix64's finaliser.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether a topic may be called that.
pub(crate) fn is_legal_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty()
        && name.len() <= NAME_LEN_MAX
        && name != "."
        && name != ".."
        && name.chars().all(legal)
}
