//! DescribeLogDirs (key 35) and AlterReplicaLogDirs (34). A node has one log directory: replicas are
//! there already, or cannot be.

use crate::error::ErrorCode;
use crate::ids::TopicPartition;
use crate::metadata::MetadataImage;
use crate::protocol::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest,
    DescribeLogDirsResponse, ReplicaLog, Response,
};
use crate::replica::{Partition, ReplicaManager};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::collections::BTreeSet;

pub(crate) fn handle(
    role: &BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &DescribeLogDirsRequest,
) {
    let replicas = described(&role.replicas, &role.image, request);
    step.reply(to, Response::DescribeLogDirs(DescribeLogDirsResponse { replicas }));
}

fn described(
    replicas: &ReplicaManager,
    image: &MetadataImage,
    request: &DescribeLogDirsRequest,
) -> Vec<ReplicaLog> {
    let asked: Option<BTreeSet<TopicPartition>> =
        request.partitions.as_ref().map(|list| list.iter().copied().collect());
    let is_asked = |tp: TopicPartition| asked.as_ref().is_none_or(|asked| asked.contains(&tp));
    // what was deleted and is still on its way out has no name any more
    let has_name = |tp: TopicPartition| image.partition(tp).is_some();
    let hosted =
        replicas.iter().filter(|partition| is_asked(partition.tp) && has_name(partition.tp));
    let mut found: Vec<ReplicaLog> = hosted.map(describe).collect();
    found.sort_unstable_by_key(|replica| replica.tp);
    found
}

fn describe(partition: &Partition) -> ReplicaLog {
    ReplicaLog {
        tp: partition.tp,
        size_bytes: i64::try_from(partition.log.size_bytes()).unwrap_or(i64::MAX),
        offset_lag: (partition.high_watermark - partition.log.log_end_offset()).max(0),
    }
}

/// AlterReplicaLogDirs.
pub(crate) fn alter(
    role: &BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &AlterReplicaLogDirsRequest,
) {
    let partitions = altered(&role.replicas, &role.image, request);
    step.reply(to, Response::AlterReplicaLogDirs(AlterReplicaLogDirsResponse { partitions }));
}

fn altered(
    replicas: &ReplicaManager,
    image: &MetadataImage,
    request: &AlterReplicaLogDirsRequest,
) -> Vec<(TopicPartition, ErrorCode)> {
    let outcome = |(tp, is_known_dir): &(TopicPartition, bool)| {
        let error = if !is_known_dir {
            ErrorCode::LogDirNotFound
        } else if image.partition(*tp).is_none() {
            ErrorCode::UnknownTopicOrPartition
        } else if replicas.find(*tp).is_none() {
            ErrorCode::ReplicaNotAvailable
        } else {
            ErrorCode::None
        };
        (*tp, error)
    };
    request.partitions.iter().map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{NodeId, TopicId};
    use crate::metadata::{MetadataRecord, PartitionRecord};
    use crate::replica::tests::{Rig, TP};

    const ELSEWHERE: TopicPartition = TopicPartition::new(TP.topic, 1);
    const NOWHERE: TopicPartition = TopicPartition::new(TopicId(1), 0);

    /// A leader of one partition with a batch in it; another partition is on another broker.
    fn rig() -> Rig {
        let mut rig = Rig::with_partition(1, &[1]);
        rig.apply(&[MetadataRecord::Partition(PartitionRecord::in_sync(ELSEWHERE, &[NodeId(2)]))]);
        rig.produce();
        rig.disk();
        rig
    }

    #[test]
    fn hosted_replicas_have_a_size_and_no_lag() {
        let rig = rig();
        let size_bytes = i64::try_from(rig.partition().log.size_bytes()).unwrap();
        assert!(size_bytes > 0);
        let asked = [None, Some(vec![NOWHERE, TP, ELSEWHERE])];
        for partitions in asked {
            let found =
                described(&rig.replicas, &rig.image, &DescribeLogDirsRequest { partitions });
            assert_eq!(found, [ReplicaLog { tp: TP, size_bytes, offset_lag: 0 }]);
        }
        let nothing = DescribeLogDirsRequest { partitions: Some(vec![ELSEWHERE]) };
        assert!(described(&rig.replicas, &rig.image, &nothing).is_empty());
    }

    #[test]
    fn replicas_stay_where_they_are() {
        let rig = rig();
        let partitions = vec![(TP, true), (TP, false), (ELSEWHERE, true), (NOWHERE, true)];
        let outcome =
            altered(&rig.replicas, &rig.image, &AlterReplicaLogDirsRequest { partitions });
        let errors: Vec<ErrorCode> = outcome.into_iter().map(|(_, error)| error).collect();
        let expected = [
            ErrorCode::None,
            ErrorCode::LogDirNotFound,
            ErrorCode::ReplicaNotAvailable,
            ErrorCode::UnknownTopicOrPartition,
        ];
        assert_eq!(errors, expected);
    }
}
