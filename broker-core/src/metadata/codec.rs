//! Bytes of a metadata record: frame version, api key and version as varints, then the fields in
//! Kafka's flexible encoding. Versions are those of the oldest layout that has all our fields.

use super::quotas::QuotaOwner;
use super::records::{
    ConfigResource, LeaderUpdate, MetadataRecord, Moving, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord,
};
use super::wire::{DecodeError, Reader, Writer};
use crate::ids::{NodeId, TopicId, TopicPartition};
use crate::protocol::{BrokerEndpoint, QuotaValue};
use std::sync::Arc;

/// Version of the frame around each record.
const FRAME_VERSION: u64 = 1;

/// Api keys of the record types.
mod key {
    pub(super) const REGISTER_BROKER: u64 = 0;
    pub(super) const UNREGISTER_BROKER: u64 = 1;
    pub(super) const TOPIC: u64 = 2;
    pub(super) const PARTITION: u64 = 3;
    pub(super) const CONFIG: u64 = 4;
    pub(super) const PARTITION_CHANGE: u64 = 5;
    pub(super) const REMOVE_TOPIC: u64 = 9;
    pub(super) const FEATURE_LEVEL: u64 = 12;
    pub(super) const CLIENT_QUOTA: u64 = 14;
    pub(super) const PRODUCER_IDS: u64 = 15;
    pub(super) const BROKER_REGISTRATION_CHANGE: u64 = 17;
    pub(super) const NO_OP: u64 = 20;
}

/// The one listener that a broker has for clients.
const LISTENER: &str = "PLAINTEXT";
const RESOURCE_TOPIC: i8 = 2;
const RESOURCE_BROKER: i8 = 4;
const RESOURCE_CLIENT_METRICS: i8 = 16;
const RESOURCE_GROUP: i8 = 32;

/// Appends a record's bytes.
pub fn encode_record(record: &MetadataRecord, into: &mut Vec<u8>) {
    let mut w = Writer { bytes: std::mem::take(into) };
    let (api_key, version) = key_and_version(record);
    w.uvarint(FRAME_VERSION);
    w.uvarint(api_key);
    w.uvarint(version);
    encode_fields(record, &mut w);
    *into = w.bytes;
}

fn key_and_version(record: &MetadataRecord) -> (u64, u64) {
    match record {
        MetadataRecord::RegisterBroker(_) => (key::REGISTER_BROKER, 1),
        MetadataRecord::UnregisterBroker { .. } => (key::UNREGISTER_BROKER, 0),
        MetadataRecord::BrokerRegistrationChange { .. } => (key::BROKER_REGISTRATION_CHANGE, 1),
        MetadataRecord::Topic { .. } => (key::TOPIC, 0),
        MetadataRecord::RemoveTopic { .. } => (key::REMOVE_TOPIC, 0),
        MetadataRecord::Partition(_) => (key::PARTITION, 0),
        MetadataRecord::PartitionChange(_) => (key::PARTITION_CHANGE, 0),
        MetadataRecord::Config { .. } => (key::CONFIG, 0),
        MetadataRecord::ClientQuota { .. } => (key::CLIENT_QUOTA, 0),
        MetadataRecord::ProducerIds { .. } => (key::PRODUCER_IDS, 0),
        MetadataRecord::FeatureLevel { .. } => (key::FEATURE_LEVEL, 0),
        MetadataRecord::NoOp => (key::NO_OP, 0),
    }
}

