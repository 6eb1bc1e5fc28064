//! Logs that the process found at its start: nothing is judged by server.properties, as long as no metadata has told
//! what their topics are configured to.

use super::rig::{Rig, TOPIC, TP};
use crate::config::{CleanupPolicy, Ratio, ServerConfig, TopicConfig};
use crate::ids::Offset;
use crate::log::testing::{client, records};
use crate::log::{Log, LogConfig};
use crate::metadata::{ConfigResource, MetadataRecord};
use crate::replica::ReplicaManager;
use crate::seam::{DiskOpKind, Effects, TimerKey};

/// Longer than records are kept, and producers are known, by default.
const EIGHT_DAYS_MS: u64 = 8 * 86_400_000;

/// A broker that has no metadata yet and was away for long. It has found a log of three committed records, each in a
/// segment of its own, of a topic with these configs.
fn restarted(topic: &str, change: impl FnOnce(&mut ServerConfig), configs: &[(&str, &str)]) -> Rig {
    let mut rig = Rig::new(topic, change);
    rig.create(1, &[1]);
    let set = configs.iter().map(|(key, value)| MetadataRecord::Config {
        resource: ConfigResource::Topic(topic.into()),
        key: (*key).into(),
        value: Some((*value).into()),
    });
    rig.apply(&set.chain([MetadataRecord::NoOp]).collect::<Vec<_>>());
    let log = found(&mut rig);
    rig.replicas = ReplicaManager::new(rig.replicas.config.clone(), vec![(log, 3)]);
    rig.effects = Effects::default();
    rig.now_ms += EIGHT_DAYS_MS;
    rig
}

/// What recovery makes of the log.
fn found(rig: &mut Rig) -> Log {
    let mut log = Log::create(TP, LogConfig::kafka_defaults(), 0);
    for _ in 0..3 {
        let batch = records(rig.batch());
        let appended = log.append_as_leader(&batch, client(0), &mut Vec::new()).unwrap();
        log.append_done(appended.number);
        log.roll(&mut Vec::new());
    }
    let server = &rig.replicas.config.server;
    log.set_config(LogConfig::new(&TopicConfig::from_server(server), server));
    log
}

/// The first metadata is applied.
fn learn(rig: &mut Rig) {
    rig.apply(&[MetadataRecord::NoOp]);
}

/// Where the log begins on this disk after a look of retention.
fn looked_at(rig: &mut Rig) -> Offset {
    rig.act(|replicas, step| replicas.retention_due(step));
    rig.partition().log.local_log_start_offset()
}

#[test]
fn nothing_is_deleted_for_its_age_before_it_is_known_how_long_its_topic_keeps_it() {
    let cases: [(&[(&str, &str)], Offset); 4] = [
        (&[], 3),
        (&[("retention.ms", "-1")], 0),
        (&[("retention.ms", "1209600000")], 0),
        (&[("cleanup.policy", "compact")], 0),
    ];
    for (configs, start) in cases {
        let mut rig = restarted("orders", |_| {}, configs);
        assert_eq!(looked_at(&mut rig), 0, "{configs:?}");
        let looks_again = rig.effects.timers.iter().any(|(_, key)| *key == TimerKey::Retention);
        assert!(looks_again);
        learn(&mut rig);
        assert_eq!(looked_at(&mut rig), start, "{configs:?}");
    }
}

#[test]
fn nothing_is_deleted_for_its_size_before_it_is_known_how_much_its_topic_keeps() {
    let keeps_all = [("retention.bytes", "-1"), ("retention.ms", "-1")];
    let nothing = |server: &mut ServerConfig| server.log_retention_bytes = 0;
    let mut rig = restarted("orders", nothing, &keeps_all);
    assert_eq!(looked_at(&mut rig), 0);
    learn(&mut rig);
    assert_eq!(looked_at(&mut rig), 0);
}

#[test]
fn positions_of_groups_stay_whatever_the_brokers_default_is() {
    let mut rig = restarted("__consumer_offsets", |_| {}, &[]);
    assert_eq!(looked_at(&mut rig), 0);
    learn(&mut rig);
    assert_eq!(looked_at(&mut rig), 0, "they are compacted");
}

#[test]
fn a_log_that_may_begin_in_remote_storage_is_judged_no_sooner() {
    let enable = |server: &mut ServerConfig| server.remote_log_storage_system_enable = true;
    let mut rig = restarted("orders", enable, &[("remote.storage.enable", "true")]);
    let slot = rig.replicas.slot(TP).unwrap();
    rig.replicas.partition_mut(slot).unwrap().log.tiering_is_on_record();
    assert_eq!(looked_at(&mut rig), 0);
    rig.act(|replicas, step| replicas.remote_log_due(step));
    assert!(rig.effects.remote.is_empty(), "nothing is copied or deleted there");
    learn(&mut rig);
    assert_eq!(rig.effects.remote.len(), 1, "it asks what is there");
    assert_eq!(looked_at(&mut rig), 0, "nothing that it knows of");
}

#[test]
fn nothing_is_cleaned_before_it_is_known_whether_its_topic_is_compacted() {
    let compacts = |server: &mut ServerConfig| {
        server.log_cleanup_policy = CleanupPolicy::COMPACT;
        server.log_cleaner_min_cleanable_ratio = Ratio::of_text("0").unwrap();
    };
    let cleans = |rig: &mut Rig| {
        rig.act(|replicas, step| {
            replicas.wake_cleaner(step);
            replicas.cleaner_due(step);
        });
        let is_armed = rig.effects.timers.iter().any(|(_, key)| *key == TimerKey::Cleaner);
        is_armed || !rig.effects.disk.is_empty()
    };
    for (policy, expected) in [("delete", false), ("compact", true)] {
        let mut rig = restarted("orders", compacts, &[("cleanup.policy", policy)]);
        assert!(!cleans(&mut rig));
        learn(&mut rig);
        assert_eq!(cleans(&mut rig), expected, "{policy}");
    }
}

/// It may have been set for all brokers to more than server.properties says.
#[test]
fn no_producer_is_forgotten_before_it_is_known_for_how_long_they_are_remembered() {
    let mut rig = restarted("orders", |_| {}, &[]);
    let known = |rig: &mut Rig| {
        rig.act(|replicas, step| replicas.expiry_due(step));
        rig.partition().log.producer_count()
    };
    assert_eq!(known(&mut rig), 1);
    learn(&mut rig);
    assert_eq!(known(&mut rig), 0);
}

#[test]
fn a_log_of_a_topic_that_is_gone_is_set_aside_with_all_that_was_found() {
    let mut rig = restarted("orders", |_| {}, &[]);
    assert_eq!(looked_at(&mut rig), 0);
    rig.apply(&[MetadataRecord::RemoveTopic { id: TOPIC }]);
    rig.act(|replicas, step| replicas.retention_due(step));
    let ops = rig.disk();
    assert!(ops.iter().any(|op| matches!(op, DiskOpKind::SetLogAside { tp } if *tp == TP)));
    assert!(!ops.iter().any(|op| matches!(op, DiskOpKind::DeleteSegments { .. })), "{ops:?}");
}
