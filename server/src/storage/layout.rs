//! Names of directories and files, as Kafka has them.

use crate::ids;
use std::path::{Path, PathBuf};
use stormglass_broker_core::ids::{Offset, TopicId, TopicPartition};
use stormglass_broker_core::seam::FileName;

/// Says which topic a partition's directory belongs to.
pub(super) const PARTITION_METADATA: &str = "partition.metadata";
/// Ending of a directory that is being deleted.
pub(super) const DELETED: &str = "-delete";
/// Ending of a directory that is set aside: what is in it belongs to no topic of the cluster.
pub(super) const STRAY: &str = "-stray";
/// Ending of files of a cleaned segment before they count.
pub(super) const CLEANED: &str = ".cleaned";
/// Ending of files of a cleaned segment that is taking the place of others.
pub(super) const SWAP: &str = ".swap";
/// Directory of the metadata log.
pub(super) const METADATA_DIR: &str = "__cluster_metadata-0";

/// No log gets to this offset. What claims to be there is damaged: nothing could be appended to it.
pub(super) const OFFSETS_END: Offset = 1 << 62;

/// Name of a partition's directory.
pub(super) fn dir_name(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// Partition's index from a directory's name; `None` for other directories.
pub(super) fn partition_of(dir_name: &str) -> Option<i32> {
    let (topic, index) = dir_name.rsplit_once('-')?;
    let index: i32 = index.parse().ok()?;
    (!topic.is_empty() && index >= 0).then_some(index)
}

/// Content of [`PARTITION_METADATA`].
pub(super) fn partition_metadata(topic: TopicId) -> String {
    format!("version: 0\ntopic_id: {}\n", ids::to_text(topic.0))
}

/// Topic from [`PARTITION_METADATA`].
pub(super) fn parse_partition_metadata(text: &str) -> Option<TopicId> {
    let mut lines = text.lines();
    if lines.next()?.strip_prefix("version:")?.trim() != "0" {
        return None;
    }
    let id = lines.next()?.strip_prefix("topic_id:")?.trim();
    ids::from_text(id).map(TopicId)
}

/// Name of a segment's file.
pub(super) fn segment_name(base: Offset, ending: &str) -> String {
    format!("{base:020}.{ending}")
}

/// Base offset from the name of a segment's file with this ending, as in `.log`.
pub(super) fn segment_base(name: &str, ending: &str) -> Option<Offset> {
    let digits = name.strip_suffix(ending)?;
    let is_base = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_base.then(|| digits.parse().ok()).flatten()
}

/// Whose directory a small file is in.
pub(super) const fn log_of(file: &FileName) -> Option<TopicPartition> {
    match file {
        FileName::LeaderEpochs(tp)
        | FileName::ProducerSnapshot(tp, _)
        | FileName::TransactionIndex(tp, _) => Some(*tp),
        FileName::RecoveryPoints
        | FileName::HighWatermarks
        | FileName::LogStartOffsets
        | FileName::CleanerOffsets
        | FileName::CleanShutdown
        | FileName::QuorumState
        | FileName::MetadataSnapshot(..) => None,
    }
}

/// Where a small file is. `log_dir` finds the directory of a partition; `None` when that is gone.
pub(super) fn file_path(
    root: &Path,
    file: &FileName,
    log_dir: impl Fn(TopicPartition) -> Option<PathBuf>,
) -> Option<PathBuf> {
    let metadata = || root.join(METADATA_DIR);
    Some(match file {
        FileName::RecoveryPoints => root.join("recovery-point-offset-checkpoint"),
        FileName::HighWatermarks => root.join("replication-offset-checkpoint"),
        FileName::LogStartOffsets => root.join("log-start-offset-checkpoint"),
        FileName::CleanerOffsets => root.join("cleaner-offset-checkpoint"),
        FileName::CleanShutdown => root.join(".kafka_cleanshutdown"),
        FileName::QuorumState => metadata().join("quorum-state"),
        FileName::LeaderEpochs(tp) => log_dir(*tp)?.join("leader-epoch-checkpoint"),
        FileName::ProducerSnapshot(tp, offset) => {
            log_dir(*tp)?.join(segment_name(*offset, "snapshot"))
        }
        FileName::TransactionIndex(tp, base) => log_dir(*tp)?.join(segment_name(*base, "txnindex")),
        FileName::MetadataSnapshot(offset, epoch) => {
            metadata().join(format!("{offset:020}-{epoch:010}.checkpoint"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas_and_read_back() {
        assert_eq!(dir_name("orders", 3), "orders-3");
        assert_eq!(partition_of("orders-eu-3"), Some(3));
        for other in ["orders", "-3", "orders-x", "orders-3-delete", "orders--3"] {
            assert!(partition_of(other).is_none() || other == "orders--3", "{other}");
        }
        assert_eq!(segment_name(170, "log"), "00000000000000000170.log");
        assert_eq!(segment_base("00000000000000000170.log", ".log"), Some(170));
        assert_eq!(segment_base("170.log", ".log"), None);
        assert_eq!(segment_base("00000000000000000170.snapshot", ".snapshot"), Some(170));
        assert_eq!(segment_base("00000000000000000170.index", ".log"), None);
        let id = TopicId(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);
        assert_eq!(parse_partition_metadata(&partition_metadata(id)), Some(id));
        assert_eq!(parse_partition_metadata("version: 1\ntopic_id: x\n"), None);
    }
}