fn encode_fields(record: &MetadataRecord, w: &mut Writer) {
    match record {
        MetadataRecord::RegisterBroker(broker) => encode_register_broker(broker, w),
        MetadataRecord::UnregisterBroker { broker, epoch } => {
            w.i32(broker.0);
            w.i64(*epoch);
            w.tags(&[]);
        }
        MetadataRecord::BrokerRegistrationChange {
            broker,
            epoch,
            fenced,
            in_controlled_shutdown,
        } => {
            w.i32(broker.0);
            w.i64(*epoch);
            let mut tags = Vec::new();
            if let Some(fenced) = fenced {
                tags.push((0, field(|w| w.i8(if *fenced { 1 } else { -1 }))));
            }
            if *in_controlled_shutdown {
                tags.push((1, field(|w| w.i8(1))));
            }
            w.tags(&tags);
        }
        MetadataRecord::Topic { name, id } => {
            w.string(name);
            w.u128(id.0);
            w.tags(&[]);
        }
        MetadataRecord::RemoveTopic { id } => {
            w.u128(id.0);
            w.tags(&[]);
        }
        MetadataRecord::Partition(partition) => encode_partition(partition, w),
        MetadataRecord::PartitionChange(change) => encode_partition_change(change, w),
        MetadataRecord::Config { resource, key, value } => {
            encode_resource(resource, w);
            w.string(key);
            w.nullable_string(value.as_deref());
            w.tags(&[]);
        }
        MetadataRecord::ClientQuota { owner, key, value } => {
            let entity = owner.entity();
            w.compact_len(entity.len());
            for (kind, name) in &entity {
                w.string(kind);
                w.nullable_string(name.as_deref());
                w.tags(&[]);
            }
            w.string(key);
            w.i64(value.map_or(0, |value| value.bits().cast_signed()));
            w.bool(value.is_none());
            w.tags(&[]);
        }
        MetadataRecord::ProducerIds { broker, broker_epoch, next_producer_id } => {
            w.i32(broker.0);
            w.i64(*broker_epoch);
            w.i64(*next_producer_id);
            w.tags(&[]);
        }
        MetadataRecord::FeatureLevel { name, level } => {
            w.string(name);
            w.i16(*level);
            w.tags(&[]);
        }
        MetadataRecord::NoOp => w.tags(&[]),
    }
}

fn field(write: impl FnOnce(&mut Writer)) -> Writer {
    let mut w = Writer::default();
    write(&mut w);
    w
}

fn encode_register_broker(broker: &RegisterBrokerRecord, w: &mut Writer) {
    w.i32(broker.broker.0);
    w.u128(broker.incarnation);
    w.i64(broker.epoch);
    match &broker.endpoint {
        None => w.empty_array(), // the shell knows where nodes are
        Some(endpoint) => {
            w.compact_len(1);
            w.string(LISTENER);
            w.string(&endpoint.host);
            w.i16(endpoint.port.cast_signed());
            w.i16(0); // PLAINTEXT
            w.tags(&[]);
        }
    }
    w.empty_array(); // features
    w.nullable_string(broker.rack.as_deref());
    w.bool(broker.fenced);
    w.bool(broker.in_controlled_shutdown);
    w.tags(&[]);
}

fn encode_partition(partition: &PartitionRecord, w: &mut Writer) {
    w.i32(partition.tp.partition);
    w.u128(partition.tp.topic.0);
    w.nodes(&partition.replicas);
    w.nodes(&partition.isr);
    match &partition.moving {
        None => {
            w.empty_array();
            w.empty_array();
        }
        Some(moving) => {
            w.nodes(&moving.removing);
            w.nodes(&moving.adding);
        }
    }
    w.i32(partition.leader.map_or(-1, |leader| leader.0));
    w.i32(partition.leader_epoch);
    w.i32(partition.partition_epoch);
    if partition.recovering {
        w.tags(&[(0, field(|w| w.i8(1)))]);
    } else {
        w.tags(&[]);
    }
}

fn encode_partition_change(change: &PartitionChangeRecord, w: &mut Writer) {
    w.i32(change.tp.partition);
    w.u128(change.tp.topic.0);
    let mut tags = Vec::new();
    if let Some(isr) = &change.isr {
        tags.push((0, field(|w| w.nodes(isr))));
    }
    match change.leader {
        LeaderUpdate::Unchanged => {}
        LeaderUpdate::NoLeader => tags.push((1, field(|w| w.i32(-1)))),
        LeaderUpdate::Elected(leader) => tags.push((1, field(|w| w.i32(leader.0)))),
    }
    if let Some(replicas) = &change.replicas {
        tags.push((2, field(|w| w.nodes(replicas))));
    }
    if let Some(moving) = &change.moving {
        tags.push((3, field(|w| w.nodes(&moving.removing))));
        tags.push((4, field(|w| w.nodes(&moving.adding))));
    }
    if let Some(recovering) = change.recovering {
        tags.push((5, field(|w| w.i8(i8::from(recovering)))));
    }
    w.tags(&tags);
}

