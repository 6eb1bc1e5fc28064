//! The log cleaner of a broker: when it looks, how fast it goes, what it notes.

use super::rig::{Rig, TP};
use crate::config::{CleanupPolicy, IoRate, Ratio, ServerConfig};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, Offset};
use crate::log::testing::{MemoryDisk, client};
use crate::log::{Log, LogConfig};
use crate::metadata::{ConfigResource, MetadataRecord};
use crate::protocol::{Acks, ProducePartition, ProduceRequest, Response};
use crate::records::{Batch, Record, Records};
use crate::replica::{AppendOrigin, ReplicaManager, parse_checkpoint};
use crate::seam::{DiskError, DiskOpKind, DiskResult, FileName, TimerKey};
use crate::step::{Owner, ReplyTo, owner_of};
use bytes::Bytes;
use std::sync::Arc;

struct Cleaning {
    rig: Rig,
    disk: MemoryDisk,
    /// How reads fail, if they do.
    damage: Option<DiskError>,
}

fn compacted(server: &mut ServerConfig) {
    server.log_cleanup_policy = CleanupPolicy::COMPACT;
    server.log_cleaner_min_cleanable_ratio = Ratio::of_text("0").unwrap();
    server.log_segment_bytes = 100;
}

impl Cleaning {
    fn new(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut rig = Rig::new("orders", |server| {
            compacted(server);
            change(server);
        });
        rig.create(1, &[1]);
        Self { rig, disk: MemoryDisk::default(), damage: None }
    }

    fn produce(&mut self, key: Option<&'static str>) -> ErrorCode {
        let value = Some(Bytes::from_static(b"value"));
        let record = Record::new(key.map(|key| Bytes::from_static(key.as_bytes())), value);
        let records = Records::single(Arc::new(Batch::build(1, &mut [record])));
        let request = ProduceRequest {
            acks: Acks::All,
            timeout_ms: 30_000,
            partitions: vec![ProducePartition { tp: TP, records }],
        };
        let to = ReplyTo { conn: ConnectionId(1), correlation: CorrelationId(1) };
        let origin = AppendOrigin::Client(to);
        self.rig.act(|replicas, step| replicas.produce(step, origin, request));
        self.settle();
        match self.rig.replies().pop() {
            Some(Response::Produce(answer)) => answer.partitions[0].error,
            other => panic!("{other:?}"),
        }
    }

    /// The disk does what was asked, and what follows from that.
    fn settle(&mut self) {
        while !self.rig.effects.disk.is_empty() {
            let op = self.rig.effects.disk.remove(0);
            let id = op.id;
            let result = match &op.kind {
                DiskOpKind::Read { ranges, .. } => match self.damage {
                    Some(error) => DiskResult::Failed(error),
                    None => DiskResult::Read(vec![self.disk.read(&ranges[0])]),
                },
                DiskOpKind::CreateLog { .. } | DiskOpKind::DeleteLog { .. } => DiskResult::Done,
                kind => {
                    self.disk.apply(std::slice::from_ref(kind));
                    DiskResult::Done
                }
            };
            self.rig.act(|replicas, step| match owner_of(id.0) {
                Some(Owner::Cleaner) => replicas.cleaner_disk_done(step, id, result),
                _ => replicas.disk_done(step, id, &result),
            });
        }
    }

    /// The cleaner's next timer is due, if it has one.
    fn wake(&mut self) -> bool {
        let timers = std::mem::take(&mut self.rig.effects.timers);
        let due = timers.iter().filter(|(_, key)| *key == TimerKey::Cleaner).map(|(at, _)| *at);
        let Some(at) = due.min() else { return false };
        self.rig.now_ms = self.rig.now_ms.max(at.as_nanos().div_ceil(1_000_000));
        self.rig.act(|replicas, step| replicas.cleaner_due(step));
        self.settle();
        true
    }

    /// The topic's `cleanup.policy` becomes another.
    fn set_policy(&mut self, policy: &str) {
        self.rig.apply(&[MetadataRecord::Config {
            resource: ConfigResource::Topic("orders".into()),
            key: "cleanup.policy".into(),
            value: Some(policy.into()),
        }]);
        self.settle();
    }

    /// Timers of the cleaner that are armed.
    fn armed(&self) -> usize {
        self.rig.effects.timers.iter().filter(|(_, key)| *key == TimerKey::Cleaner).count()
    }

