//! Taking over a partition of `__consumer_offsets`.

use super::codec::{OffsetKey, OffsetValue, encode_key, encode_value};
use super::{GroupCoordinator, OFFSETS_TOPIC};
use crate::error::ErrorCode;
use crate::ids::TopicPartition;
use crate::log::testing::numbered;
use crate::protocol::{FetchPartitionResponse, OffsetFetchRequest, OffsetFetchResponse};
use crate::records::{Batch, Record};
use crate::replica::tests::{Rig, TP, nothing_new};
use crate::seam::DiskResult;
use crate::step::{Owner, owner_of};

fn position(groups: &GroupCoordinator, rig: &Rig) -> OffsetFetchResponse {
    let request = OffsetFetchRequest { group: "billing".into(), partitions: Some(vec![read()]) };
    groups.fetch(&rig.image, &request)
}

/// The partition whose position is committed: any that exists will do.
fn read() -> TopicPartition {
    TP
}

#[test]
fn grp_01_a_load_waits_for_what_the_last_leader_wrote_and_the_disk_has_not_confirmed() {
    let mut rig = Rig::new(OFFSETS_TOPIC, |_| {});
    rig.create(2, &[1, 2]);
    let key = OffsetKey { group: "billing".into(), topic: OFFSETS_TOPIC.into(), partition: 0 };
    let value = OffsetValue { offset: 42, leader_epoch: 0, commit_ms: 1 };
    let record = Record::new(Some(encode_key(&key)), Some(encode_value(&value)));
    let records = numbered(Batch::build(1, &mut [record].to_vec()), 0, 0);
    let (id, _) = rig.sent_fetch();
    rig.answer_fetch(id, FetchPartitionResponse { records: records.clone(), ..nothing_new(0) });
    let delta = rig.elect(1);
    let mut groups = GroupCoordinator::default();
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
    assert_eq!(position(&groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    rig.act(|replicas, step| groups.resume_loads(step, replicas));
    assert_eq!(position(&groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    rig.disk();
    rig.act(|replicas, step| groups.resume_loads(step, replicas));
    let load = rig.effects.disk.pop().expect("it reads on");
    assert_eq!(owner_of(load.id.0), Some(Owner::Group));
    let result = DiskResult::Read(vec![records]);
    rig.act(|replicas, step| groups.disk_done(step, replicas, load.id, result));
    assert_eq!(position(&groups, &rig).offsets, vec![(read(), 42, 0)]);
}
