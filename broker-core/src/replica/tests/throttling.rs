//! Replication quotas: who is held back, for how long, and who never is.

use super::isr::Session;
use super::rig::{Rig, TOPIC, TP, nothing_new};
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::log::testing::{numbered, sequenced};
use crate::metadata::{ConfigResource, MetadataRecord};
use crate::protocol::{FetchPartitionResponse, FetchResponse, Response};
use crate::records::Records;
use crate::seam::{DiskOpKind, DiskResult, TimerKey};
use crate::step::{Owner, owner_of};
use std::sync::Arc;

/// Bytes per second, less than a batch.
const BOUND: u64 = 50;

impl Rig {
    /// Sets a config of the topic.
    fn configure(&mut self, key: &str, value: &str) {
        let name = self.image.topic(TOPIC).unwrap().name.clone();
        self.apply(&[MetadataRecord::Config {
            resource: ConfigResource::Topic(name),
            key: key.into(),
            value: Some(value.into()),
        }]);
    }

    /// A replica asks for the log from its start. How many bytes of records it gets. Their batch
    /// is as long as the rig's, whose sequences go on without a gap.
    fn copied_by(&mut self, replica: i32) -> u32 {
        self.fetched_by(replica, 0, -1);
        let batch = Records::single(Arc::new(sequenced(9, 0, 0, 1)));
        for op in std::mem::take(&mut self.effects.disk) {
            if owner_of(op.id.0) == Some(Owner::Fetch) {
                let DiskOpKind::Read { ranges, .. } = &op.kind else { panic!("{:?}", op.kind) };
                let read = DiskResult::Read(vec![batch.clone(); ranges.len()]);
                self.act(|replicas, step| replicas.read_done(step, op.id, read));
            }
        }
        match &self.replies()[..] {
            [Response::Fetch(answer)] => answer.partitions[0].records.size_bytes(),
            other => panic!("{other:?}"),
        }
    }

    /// The leader answers a fetch that names no partition.
    fn answer_nothing(&mut self, id: crate::ids::CorrelationId) {
        let (error, session_id) = (ErrorCode::None, 5);
        let response = FetchResponse { throttle_ms: 0, error, session_id, partitions: Vec::new() };
        let result = Ok(Response::Fetch(response));
        self.act(|replicas, step| replicas.fetcher_response(step, id, result));
    }

    fn due(&mut self) {
        self.act(|replicas, step| replicas.fetcher_due(step, NodeId(2), 0));
    }
}

/// Broker 1 leads; 3 is out of sync.
fn leading(throttled: &str) -> Rig {
    let mut rig = Rig::with_partition(1, &[1, 2]);
    rig.configure("leader.replication.throttled.replicas", throttled);
    rig.replicas.set_throttled_rates(Some(BOUND), None);
    rig.produce();
    rig.disk();
    rig.replies();
    rig
}

#[test]
fn a_leader_holds_back_who_is_out_of_sync_until_the_rate_is_at_its_bound() {
    let mut rig = leading("0:1");
    let bytes = rig.copied_by(3);
    assert!(u64::from(bytes) > BOUND, "nothing was sent before");
    assert_eq!(rig.copied_by(3), 0);
    assert_eq!(rig.copied_by(2), bytes, "an ISR does not shrink for it");
    // both count
    rig.now_ms += u64::from(bytes) * 2000 / BOUND - 1;
    assert_eq!(rig.copied_by(3), 0);
    rig.now_ms += 1;
    assert_eq!(rig.copied_by(3), bytes);
    rig.replicas.set_throttled_rates(None, None);
    assert_eq!(rig.copied_by(3), bytes);
}

#[test]
fn a_leader_counts_only_what_goes_to_throttled_replicas() {
    for throttled in ["", "1:1", "0:2"] {
        let mut rig = leading(throttled);
        let bytes = rig.copied_by(3);
        assert_eq!(rig.copied_by(3), bytes, "{throttled}");
    }
    let mut rig = leading("*");
    rig.copied_by(3);
    rig.configure("leader.replication.throttled.replicas", "");
    assert!(rig.copied_by(3) > 0, "a throttle that was taken away holds nobody");
}

/// Hunt seed 30005793: its fetches do not name what it got nothing of, and its leader left them out. It counted
/// as caught up once it had what there was when it named the partition last, and held the high watermark back.
#[test]
fn a_follower_that_is_held_back_lags_with_each_of_its_fetches() {
    let committed = |fetches_meanwhile: bool| {
        let mut rig = Rig::with_partition(1, &[1]);
        rig.configure("leader.replication.throttled.replicas", "0:1");
        rig.replicas.set_throttled_rates(Some(BOUND), None);
        rig.now_ms += 60_000; // nobody has had everything for longer than replica.lag.time.max.ms
        rig.produce();
        rig.disk();
        rig.replies();
        assert!(u64::from(rig.copied_by(3)) > BOUND);
        let mut session = Session::new(7);
        // held back: the bound is for 3 and 2 together
        session.fetch(&mut rig, 20, Some(0));
        rig.produce();
        rig.disk();
        rig.now_ms += 1;
        if fetches_meanwhile {
            session.fetch(&mut rig, 20, None);
        }
        session.fetch(&mut rig, 20, Some(1));
        rig.produce();
        rig.disk();
        rig.high_watermark()
    };
    assert_eq!(committed(false), 2, "it has what there was as it fetched last, and may join soon");
    assert_eq!(committed(true), 3, "there was more as it fetched last");
}

