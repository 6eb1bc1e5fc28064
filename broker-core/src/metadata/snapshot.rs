//! Snapshot of the metadata image (KIP-630): its records one after another, each with its length,
//! and a CRC at the end. Kafka wraps the records in batches; here one file is read and written
//! whole, so a single checksum covers it (RAFT-24).

use super::codec::{decode_record, encode_record};
use super::image::{MetadataImage, PartitionImage};
use super::records::{MetadataRecord, PartitionRecord, RegisterBrokerRecord};
use super::wire::{DecodeError, Reader, Writer};
use crate::ids::{NO_OFFSET, NodeId, TopicPartition};
use bytes::Bytes;

const MAGIC: i32 = i32::from_be_bytes(*b"SGS1");
const CRC_BYTES: usize = 4;

impl MetadataImage {
    /// Records that build this image from an empty one.
    pub fn to_records(&self) -> impl Iterator<Item = MetadataRecord> {
        self.feature_records()
            .chain(self.broker_records())
            .chain(self.topic_records())
            .chain(self.config_records())
            .chain(self.quota_records())
            .chain(self.producer_id_records())
    }

    fn feature_records(&self) -> impl Iterator<Item = MetadataRecord> {
        self.features
            .iter()
            .map(|(name, level)| MetadataRecord::FeatureLevel { name: name.clone(), level: *level })
    }

    fn broker_records(&self) -> impl Iterator<Item = MetadataRecord> {
        self.brokers().map(|(broker, image)| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker,
                incarnation: image.incarnation,
                epoch: image.epoch,
                rack: image.rack.clone(),
                endpoint: image.endpoint.clone(),
                fenced: image.fenced,
                in_controlled_shutdown: image.in_controlled_shutdown,
            })
        })
    }

    fn topic_records(&self) -> impl Iterator<Item = MetadataRecord> {
        self.topics.values().flat_map(|topic| {
            let head = MetadataRecord::Topic { name: topic.name.clone(), id: topic.id };
            let partitions = topic.partitions.iter().zip(0..).map(|(partition, index)| {
                partition_record(TopicPartition::new(topic.id, index), partition)
            });
            std::iter::once(head).chain(partitions)
        })
    }

    fn config_records(&self) -> impl Iterator<Item = MetadataRecord> {
        self.configs.iter().flat_map(|(resource, configs)| {
            configs.iter().map(|(key, value)| MetadataRecord::Config {
                resource: resource.clone(),
                key: key.clone(),
                value: Some(value.clone()),
            })
        })
    }

    fn quota_records(&self) -> impl Iterator<Item = MetadataRecord> {
        self.quotas.iter().flat_map(|(owner, quotas)| {
            quotas.iter().map(|(key, value)| MetadataRecord::ClientQuota {
                owner: owner.clone(),
                key: key.clone(),
                value: Some(*value),
            })
        })
    }

    fn producer_id_records(&self) -> impl Iterator<Item = MetadataRecord> {
        (self.next_producer_id > 0)
            .then_some(MetadataRecord::ProducerIds {
                broker: NodeId(-1),
                broker_epoch: NO_OFFSET,
                next_producer_id: self.next_producer_id,
            })
            .into_iter()
    }
}

fn partition_record(tp: TopicPartition, image: &PartitionImage) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        tp,
        replicas: image.replicas.clone(),
        isr: image.isr.clone(),
        moving: image.moving.clone(),
        leader: image.leader,
        recovering: image.recovering,
        leader_epoch: image.leader_epoch,
        partition_epoch: image.partition_epoch,
    })
}

/// Bytes of a snapshot of `image`, its offset and epoch included.
#[must_use]
pub fn encode_snapshot(image: &MetadataImage) -> Bytes {
    let mut w = Writer::default();
    w.i32(MAGIC);
    w.i64(image.offset());
    w.i32(image.epoch());
    let mut value = Vec::new();
    for record in image.to_records() {
        value.clear();
        encode_record(&record, &mut value);
        w.uvarint(value.len() as u64);
        w.bytes.extend_from_slice(&value);
    }
    let crc = crc32c::crc32c(&w.bytes);
    w.bytes.extend_from_slice(&crc.to_be_bytes());
    Bytes::from(w.bytes)
}

/// The image of a snapshot.
///
/// # Errors
/// Bytes that [`encode_snapshot`] did not write, as the checksum tells.
pub fn decode_snapshot(bytes: &[u8]) -> Result<MetadataImage, DecodeError> {
    let (body, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(DecodeError("cut short"))?;
    if crc32c::crc32c(body).to_be_bytes() != *crc {
        return Err(DecodeError("snapshot fails its checksum"));
    }
    let mut reader = Reader::new(body);
    if reader.i32()? != MAGIC {
        return Err(DecodeError("not a snapshot"));
    }
    let (offset, epoch) = (reader.i64()?, reader.i32()?);
    let mut image = MetadataImage::default();
    while !reader.is_empty() {
        let len = reader.len()?;
        let record = decode_record(reader.take(len)?)?;
        image.apply(&record).map_err(|error| DecodeError(error.0))?;
    }
    image.offset = offset;
    image.epoch = epoch;
    Ok(image)
}