    /// Of the batches that have records.
    fn offsets(&self) -> Vec<Offset> {
        let batches = self.disk.batches().into_iter();
        batches.filter(|b| b.header.record_count > 0).map(|b| b.base_offset()).collect()
    }

    fn checkpoint(&self) -> Option<Offset> {
        self.on_record(&FileName::CleanerOffsets)
    }

    fn on_record(&self, file: &FileName) -> Option<Offset> {
        parse_checkpoint(self.disk.files.get(file)?).get(&TP).copied()
    }
}

#[test]
fn a_log_is_cleaned_when_there_is_something_to_clean() {
    let mut cleaning = Cleaning::new(|_| {});
    assert!(!cleaning.wake(), "no timer while all is in the active segment");
    for _ in 0..3 {
        assert_eq!(cleaning.produce(Some("a")), ErrorCode::None);
    }
    assert_eq!(cleaning.produce(None), ErrorCode::InvalidRecord);
    assert_eq!(cleaning.offsets(), [0, 1, 2]);
    assert!(cleaning.wake());
    assert_eq!(cleaning.rig.now_ms, 16_000, "log.cleaner.backoff.ms after the first roll");
    assert_eq!((cleaning.offsets(), cleaning.checkpoint()), (vec![1, 2], Some(2)));
    let work = cleaning.rig.effects.work;
    assert!(work.cleaner_bytes > 0 && work.cleaner_records == 4, "{work:?}");
    assert!(cleaning.wake(), "it looks again as long as there is more than the active segment");
    assert_eq!(cleaning.offsets(), [1, 2]);
}

#[test]
fn what_is_cleaned_is_on_record_as_flushed() {
    let mut cleaning = Cleaning::new(|_| {});
    for _ in 0..3 {
        cleaning.produce(Some("a"));
    }
    assert_eq!(cleaning.on_record(&FileName::RecoveryPoints), None, "no timer was due");
    assert!(cleaning.wake());
    assert_eq!(cleaning.checkpoint(), Some(2));
    assert_eq!(cleaning.on_record(&FileName::RecoveryPoints), Some(2));
}

#[test]
fn a_damaged_log_is_cleaned_no_more_and_a_failed_volume_ends_the_broker() {
    for (error, ends) in [(DiskError::Corrupt, false), (DiskError::Io, true)] {
        let mut cleaning = Cleaning::new(|_| {});
        for _ in 0..3 {
            cleaning.produce(Some("a"));
        }
        cleaning.damage = Some(error);
        assert!(cleaning.wake());
        assert_eq!(cleaning.rig.effects.exit.is_some(), ends, "{error:?}");
        if !ends {
            cleaning.damage = None;
            assert_eq!(cleaning.produce(Some("a")), ErrorCode::None);
            cleaning.wake();
            assert_eq!(cleaning.offsets(), [0, 1, 2, 3]);
        }
    }
}

#[test]
fn damage_that_an_abandoned_pass_met_says_nothing_about_the_one_after_it() {
    let mut cleaning = Cleaning::new(|_| {});
    let begin = |cleaning: &mut Cleaning| {
        cleaning.produce(Some("a"));
        cleaning.produce(Some("a"));
        cleaning.rig.act(|replicas, step| replicas.cleaner_due(step));
        assert!(cleaning.rig.replicas.is_being_cleaned(TP));
        cleaning.rig.effects.disk.pop().expect("it reads").id
    };
    let fail = |cleaning: &mut Cleaning, id| {
        let result = DiskResult::Failed(DiskError::Corrupt);
        cleaning.rig.act(|replicas, step| replicas.cleaner_disk_done(step, id, result));
        cleaning.settle();
        assert_eq!(cleaning.rig.effects.exit, None);
        cleaning.rig.replicas.is_being_cleaned(TP)
    };
    let old = begin(&mut cleaning);
    cleaning.rig.act(|replicas, step| replicas.truncate(step, 0, 1));
    cleaning.settle();
    assert!(!fail(&mut cleaning, old), "there is no pass");
    let new = begin(&mut cleaning);
    assert!(fail(&mut cleaning, old), "the pass goes on");
    assert!(!fail(&mut cleaning, new));
}