fn encode_resource(resource: &ConfigResource, w: &mut Writer) {
    match resource {
        ConfigResource::Topic(name) => {
            w.i8(RESOURCE_TOPIC);
            w.string(name);
        }
        ConfigResource::Broker(broker) => {
            w.i8(RESOURCE_BROKER);
            w.string(&broker.to_string());
        }
        ConfigResource::AllBrokers => {
            w.i8(RESOURCE_BROKER);
            w.string("");
        }
        ConfigResource::Group(id) => {
            w.i8(RESOURCE_GROUP);
            w.string(id);
        }
        ConfigResource::ClientMetrics(name) => {
            w.i8(RESOURCE_CLIENT_METRICS);
            w.string(name);
        }
    }
}

/// A record from its bytes.
///
/// # Errors
/// Bytes cut short or left over, and record types or versions that this broker does not know.
pub fn decode_record(bytes: &[u8]) -> Result<MetadataRecord, DecodeError> {
    let r = &mut Reader::new(bytes);
    if r.uvarint()? != FRAME_VERSION {
        return Err(DecodeError("unknown frame version"));
    }
    let (api_key, version) = (r.uvarint()?, r.uvarint()?);
    let record = match (api_key, version) {
        (key::REGISTER_BROKER, 1) => decode_register_broker(r)?,
        (key::BROKER_REGISTRATION_CHANGE, 1) => decode_broker_change(r)?,
        (key::PARTITION, 0) => decode_partition(r)?,
        (key::PARTITION_CHANGE, 0) => decode_partition_change(r)?,
        (_, 0) => decode_simple(api_key, r)?,
        _ => return Err(DecodeError("unknown version of a record")),
    };
    if r.is_empty() { Ok(record) } else { Err(DecodeError("bytes left over")) }
}

fn decode_simple(api_key: u64, r: &mut Reader<'_>) -> Result<MetadataRecord, DecodeError> {
    let record = match api_key {
        key::UNREGISTER_BROKER => {
            MetadataRecord::UnregisterBroker { broker: NodeId(r.i32()?), epoch: r.i64()? }
        }
        key::TOPIC => MetadataRecord::Topic { name: r.string()?, id: TopicId(r.u128()?) },
        key::REMOVE_TOPIC => MetadataRecord::RemoveTopic { id: TopicId(r.u128()?) },
        key::CONFIG => MetadataRecord::Config {
            resource: decode_resource(r)?,
            key: r.string()?,
            value: r.nullable_string()?,
        },
        key::CLIENT_QUOTA => decode_client_quota(r)?,
        key::PRODUCER_IDS => MetadataRecord::ProducerIds {
            broker: NodeId(r.i32()?),
            broker_epoch: r.i64()?,
            next_producer_id: r.i64()?,
        },
        key::FEATURE_LEVEL => MetadataRecord::FeatureLevel { name: r.string()?, level: r.i16()? },
        key::NO_OP => MetadataRecord::NoOp,
        _ => return Err(DecodeError("unknown type of record")),
    };
    r.tags(&mut |_, _| Ok(()))?;
    Ok(record)
}

fn decode_client_quota(r: &mut Reader<'_>) -> Result<MetadataRecord, DecodeError> {
    let mut entity = Vec::new();
    for _ in 0..r.compact_len()?.unwrap_or(0) {
        entity.push((r.string()?, r.nullable_string()?));
        r.tags(&mut |_, _| Ok(()))?;
    }
    let owner = QuotaOwner::of(&entity).map_err(|_| DecodeError("unknown owner of a quota"))?;
    let key = r.string()?;
    let value = QuotaValue::from_bits(r.i64()?.cast_unsigned());
    let removes = r.bool()?;
    Ok(MetadataRecord::ClientQuota { owner, key, value: (!removes).then_some(value) })
}

