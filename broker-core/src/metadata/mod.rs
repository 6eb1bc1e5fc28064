//! Cluster metadata: records, the image that they build, and its snapshots (KIP-500, KIP-630).

mod batch;
mod codec;
mod delta;
mod image;
mod quotas;
mod records;
mod snapshot;
mod wire;

pub use batch::{decode_batch, encode_batch, encode_leader_change};
pub use codec::{decode_record, encode_record};
pub use delta::MetadataDelta;
pub use image::{ApplyError, BrokerImage, Change, MetadataImage, PartitionImage, TopicImage};
pub use quotas::{QuotaMap, QuotaOwner};
pub use records::{
    ConfigResource, LeaderUpdate, MetadataRecord, Moving, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord,
};
pub use snapshot::{decode_snapshot, encode_snapshot};
pub use wire::DecodeError;