/// Broker 1 copies from 2.
fn following(throttled: &str) -> Rig {
    let mut rig = Rig::new("orders", |_| {});
    rig.configure("follower.replication.throttled.replicas", throttled);
    rig.replicas.set_throttled_rates(None, Some(BOUND));
    rig.create(2, &[2, 3]);
    rig
}

/// The records of one batch are fetched, out of `high_watermark` offsets.
fn take_batch(rig: &mut Rig, high_watermark: i64) -> u32 {
    let (id, fetch) = rig.sent_fetch();
    let offset = fetch.partitions[0].fetch_offset;
    let records = numbered(rig.batch(), offset, 0);
    let bytes = records.size_bytes();
    rig.answer_fetch(id, FetchPartitionResponse { records, ..nothing_new(high_watermark) });
    rig.disk();
    bytes
}

#[test]
fn a_follower_that_is_out_of_sync_leaves_the_partition_out() {
    let mut rig = following("0:1");
    let bytes = take_batch(&mut rig, 100);
    assert_eq!(rig.partition().log.log_end_offset(), 1);
    let (id, fetch) = rig.sent_fetch();
    assert_eq!((fetch.partitions.len(), &fetch.forgotten[..]), (0, &[TP][..]));
    rig.answer_nothing(id);
    assert!(rig.sent().is_empty());
    let timers = std::mem::take(&mut rig.effects.timers);
    let due = timers.iter().rfind(|(_, key)| *key == TimerKey::Fetcher(NodeId(2), 0));
    assert_eq!(due.unwrap().0.as_nanos(), (rig.now_ms + 1000) * 1_000_000, "it looks again");
    rig.now_ms += 1000;
    rig.due();
    assert!(rig.sent().is_empty(), "the rate is still too high");
    rig.now_ms += u64::from(bytes) * 1000 / BOUND - 1000;
    rig.due();
    let (_, fetch) = rig.sent_fetch();
    assert_eq!(fetch.partitions[0].fetch_offset, 1);
}

#[test]
fn a_partition_that_has_left_the_session_is_not_taken_out_of_it_again() {
    let mut rig = following("0:1");
    rig.replicas.set_throttled_rates(None, None);
    take_batch(&mut rig, 100);
    let (id, _) = rig.sent_fetch();
    rig.replicas.set_throttled_rates(None, Some(BOUND));
    let error = ErrorCode::NotLeaderOrFollower;
    rig.answer_fetch(id, FetchPartitionResponse { error, ..nothing_new(100) });
    let (id, fetch) = rig.sent_fetch();
    assert_eq!(fetch.forgotten, [TP], "it is delayed");
    rig.answer_nothing(id);
    rig.now_ms += 1000;
    rig.due();
    assert!(rig.sent().is_empty(), "the rate is too high now");
}

#[test]
fn a_session_that_has_ended_has_nothing_to_be_taken_out_of_it() {
    let mut rig = following("0:1");
    rig.replicas.set_throttled_rates(None, None);
    take_batch(&mut rig, 100);
    let (id, _) = rig.sent_fetch();
    rig.replicas.set_throttled_rates(None, Some(BOUND));
    let error = ErrorCode::FetchSessionIdNotFound;
    let response = FetchResponse { throttle_ms: 0, error, session_id: 0, partitions: Vec::new() };
    let result = Ok(Response::Fetch(response));
    rig.act(|replicas, step| replicas.fetcher_response(step, id, result));
    assert!(rig.sent().is_empty(), "nothing is asked for while the rate is too high");
    rig.now_ms += 60_000;
    rig.due();
    assert_eq!(rig.sent_fetch().1.partitions.len(), 1);
}

#[test]
fn a_follower_that_is_in_sync_or_not_throttled_goes_on() {
    for (throttled, high_watermark) in [("*", 1), ("", 100), ("0:2,1:1", 100)] {
        let mut rig = following(throttled);
        take_batch(&mut rig, high_watermark);
        let (_, fetch) = rig.sent_fetch();
        assert_eq!(fetch.partitions.len(), 1, "{throttled} {high_watermark}");
    }
}

#[test]
fn a_follower_that_caught_up_before_it_was_throttled_or_was_never_answered_goes_on() {
    let key = "follower.replication.throttled.replicas";
    let mut rig = following("0:1");
    take_batch(&mut rig, 100);
    let (id, _) = rig.sent_fetch();
    rig.answer_nothing(id);
    rig.configure(key, "");
    rig.now_ms += 1000;
    rig.due();
    take_batch(&mut rig, 2);
    let (id, _) = rig.sent_fetch();
    rig.configure(key, "0:1");
    rig.answer_nothing(id);
    let (id, fetch) = rig.sent_fetch();
    assert!(fetch.forgotten.is_empty(), "it has all there is");
    rig.answer_fetch(id, nothing_new(100));
    assert_eq!(rig.sent_fetch().1.forgotten, [TP], "and now it has not");
    rig.elect(3);
    assert_eq!(rig.sent_fetch().1.partitions.len(), 1, "a new leader has not said anything");
}

#[test]
fn a_config_that_cannot_be_read_leaves_the_topics_other_ones_in_force() {
    let mut rig = following("0:1");
    rig.configure("cleanup.policy", "compact");
    rig.configure("follower.replication.throttled.replicas", "first:second");
    assert!(rig.partition().log.config().compaction.is_some());
}