fn decode_register_broker(r: &mut Reader<'_>) -> Result<MetadataRecord, DecodeError> {
    let broker = NodeId(r.i32()?);
    let incarnation = r.u128()?;
    let epoch = r.i64()?;
    let mut endpoint = None;
    for _ in 0..r.compact_len()?.unwrap_or(0) {
        r.string()?; // listener's name
        let (host, port) = (r.string()?, r.i16()?.cast_unsigned());
        r.i16()?; // security protocol
        r.tags(&mut |_, _| Ok(()))?;
        endpoint.get_or_insert_with(|| Arc::new(BrokerEndpoint { host, port }));
    }
    for _ in 0..r.compact_len()?.unwrap_or(0) {
        r.string()?;
        r.take(4)?; // smallest and largest version
        r.tags(&mut |_, _| Ok(()))?;
    }
    let rack = r.nullable_string()?;
    let fenced = r.bool()?;
    let in_controlled_shutdown = r.bool()?;
    r.tags(&mut |_, _| Ok(()))?;
    Ok(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker,
        incarnation,
        epoch,
        rack,
        endpoint,
        fenced,
        in_controlled_shutdown,
    }))
}

fn decode_broker_change(r: &mut Reader<'_>) -> Result<MetadataRecord, DecodeError> {
    let broker = NodeId(r.i32()?);
    let epoch = r.i64()?;
    let (mut fenced, mut in_controlled_shutdown) = (None, false);
    r.tags(&mut |tag, mut field| {
        match tag {
            0 => {
                fenced = match field.i8()? {
                    0 => None,
                    change => Some(change > 0),
                }
            }
            1 => in_controlled_shutdown = field.i8()? == 1,
            _ => {}
        }
        Ok(())
    })?;
    Ok(MetadataRecord::BrokerRegistrationChange { broker, epoch, fenced, in_controlled_shutdown })
}

fn decode_partition(r: &mut Reader<'_>) -> Result<MetadataRecord, DecodeError> {
    let partition = r.i32()?;
    let tp = TopicPartition::new(TopicId(r.u128()?), partition);
    let replicas = r.nodes()?;
    let isr = r.nodes()?;
    let moving = Moving { removing: r.nodes()?, adding: r.nodes()? }.kept();
    let leader = node(r.i32()?);
    let leader_epoch = r.i32()?;
    let partition_epoch = r.i32()?;
    let mut recovering = false;
    r.tags(&mut |tag, mut field| {
        if tag == 0 {
            recovering = field.i8()? == 1;
        }
        Ok(())
    })?;
    Ok(MetadataRecord::Partition(PartitionRecord {
        tp,
        replicas,
        isr,
        moving,
        leader,
        recovering,
        leader_epoch,
        partition_epoch,
    }))
}

