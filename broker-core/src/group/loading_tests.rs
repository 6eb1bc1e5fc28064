//! Taking over a partition of `__consumer_offsets`.

use super::codec::{OffsetKey, OffsetValue, encode_offset_key, encode_offset_value};
use super::{GroupCoordinator, OFFSETS_TOPIC};
use crate::error::ErrorCode;
use crate::ids::TopicPartition;
use crate::log::testing::numbered;
use crate::protocol::{
    FetchPartitionResponse, OffsetFetchGroup, OffsetFetchGroupResponse, OffsetFetchRequest,
};
use crate::records::{Batch, Record};
use crate::replica::tests::{Rig, TP, nothing_new};
use crate::seam::DiskResult;
use crate::step::{Owner, owner_of};

fn position(groups: &mut GroupCoordinator, rig: &Rig) -> OffsetFetchGroupResponse {
    let asked = OffsetFetchGroup { group: "billing".into(), partitions: Some(vec![read()]) };
    let request = OffsetFetchRequest { groups: vec![asked] };
    groups.fetch(&rig.image, &request).groups.remove(0)
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
    let value = OffsetValue { offset: 42, leader_epoch: 0, metadata: None, commit_ms: 1 };
    let record = Record::new(Some(encode_offset_key(&key)), Some(encode_offset_value(&value)));
    let records = numbered(Batch::build(1, &mut [record].to_vec()), 0, 0);
    let (id, _) = rig.sent_fetch();
    rig.answer_fetch(id, FetchPartitionResponse { records: records.clone(), ..nothing_new(0) });
    let delta = rig.elect(1);
    let mut groups = GroupCoordinator::new(&rig.replicas.config);
    let image = rig.image.clone();
    rig.act(|replicas, step| groups.apply_metadata(step, replicas, &image, &delta));
    assert_eq!(position(&mut groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    rig.act(|replicas, step| groups.finish_step(step, replicas));
    assert_eq!(position(&mut groups, &rig).error, ErrorCode::CoordinatorLoadInProgress);
    rig.disk();
    rig.act(|replicas, step| groups.finish_step(step, replicas));
    let load = rig.effects.disk.pop().expect("it reads on");
    assert_eq!(owner_of(load.id.0), Some(Owner::Group));
    let result = DiskResult::Read(vec![records]);
    rig.act(|replicas, step| groups.disk_done(step, replicas, load.id, result));
    let found = &position(&mut groups, &rig).offsets[0];
    assert_eq!((found.tp, found.offset, found.leader_epoch), (read(), 42, 0));
}
