//! One Kafka API per file, all with the same handler signature:
//! `handle(role, step, to, request)`, where `to` says who waits for the answer.

mod auto_create;
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