fn decode_partition_change(r: &mut Reader<'_>) -> Result<MetadataRecord, DecodeError> {
    let partition = r.i32()?;
    let tp = TopicPartition::new(TopicId(r.u128()?), partition);
    let mut change = PartitionChangeRecord::new(tp);
    r.tags(&mut |tag, mut field| {
        match tag {
            0 => change.isr = field.nullable_nodes()?,
            1 => {
                change.leader = match field.i32()? {
                    -2 => LeaderUpdate::Unchanged,
                    -1 => LeaderUpdate::NoLeader,
                    leader => LeaderUpdate::Elected(NodeId(leader)),
                }
            }
            2 => change.replicas = field.nullable_nodes()?,
            3 => {
                if let Some(removing) = field.nullable_nodes()? {
                    change.moving.get_or_insert_default().removing = removing;
                }
            }
            4 => {
                if let Some(adding) = field.nullable_nodes()? {
                    change.moving.get_or_insert_default().adding = adding;
                }
            }
            5 => {
                change.recovering = match field.i8()? {
                    -1 => None,
                    state => Some(state == 1),
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(MetadataRecord::PartitionChange(change))
}

fn decode_resource(r: &mut Reader<'_>) -> Result<ConfigResource, DecodeError> {
    let kind = r.i8()?;
    let name: Arc<str> = r.string()?;
    match (kind, &*name) {
        (RESOURCE_TOPIC, _) => Ok(ConfigResource::Topic(name)),
        (RESOURCE_GROUP, _) => Ok(ConfigResource::Group(name)),
        (RESOURCE_CLIENT_METRICS, _) => Ok(ConfigResource::ClientMetrics(name)),
        (RESOURCE_BROKER, "") => Ok(ConfigResource::AllBrokers),
        (RESOURCE_BROKER, id) => id
            .parse()
            .map(|id| ConfigResource::Broker(NodeId(id)))
            .map_err(|_| DecodeError("broker id is not a number")),
        _ => Err(DecodeError("unknown type of config resource")),
    }
}

fn node(id: i32) -> Option<NodeId> {
    (id >= 0).then_some(NodeId(id))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes() -> impl Strategy<Value = Vec<NodeId>> {
        prop::collection::vec((0..9_i32).prop_map(NodeId), 0..4)
    }

    fn text() -> impl Strategy<Value = Arc<str>> {
        "[a-z._-]{0,12}".prop_map(Arc::from)
    }

    prop_compose! {
        fn moving()(removing in nodes(), adding in nodes()) -> Moving {
            Moving { removing, adding }
        }
    }

    prop_compose! {
        fn partition()(
            tp in (any::<u128>(), 0..99_i32), replicas in nodes(), isr in nodes(),
            leader in prop::option::of(0..9_i32), recovering: bool, epochs: (i32, i32),
            moving in moving(),
        ) -> MetadataRecord {
            MetadataRecord::Partition(PartitionRecord {
                tp: TopicPartition::new(TopicId(tp.0), tp.1),
                replicas, isr, moving: moving.kept(), leader: leader.map(NodeId), recovering,
                leader_epoch: epochs.0, partition_epoch: epochs.1,
            })
        }
    }

    prop_compose! {
        fn partition_change()(
            tp in (any::<u128>(), 0..99_i32), isr in prop::option::of(nodes()),
            replicas in prop::option::of(nodes()), recovering: Option<bool>, leader in -2..5_i32,
            moving in prop::option::of(moving()),
        ) -> MetadataRecord {
            MetadataRecord::PartitionChange(PartitionChangeRecord {
                tp: TopicPartition::new(TopicId(tp.0), tp.1),
                isr, replicas, moving, recovering,
                leader: match leader {
                    -2 => LeaderUpdate::Unchanged,
                    -1 => LeaderUpdate::NoLeader,
                    id => LeaderUpdate::Elected(NodeId(id)),
                },
            })
        }
    }

    /// A quota's owner, or the default of its type.
    fn name() -> impl Strategy<Value = Option<Arc<str>>> {
        prop::option::of("[a-z]{1,8}".prop_map(Arc::from))
    }

    fn record() -> impl Strategy<Value = MetadataRecord> {
        let resource = prop_oneof![
            text().prop_map(ConfigResource::Topic),
            (0..9_i32).prop_map(|id| ConfigResource::Broker(NodeId(id))),
            Just(ConfigResource::AllBrokers),
            text().prop_map(ConfigResource::Group),
            text().prop_map(ConfigResource::ClientMetrics),
        ];
        prop_oneof![
            partition(),
            partition_change(),
            (
                0..9_i32,
                any::<u128>(),
                any::<i64>(),
                prop::option::of(text()),
                any::<(bool, bool)>(),
                prop::option::of((text(), any::<u16>()))
            )
                .prop_map(
                    |(id, incarnation, epoch, rack, (fenced, in_controlled_shutdown), at)| {
                        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                            broker: NodeId(id),
                            incarnation,
                            epoch,
                            rack,
                            endpoint: at
                                .map(|(host, port)| Arc::new(BrokerEndpoint { host, port })),
                            fenced,
                            in_controlled_shutdown,
                        })
                    }
                ),
            (0..9_i32, any::<i64>(), any::<Option<bool>>(), any::<bool>()).prop_map(
                |(id, epoch, fenced, in_controlled_shutdown)| {
                    MetadataRecord::BrokerRegistrationChange {
                        broker: NodeId(id),
                        epoch,
                        fenced,
                        in_controlled_shutdown,
                    }
                }
            ),
            (0..9_i32, any::<i64>()).prop_map(|(id, epoch)| MetadataRecord::UnregisterBroker {
                broker: NodeId(id),
                epoch
            }),
            (text(), any::<u128>())
                .prop_map(|(name, id)| MetadataRecord::Topic { name, id: TopicId(id) }),
            any::<u128>().prop_map(|id| MetadataRecord::RemoveTopic { id: TopicId(id) }),
            (resource, text(), prop::option::of(text()))
                .prop_map(|(resource, key, value)| MetadataRecord::Config { resource, key, value }),
            (prop::option::of(name()), name(), text(), any::<Option<u64>>()).prop_map(
                |(user, client_id, key, bits)| MetadataRecord::ClientQuota {
                    owner: QuotaOwner { user, client_id: Some(client_id), ip: None },
                    key,
                    value: bits.map(QuotaValue::from_bits),
                }
            ),
            any::<(i64, i64)>().prop_map(|(broker_epoch, next_producer_id)| {
                MetadataRecord::ProducerIds { broker: NodeId(1), broker_epoch, next_producer_id }
            }),
            (text(), any::<i16>())
                .prop_map(|(name, level)| MetadataRecord::FeatureLevel { name, level }),
            Just(MetadataRecord::NoOp),
        ]
    }

    proptest! {
        #[test]
        fn records_survive_the_round_trip(record in record()) {
            let mut bytes = Vec::new();
            encode_record(&record, &mut bytes);
            prop_assert_eq!(decode_record(&bytes), Ok(record));
        }

        #[test]
        fn cut_records_are_refused(record in record(), cut in 1..9_usize) {
            let mut bytes = Vec::new();
            encode_record(&record, &mut bytes);
            bytes.truncate(bytes.len().saturating_sub(cut));
            prop_assert!(decode_record(&bytes).is_err());
        }

        #[test]
        fn junk_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_record(&bytes);
        }
    }

    #[test]
    fn configs_of_metrics_of_clients_are_of_kafkas_type() {
        let mut bytes = Vec::new();
        let record = MetadataRecord::Config {
            resource: ConfigResource::ClientMetrics("m".into()),
            key: "k".into(),
            value: None,
        };
        encode_record(&record, &mut bytes);
        // frame, key and version; type, name, key, null; no tags
        assert_eq!(bytes, [1, 4, 0, 16, 2, b'm', 2, b'k', 0, 0]);
        assert_eq!(decode_record(&bytes), Ok(record));
    }

    #[test]
    fn layout_is_kafkas() {
        let mut bytes = Vec::new();
        encode_record(&MetadataRecord::NoOp, &mut bytes);
        assert_eq!(bytes, [1, 20, 0, 0]);
        bytes.clear();
        let record = MetadataRecord::PartitionChange(PartitionChangeRecord {
            isr: Some(vec![NodeId(3)]),
            leader: LeaderUpdate::Elected(NodeId(3)),
            ..PartitionChangeRecord::new(TopicPartition::new(TopicId(0), 7))
        });
        encode_record(&record, &mut bytes);
        let mut expected = vec![1, 5, 0, 0, 0, 0, 7];
        expected.extend_from_slice(&[0; 16]);
        expected.extend_from_slice(&[2, 0, 5, 2, 0, 0, 0, 3, 1, 4, 0, 0, 0, 3]);
        assert_eq!(bytes, expected);
    }
}
