//! CreateTopics: validation, placement, ids. Quotas and policies are left out.

use super::configs::{Refusal, check_topic_config};
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
/// The topic of the quorum, which is nobody's to create.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Partitions of one topic of a request.
pub(super) const PARTITIONS_MAX: usize = 100_000;

impl Controller {
    pub(super) fn create_topics(&mut self, raft: &Raft, request: &CreateTopicsRequest) -> Response {
        let mut topics = Vec::with_capacity(request.topics.len());
        let server = self.server_now();
        let twice = named_twice(request.topics.iter().map(|topic| &topic.name));
        let collisions = self.collisions(request);
        for name in &twice {
            let message = "Duplicate topic name.".into();
            let refused = ErrorCode::InvalidRequest;
            topics.push(CreatedTopic::refused(Arc::clone(name), refused, Some(message)));
        }
        for topic in request.topics.iter().filter(|topic| !twice.contains(&topic.name)) {
            let offset = raft.log_end_offset() + self.staged() as Offset;
            let created = self
                .check_name(&topic.name, collisions.get(&topic.name))
                .and_then(|()| self.create_topic(topic, &server, offset, request.validate_only));
            topics.push(created.unwrap_or_else(|(error, message)| {
                CreatedTopic::refused(topic.name.clone(), error, Some(message.into()))
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

    /// The metadata's own topic is nobody's to make (KAFKA-14358, Kafka's `ControllerApis.createTopics`). Those of
    /// coordinators are made by whoever comes first, brokers or clients.
    fn check_name(&self, name: &str, collides_with: Option<&Arc<str>>) -> Result<(), Refusal> {
        if name == METADATA_TOPIC {
            let message = format!("Creation of internal topic {name} is prohibited.");
            return Err((ErrorCode::InvalidRequest, message));
        }
        if let Some(why) = why_illegal(name) {
            return Err((ErrorCode::InvalidTopic, why));
        }
        if self.image.topic_named(name).is_some() {
            return Err((ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        let Some(other) = collides_with else { return Ok(()) };
        let message = format!("Topic '{name}' collides with existing topic: {other}");
        Err((ErrorCode::InvalidTopic, message))
    }

    /// A topic whose name may be used.
    fn create_topic(
        &mut self,
        topic: &NewTopic,
        server: &ServerConfig,
        offset: Offset,
        validate_only: bool,
    ) -> Result<CreatedTopic, Refusal> {
        for (key, value) in &topic.config {
            check_topic_config(key, value)
                .map_err(|message| (ErrorCode::InvalidConfig, message))?;
        }
        let configs = topic.config.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        remote_storage::check(server, std::iter::empty(), configs.clone())
            .and_then(|()| check_together(server, configs))
            .map_err(|message| (ErrorCode::InvalidConfig, message))?;
        let id = self.new_topic_id(&topic.name, offset);
        let placement = match &topic.placement {
            Placement::Automatic { partitions, replication_factor } => {
                self.place_automatically(*partitions, *replication_factor, id)?
            }
            Placement::Manual(replicas) => {
                self.check_manual(replicas)
                    .map_err(|why| (ErrorCode::InvalidReplicaAssignment, why))?;
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
    ) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if replication_factor < -1 || replication_factor == 0 {
            let why = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err((ErrorCode::InvalidReplicationFactor, why.to_owned()));
        }
        let partitions = if partitions == -1 { self.server.num_partitions } else { partitions };
        let factor = match replication_factor {
            -1 => self.server.default_replication_factor,
            factor => i32::from(factor),
        };
        let partitions = usize::try_from(partitions)
            .ok()
            .filter(|n| (1..=PARTITIONS_MAX).contains(n))
            .ok_or_else(|| {
                let why = "Number of partitions was set to an invalid non-positive value.";
                (ErrorCode::InvalidPartitions, why.to_owned())
            })?;
        place(&self.image, partitions, usize::try_from(factor).unwrap_or(0), (id.0 >> 64) as u64)
            .map_err(|why| {
                let why = format!("Unable to replicate the partition {factor} time(s): {why}");
                (ErrorCode::InvalidReplicationFactor, why)
            })
    }

    /// Whether partitions may have these replicas; else what is wrong, in Kafka's words
    /// (`ReplicationControlManager.createTopic`).
    pub(super) fn check_manual(&self, placement: &[Vec<NodeId>]) -> Result<(), String> {
        if placement.is_empty() || placement.len() > PARTITIONS_MAX {
            return Err("partitions should be a consecutive 0-based integer sequence".to_owned());
        }
        for (index, replicas) in placement.iter().enumerate() {
            self.check_replicas(replicas)?;
            let (count, factor) = (replicas.len(), placement[0].len());
            if count != factor {
                return Err(format!(
                    "The manual partition assignment includes a partition with {count} replica(s), \
                     but this is not consistent with previous partitions, which have {factor} \
                     replica(s)."
                ));
            }
            if !replicas.iter().any(|node| self.image.is_active(*node)) {
                return Err(format!(
                    "All brokers specified in the manual partition assignment for partition {index} \
                     are fenced or in controlled shutdown."
                ));
            }
        }
        Ok(())
    }

    /// The same of one partition (`validateManualPartitionAssignment`).
    fn check_replicas(&self, replicas: &[NodeId]) -> Result<(), String> {
        const WHAT: &str = "The manual partition assignment includes";
        if replicas.is_empty() {
            return Err(format!("{WHAT} an empty replica list."));
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut before = None;
        for node in sorted {
            if self.image.broker(node).is_none() {
                return Err(format!("{WHAT} broker {node}, but no such broker is registered."));
            }
            if before.replace(node) == Some(node) {
                return Err(format!("{WHAT} the broker {node} more than once."));
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

/// Why no topic may be called that, in Kafka's words (`Topic.validate`); `None`: it may.
pub(crate) fn why_illegal(name: &str) -> Option<String> {
    if is_legal_name(name) {
        return None;
    }
    let why = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.encode_utf16().count() > NAME_LEN_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {NAME_LEN_MAX}")
        }
        _ => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and \
             '-'"
        ),
    };
    Some(format!("Topic name is invalid: {why}"))
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
