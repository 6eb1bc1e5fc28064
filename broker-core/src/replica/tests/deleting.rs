//! Records that are deleted on request, and logs of topics that are no more.

use super::rig::{Rig, TP};
use crate::error::ErrorCode;
use crate::log::{Log, LogConfig};
use crate::metadata::MetadataRecord;
use crate::replica::ReplicaManager;
use crate::seam::{DiskOpKind, FileName};

#[test]
fn a_log_starts_where_the_rest_begins_and_never_above_the_high_watermark() {
    let mut rig = Rig::with_partition(1, &[1]);
    for _ in 0..3 {
        rig.produce();
        rig.disk();
    }
    assert_eq!(rig.high_watermark(), 3);
    let delete =
        |rig: &mut Rig, before| rig.act(|replicas, step| replicas.delete_records(step, TP, before));
    assert_eq!(delete(&mut rig, 4), Err(ErrorCode::OffsetOutOfRange));
    assert_eq!(delete(&mut rig, -2), Err(ErrorCode::OffsetOutOfRange));
    assert_eq!(delete(&mut rig, 2), Ok(2));
    assert_eq!(delete(&mut rig, 1), Ok(2), "what is gone stays gone");
    assert_eq!(delete(&mut rig, -1), Ok(3));
    assert_eq!(rig.partition().log.log_start_offset(), 3);
    rig.elect(2);
    assert_eq!(delete(&mut rig, -1), Err(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn a_log_of_a_topic_that_was_deleted_meanwhile_is_set_aside_at_the_start() {
    let mut rig = Rig::with_partition(1, &[1]);
    let stray = crate::ids::TopicPartition::new(crate::ids::TopicId(99), 4);
    let log = |tp| (Log::create(tp, LogConfig::kafka_defaults(), 0), 0);
    rig.replicas = ReplicaManager::new(rig.replicas.config.clone(), vec![log(TP), log(stray)]);
    rig.effects.disk.clear();
    rig.apply(&[MetadataRecord::NoOp]);
    let ops = rig.disk();
    let aside = ops.iter().filter_map(|op| match op {
        DiskOpKind::SetLogAside { tp } => Some(*tp),
        _ => None,
    });
    assert_eq!(aside.collect::<Vec<_>>(), [stray]);
    // what is on record of it must not be taken for that of a replica that comes in its place
    let forgets = |op: &DiskOpKind| match op {
        DiskOpKind::WriteFile { file: FileName::RecoveryPoints, bytes } => {
            !String::from_utf8_lossy(bytes).contains(" 4 ")
        }
        _ => false,
    };
    assert!(ops.iter().any(forgets), "hunt seed 821629: {ops:?}");
    assert!(rig.replicas.find(TP).is_some() && rig.replicas.find(stray).is_none());
}

#[test]
fn a_deleted_topic_takes_its_log_along() {
    let mut rig = Rig::with_partition(1, &[1]);
    rig.produce();
    rig.disk();
    rig.apply(&[MetadataRecord::RemoveTopic { id: TP.topic }]);
    assert!(rig.replicas.find(TP).is_none());
    assert!(rig.disk().iter().any(|op| matches!(op, DiskOpKind::DeleteLog { tp } if *tp == TP)));
    let refused = rig.act(|replicas, step| replicas.delete_records(step, TP, -1));
    assert_eq!(refused, Err(ErrorCode::UnknownTopicOrPartition));
}