#[test]
fn a_cleaner_keeps_to_its_speed_limit_and_survives_what_happens_meanwhile() {
    let slow = |server: &mut ServerConfig| {
        server.log_cleaner_io_rate_max = IoRate { bytes_per_second: Some(10) };
    };
    let mut cleaning = Cleaning::new(slow);
    for _ in 0..4 {
        cleaning.produce(Some("a"));
    }
    assert!(cleaning.wake());
    let mut waits = 0;
    while cleaning.checkpoint().is_none() {
        assert!(cleaning.wake());
        waits += 1;
    }
    assert!(waits >= 3, "{waits}");
    let seconds = cleaning.rig.now_ms / 1000 - 16;
    assert!(seconds >= 30, "more than 300 bytes at 10 bytes a second took {seconds} s");
    for _ in 0..2 {
        cleaning.produce(Some("a"));
    }
    cleaning.wake();
    cleaning.rig.act(|replicas, step| replicas.truncate(step, 0, 2));
    cleaning.settle();
    assert_eq!(cleaning.checkpoint(), Some(2), "what was clean is dirty again");
    assert!(cleaning.disk.cleaned.is_none());
    cleaning.wake();
}

#[test]
fn a_topic_that_is_no_longer_compacted_is_left_alone_and_may_be_compacted_again() {
    let mut cleaning = Cleaning::new(|server| {
        server.log_cleaner_io_rate_max = IoRate { bytes_per_second: Some(10) };
    });
    for _ in 0..4 {
        cleaning.produce(Some("a"));
    }
    assert!(cleaning.wake() && cleaning.wake());
    assert_eq!(cleaning.armed(), 1, "the speed limit holds a pass");
    cleaning.set_policy("delete");
    assert!(!cleaning.rig.replicas.is_being_cleaned(TP));
    assert!(cleaning.wake() && !cleaning.wake(), "the limit's timer finds nothing");
    assert_eq!((cleaning.offsets(), cleaning.checkpoint()), (vec![0, 1, 2, 3], None));
    cleaning.set_policy("compact");
    while cleaning.checkpoint().is_none() {
        assert!(cleaning.wake(), "the cleaner goes on");
    }
    assert_eq!(cleaning.offsets(), [2, 3]);
}

#[test]
fn a_pass_that_ends_while_its_limit_holds_it_arms_no_second_timer() {
    let mut cleaning = Cleaning::new(|server| {
        server.log_cleaner_io_rate_max = IoRate { bytes_per_second: Some(10) };
    });
    for _ in 0..4 {
        cleaning.produce(Some("a"));
    }
    assert!(cleaning.wake() && cleaning.wake());
    assert_eq!(cleaning.armed(), 1, "the speed limit holds a pass");
    cleaning.rig.act(|replicas, step| replicas.truncate(step, 0, 3));
    cleaning.settle();
    assert!(!cleaning.rig.replicas.is_being_cleaned(TP));
    assert_eq!(cleaning.armed(), 1);
}

#[test]
fn logs_found_at_the_start_are_cleaned_though_the_metadata_has_no_config() {
    let mut rig = Rig::new("orders", compacted);
    rig.create(1, &[1]);
    let mut log = Log::create(TP, LogConfig::kafka_defaults(), 0);
    for _ in 0..3 {
        let batch = Records::single(Arc::new(rig.batch()));
        let appended = log.append_as_leader(&batch, client(1), &mut Vec::new()).unwrap();
        log.append_done(appended.number);
        log.roll(&mut Vec::new());
    }
    rig.replicas = ReplicaManager::new(rig.replicas.config.clone(), vec![(log, 0)]);
    rig.effects.timers.clear();
    rig.apply(&[MetadataRecord::NoOp]);
    assert!(rig.partition().log.config().compaction.is_some());
    let cleaning = Cleaning { rig, disk: MemoryDisk::default(), damage: None };
    assert_eq!(cleaning.armed(), 1);
}

#[test]
fn nothing_is_cleaned_where_the_cleaner_is_off() {
    let mut cleaning = Cleaning::new(|server| server.log_cleaner_enable = false);
    for _ in 0..3 {
        cleaning.produce(Some("a"));
    }
    assert!(!cleaning.wake());
    assert_eq!(cleaning.offsets(), [0, 1, 2]);
    for before in [-1, 99] {
        let refused = cleaning.rig.act(|replicas, step| replicas.delete_records(step, TP, before));
        assert_eq!(refused, Err(ErrorCode::PolicyViolation), "whatever the offset");
    }
}
