//! Consumers that read from the replica in their own rack (KIP-392).

use super::rig::{Rig, TP, consumer_fetch, nothing_new};
use crate::config::ReplicaSelector;
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId, Offset};
use crate::log::testing::sequenced;
use crate::metadata::{MetadataRecord, PartitionChangeRecord};
use crate::protocol::{
    FetchPartition, FetchPartitionResponse, FetchRequest, IsolationLevel, Response,
};
use crate::records::Records;
use crate::seam::{DiskOp, DiskOpKind, DiskResult};
use crate::step::ReplyTo;
use std::sync::Arc;

/// Brokers 1 to 3 in racks a to c, and a partition with that leader.
fn rig(leader: i32, isr: &[i32]) -> Rig {
    let mut rig = Rig::new("orders", |server| server.replica_selector = ReplicaSelector::RackAware);
    rig.create(leader, isr);
    rig
}

/// What a consumer asks for that waits.
fn question(rig: &Rig, rack: Option<&str>, offset: Offset) -> FetchRequest {
    let position = FetchPartition {
        tp: TP,
        current_leader_epoch: rig.partition().leader_epoch,
        fetch_offset: offset,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        max_bytes: 1 << 20,
    };
    FetchRequest { rack: rack.map(Arc::from), ..consumer_fetch(0, -1, vec![position]) }
}

fn ask(rig: &mut Rig, request: &FetchRequest) {
    let to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
    rig.act(|replicas, step| replicas.fetch(step, to, request));
}

fn answer(rig: &mut Rig) -> Option<FetchPartitionResponse> {
    match rig.replies().pop()? {
        Response::Fetch(mut fetch) => fetch.partitions.pop(),
        other => panic!("{other:?}"),
    }
}

/// The read under way finds these records.
fn read(rig: &mut Rig, records: Records) -> FetchPartitionResponse {
    let is_read = |op: &DiskOp| matches!(op.kind, DiskOpKind::Read { .. });
    let at = rig.effects.disk.iter().position(is_read).expect("a read");
    let op = rig.effects.disk.remove(at);
    rig.act(|replicas, step| replicas.read_done(step, op.id, DiskResult::Read(vec![records])));
    answer(rig).expect("an answer")
}

/// Where a leader sends a consumer; `None`: it reads there itself.
fn sent_to(rig: &mut Rig, rack: Option<&str>, offset: Offset) -> Option<NodeId> {
    let request = question(rig, rack, offset);
    ask(rig, &request);
    let Some(told) = answer(rig) else {
        rig.effects.disk.pop().expect("a read");
        return None;
    };
    assert!(told.error.is_ok() && told.records.is_empty());
    assert_eq!(told.high_watermark, rig.high_watermark());
    told.preferred_read_replica
}

#[test]
fn a_leader_sends_consumers_to_the_replica_in_their_rack() {
    let mut rig = rig(1, &[1, 2, 3]);
    for _ in 0..2 {
        rig.produce();
    }
    rig.disk();
    rig.fetched_by(2, 2, 0);
    rig.fetched_by(3, 1, 0);
    rig.effects.disk.clear();
    rig.replies();
    assert_eq!(rig.high_watermark(), 1);
    assert_eq!(sent_to(&mut rig, Some("b"), 0), Some(NodeId(2)));
    assert_eq!(sent_to(&mut rig, Some("c"), 0), Some(NodeId(3)));
    for rack in [Some("a"), Some("d"), Some(""), None] {
        assert_eq!(sent_to(&mut rig, rack, 0), None, "{rack:?}");
    }
}

#[test]
fn a_replica_that_may_not_have_the_offset_is_not_named() {
    let mut rig = rig(1, &[1, 2, 3]);
    for _ in 0..2 {
        rig.produce();
    }
    rig.disk();
    rig.fetched_by(2, 2, 0);
    rig.effects.disk.clear();
    rig.replies();
    let waits = question(&rig, Some("c"), 0);
    ask(&mut rig, &waits);
    assert!(answer(&mut rig).is_none(), "broker 3 has not fetched yet: this one reads, or waits");
    rig.fetched_by(3, 2, 0);
    rig.replies();
    assert_eq!(sent_to(&mut rig, Some("c"), 2), Some(NodeId(3)));
    let mut change = PartitionChangeRecord::new(TP);
    change.isr = Some(vec![NodeId(1), NodeId(2)]);
    rig.apply(&[MetadataRecord::PartitionChange(change)]);
    assert_eq!(sent_to(&mut rig, Some("c"), 1), None, "it is not in sync any more");
}

#[test]
fn followers_answer_consumers_that_know_of_racks_up_to_their_high_watermark() {
    let mut rig = rig(2, &[1, 2, 3]);
    let (id, _) = rig.sent_fetch();
    let records = Records::single(Arc::new(sequenced(9, 0, 0, 1)));
    rig.answer_fetch(id, FetchPartitionResponse { records: records.clone(), ..nothing_new(0) });
    rig.disk();
    assert_eq!(rig.partition().log.log_end_offset(), 1);

    let old = question(&rig, None, 0);
    ask(&mut rig, &old);
    let refused = answer(&mut rig).unwrap();
    assert_eq!(refused.error, ErrorCode::NotLeaderOrFollower);
    assert_eq!(refused.current_leader.map(|told| told.leader), Some(NodeId(2)));

    // nothing is committed as far as is known here; it waits until its leader says so
    let waits =
        FetchRequest { isolation: IsolationLevel::ReadCommitted, ..question(&rig, Some(""), 0) };
    ask(&mut rig, &waits);
    assert!(answer(&mut rig).is_none() && rig.effects.disk.is_empty());
    let (id, _) = rig.sent_fetch();
    rig.answer_fetch(id, nothing_new(1));
    let told = read(&mut rig, records);
    assert_eq!((told.error, told.high_watermark), (ErrorCode::None, 1));
    assert_eq!((told.records.last_offset(), told.current_leader), (Some(0), None));

    let beyond = question(&rig, Some("a"), 7);
    ask(&mut rig, &beyond);
    assert_eq!(answer(&mut rig).map(|told| told.error), Some(ErrorCode::OffsetOutOfRange));
}

#[test]
fn a_read_of_a_follower_that_leads_by_now_begins_anew() {
    let mut rig = rig(2, &[1, 2]);
    let (id, _) = rig.sent_fetch();
    let records = Records::single(Arc::new(sequenced(9, 0, 0, 1)));
    rig.answer_fetch(id, FetchPartitionResponse { records: records.clone(), ..nothing_new(1) });
    rig.disk();
    let request = question(&rig, Some("a"), 0);
    ask(&mut rig, &request);
    // it leads now: in an epoch that the consumer has yet to hear of
    rig.elect(1);
    assert_eq!(read(&mut rig, records.clone()).error, ErrorCode::FencedLeaderEpoch);
    let request = question(&rig, Some("a"), 0);
    ask(&mut rig, &request);
    assert_eq!(read(&mut rig, records).error, ErrorCode::None);
}
