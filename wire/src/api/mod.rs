//! One Kafka API per file: `decode` takes the body of a request, `encode` writes that of a
//! response, both in every version of [`crate::APIS`].

pub(crate) mod api_versions;
pub(crate) mod create_topics;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod init_producer_id;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;

mod shared;

pub(crate) use shared::DecodeCx;
