//! Configs of brokers that change while they run.

use super::rig::Rig;
use crate::config::{ServerConfig, TopicConfig};
use crate::effective::{Dynamic, of_broker, of_topic};
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::metadata::ConfigResource;
use crate::protocol::{
    AlterConfigsRequest, AlteredResource, ConfigChange, ConfigEntry, ConfigOp, ConfigSource,
    ConfigTarget, Request, Response,
};

impl Rig {
    fn set(&mut self, broker: &str, key: &str, value: Option<&str>) -> ErrorCode {
        let op = if value.is_some() { ConfigOp::Set } else { ConfigOp::Delete };
        let change = ConfigChange { key: key.into(), op, value: value.map(Into::into) };
        let target = ConfigTarget { kind: ConfigTarget::BROKER, name: broker.into() };
        let resource = AlteredResource { target, replace: false, changes: vec![change] };
        let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
        match self.ask(Request::AlterConfigs(request)) {
            Response::AlterConfigs(answer) => answer.resources[0].error,
            other => panic!("{other:?}"),
        }
    }

    /// What topics of a broker inherit.
    fn inherited(&self, broker: i32) -> TopicConfig {
        let dynamic = Dynamic::of(self.controller.image(), NodeId(broker));
        TopicConfig::from_server(&dynamic.over(&ServerConfig::kafka_defaults()))
    }
}

#[test]
fn what_is_set_for_one_broker_counts_more_than_what_is_set_for_all() {
    let mut rig = Rig::with_brokers(2);
    let key = "log.retention.ms";
    assert_eq!(rig.set("", key, Some("1000")), ErrorCode::None);
    assert_eq!(rig.set("2", key, Some("2000")), ErrorCode::None);
    let both = |rig: &Rig| [1, 2].map(|broker| rig.inherited(broker).retention_ms);
    assert_eq!(both(&rig), [1000, 2000]);
    assert_eq!(rig.set("2", key, None), ErrorCode::None);
    assert_eq!(both(&rig), [1000, 1000]);
    assert_eq!(rig.set("", key, None), ErrorCode::None);
    assert_eq!(both(&rig), [604_800_000; 2]);
}

#[test]
fn what_cannot_change_is_refused() {
    let mut rig = Rig::with_brokers(2);
    assert_eq!(rig.set("1", "listeners", Some("PLAINTEXT://:9092")), ErrorCode::InvalidRequest);
    assert_eq!(rig.set("1", "compression.type", Some("gzip")), ErrorCode::InvalidRequest);
    let rate = "log.cleaner.io.max.bytes.per.second";
    assert_eq!(rig.set("1", rate, Some("0")), ErrorCode::InvalidConfig);
    assert_eq!(rig.set("1", "max.connections", Some("-1")), ErrorCode::InvalidConfig);
    assert_eq!(rig.set("1", "num.partitions", Some("9")), ErrorCode::InvalidRequest);
    assert_eq!(rig.set("one", "log.retention.ms", Some("9")), ErrorCode::InvalidRequest);
    assert_eq!(rig.set("1", "log.retention.ms", Some("soon")), ErrorCode::InvalidConfig);
    assert_eq!(rig.set("1", "min.insync.replicas", Some("0")), ErrorCode::InvalidConfig);
    let throttle = "leader.replication.throttled.rate";
    assert_eq!(rig.set("1", throttle, None), ErrorCode::None, "it never was");
}

#[test]
fn the_source_of_each_value_is_told() {
    let mut rig = Rig::with_brokers(2);
    let (all, own) = ("log.retention.bytes", "message.max.bytes");
    assert_eq!(rig.set("", all, Some("5000000")), ErrorCode::None);
    assert_eq!(rig.set("1", own, Some("2000")), ErrorCode::None);
    let server = ServerConfig::kafka_defaults();
    let dynamic = Dynamic::of(rig.controller.image(), NodeId(1));
    let find = |entries: Vec<ConfigEntry>, key: &str| {
        let found = entries.into_iter().find(|entry| entry.key == key).unwrap();
        (found.value.to_string(), found.source, found.read_only)
    };
    let of_all = ("5000000".to_owned(), ConfigSource::AllBrokers, false);
    let of_one = ("2000".to_owned(), ConfigSource::Broker, false);
    assert_eq!(find(of_broker(&server, dynamic), all), of_all);
    assert_eq!(find(of_broker(&server, dynamic), own), of_one);
    assert_eq!(find(of_topic(&server, dynamic, None), "retention.bytes"), of_all);
    assert_eq!(find(of_topic(&server, dynamic, None), "max.message.bytes"), of_one);
    let fixed = find(of_broker(&server, dynamic), "replica.fetch.max.bytes");
    assert_eq!((fixed.1, fixed.2), (ConfigSource::Default, true));
    let threads = find(of_broker(&server, dynamic), "num.io.threads");
    assert_eq!((threads.1, threads.2), (ConfigSource::Default, false));
    let listed = dynamic.entries_of_all();
    assert_eq!((listed.len(), &*listed[0].key), (1, all));
}

#[test]
fn topics_with_remote_storage_inherit_nothing_that_would_turn_it_off() {
    let mut rig = Rig::with_brokers(1);
    let (policy, tiered) = ("log.cleanup.policy", ("remote.storage.enable", "true"));
    rig.controller.server.remote_log_storage_system_enable = true;
    rig.create_on(&[1], &[]);
    assert_eq!(rig.set("", policy, Some("compact")), ErrorCode::None, "nothing is tiered");
    let placement = crate::protocol::Placement::Manual(vec![vec![NodeId(1)]]);
    let refused = rig.create("tiered", placement, &[tiered]);
    assert_eq!(refused, Err(ErrorCode::InvalidConfig), "it would be compacted");
    assert_eq!(rig.set("", policy, None), ErrorCode::None);
    rig.create_on(&[1], &[tiered]);
    for broker in ["", "1"] {
        assert_eq!(rig.set(broker, policy, Some("compact,delete")), ErrorCode::InvalidConfig);
        assert_eq!(rig.set(broker, "log.retention.ms", Some("1000")), ErrorCode::None);
    }
    assert_eq!(rig.set("", "log.local.retention.ms", Some("2000")), ErrorCode::InvalidConfig);
}

#[test]
fn topics_with_remote_storage_go_with_what_a_broker_has_of_its_own_and_what_is_set_for_all() {
    let mut rig = Rig::with_brokers(1);
    rig.controller.server.remote_log_storage_system_enable = true;
    rig.create_on(&[1], &[("remote.storage.enable", "true")]);
    let (whole, local) = ("log.retention.ms", "log.local.retention.ms");
    assert_eq!(rig.set("1", local, Some("2000")), ErrorCode::None);
    assert_eq!(rig.set("", whole, Some("1999")), ErrorCode::InvalidConfig, "broker 1 keeps more");
    assert_eq!(rig.set("", whole, Some("2000")), ErrorCode::None);
    assert_eq!(rig.set("1", whole, Some("5000")), ErrorCode::None);
    assert_eq!(rig.set("", whole, Some("1000")), ErrorCode::None, "broker 1 has its own of both");
}

#[test]
fn what_no_topic_inherits_changes_too_and_only_what_is_set_is_shown_of_throttles() {
    let mut rig = Rig::with_brokers(2);
    let (throttle, pause) = ("leader.replication.throttled.rate", "log.cleaner.backoff.ms");
    let shown = |rig: &Rig, key: &str| {
        let dynamic = Dynamic::of(rig.controller.image(), NodeId(1));
        let entries = of_broker(&ServerConfig::kafka_defaults(), dynamic);
        let found = entries.into_iter().find(|entry| entry.key == key);
        found.map(|entry| (entry.value.to_string(), entry.source))
    };
    assert_eq!(shown(&rig, throttle), None);
    assert_eq!(rig.set("1", throttle, Some("1000")), ErrorCode::None);
    assert_eq!(rig.set("", pause, Some("7")), ErrorCode::None);
    assert_eq!(shown(&rig, throttle), Some(("1000".to_owned(), ConfigSource::Broker)));
    assert_eq!(shown(&rig, pause), Some(("7".to_owned(), ConfigSource::AllBrokers)));
    let dynamic = Dynamic::of(rig.controller.image(), NodeId(1));
    assert_eq!(dynamic.rate(throttle), Some(1000));
    let server = dynamic.over(&ServerConfig::kafka_defaults());
    assert_eq!(server.log_cleaner_backoff.as_millis(), 7);
}

#[test]
fn pools_of_threads_grow_and_shrink_step_by_step() {
    let mut rig = Rig::with_brokers(2);
    let mut set = |value: &str| rig.set("", "num.io.threads", Some(value));
    assert_eq!(set("17"), ErrorCode::InvalidRequest);
    assert_eq!(set("16"), ErrorCode::None);
    assert_eq!(set("32"), ErrorCode::None);
    assert_eq!(set("15"), ErrorCode::InvalidRequest);
    assert_eq!(set("0"), ErrorCode::InvalidConfig);
    assert_eq!(rig.set("", "num.io.threads", None), ErrorCode::InvalidRequest, "from 32 to 8");
    assert_eq!(rig.set("", "num.io.threads", Some("16")), ErrorCode::None);
    assert_eq!(rig.set("", "num.io.threads", None), ErrorCode::None);
}

#[test]
fn pools_that_are_not_there_change_as_if_they_were() {
    let mut rig = Rig::with_brokers(2);
    let key = "background.threads";
    assert_eq!(rig.set("", key, Some("21")), ErrorCode::InvalidRequest);
    assert_eq!(rig.set("", key, Some("20")), ErrorCode::None);
    assert_eq!(rig.set("1", key, Some("9")), ErrorCode::InvalidRequest, "less than half of 20");
    assert_eq!(rig.set("1", key, Some("40")), ErrorCode::None);
    assert_eq!(rig.set("", key, Some("0")), ErrorCode::InvalidConfig);
    assert_eq!(rig.set("1", "log.cleaner.threads", Some("2")), ErrorCode::None);
    assert_eq!(rig.set("1", "log.cleaner.threads", Some("5")), ErrorCode::InvalidRequest);
}

/// Kafka's `DynamicConfig.Broker.validate`: plugins may have configs of their own.
#[test]
fn what_nobody_knows_is_kept() {
    let mut rig = Rig::with_brokers(2);
    for broker in ["", "1"] {
        assert_eq!(rig.set(broker, "foo.bar", Some(" x")), ErrorCode::None, "{broker}");
    }
    let image = rig.controller.image();
    let own = image.configs(&ConfigResource::Broker(NodeId(1))).unwrap();
    assert_eq!(own.get("foo.bar").map(|value| &**value), Some("x"));
    assert_eq!(rig.set("1", "foo.bar", None), ErrorCode::None);
    assert_eq!(rig.controller.image().configs(&ConfigResource::Broker(NodeId(1))), None);
    for fixed in ["unstable.api.versions.enable", "queued.max.requests"] {
        assert_eq!(rig.set("1", fixed, Some("1")), ErrorCode::InvalidRequest, "{fixed}");
    }
}

#[test]
fn a_topic_is_checked_with_what_the_same_request_has_set_for_all_brokers() {
    let mut rig = Rig::with_brokers(1);
    rig.controller.server.remote_log_storage_system_enable = true;
    let placement = crate::protocol::Placement::Manual(vec![vec![NodeId(1)]]);
    rig.create("a", placement, &[]).unwrap();
    let set = |kind, name: &str, key: &str, value: &str| {
        let op = ConfigOp::Set;
        let change = ConfigChange { key: key.into(), op, value: Some(value.into()) };
        let target = ConfigTarget { kind, name: name.into() };
        AlteredResource { target, replace: false, changes: vec![change] }
    };
    let resources = vec![
        set(ConfigTarget::BROKER, "", "log.cleanup.policy", "compact"),
        set(ConfigTarget::TOPIC, "a", "remote.storage.enable", "true"),
    ];
    let request = AlterConfigsRequest { resources, validate_only: false };
    let answer = match rig.ask(Request::AlterConfigs(request)) {
        Response::AlterConfigs(answer) => answer,
        other => panic!("{other:?}"),
    };
    let errors: Vec<_> = answer.resources.iter().map(|altered| altered.error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::InvalidConfig], "it would be compacted");
}

impl Rig {
    /// What is said of a change of broker 1.
    fn refusal(&mut self, key: &str, value: &str) -> String {
        let change = ConfigChange { key: key.into(), op: ConfigOp::Set, value: Some(value.into()) };
        let target = ConfigTarget { kind: ConfigTarget::BROKER, name: "1".into() };
        let resource = AlteredResource { target, replace: false, changes: vec![change] };
        let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
        match self.ask(Request::AlterConfigs(request)) {
            Response::AlterConfigs(answer) => {
                answer.resources[0].message.as_deref().unwrap_or("").to_owned()
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refusal_says_which_kind_of_key_it_is_under_the_brokers_name_of_it() {
    let mut rig = Rig::with_brokers(2);
    for (key, value, why) in [
        ("compression.type", "gzip", "Config compression.type can be changed in Kafka, but has no"),
        ("node.id", "5", "Config node.id cannot be changed while brokers run."),
        ("log.retention.ms", "-5", "Invalid value -5 for configuration log.retention.ms: "),
        ("message.max.bytes", "x", "Invalid value x for configuration message.max.bytes: "),
        ("min.insync.replicas", "0", "Invalid value 0 for configuration min.insync.replicas: "),
    ] {
        let said = rig.refusal(key, value);
        assert!(said.starts_with(why), "{said}");
    }
    assert_eq!(rig.refusal("log.retention.ms", "5"), "");
}

#[test]
fn the_smallest_compaction_lag_of_brokers_is_not_above_the_largest() {
    let mut rig = Rig::with_brokers(2);
    let (min, max) = ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
    assert_eq!(rig.set("", max, Some("1000")), ErrorCode::None);
    for broker in ["", "1"] {
        assert_eq!(rig.set(broker, min, Some("1001")), ErrorCode::InvalidConfig);
        assert_eq!(rig.set(broker, min, Some("1000")), ErrorCode::None);
    }
    assert_eq!(rig.set("1", max, Some("999")), ErrorCode::InvalidConfig);
}

#[test]
fn what_is_set_for_all_brokers_goes_with_what_one_has_of_its_own() {
    let mut rig = Rig::with_brokers(2);
    let (min, max) = ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
    assert_eq!(rig.set("1", min, Some("1000")), ErrorCode::None);
    assert_eq!(rig.set("", max, Some("500")), ErrorCode::InvalidConfig);
    assert_eq!(rig.set("", max, Some("1000")), ErrorCode::None);
    assert_eq!(rig.set("1", min, None), ErrorCode::None);
    assert_eq!(rig.set("", max, Some("500")), ErrorCode::None);
}

#[test]
fn configs_that_did_not_go_together_before_hold_no_other_change_up() {
    let mut rig = Rig::with_brokers(2);
    let (min, throttle) =
        ("log.cleaner.min.compaction.lag.ms", "leader.replication.throttled.rate");
    assert_eq!(rig.set("1", min, Some("1000")), ErrorCode::None);
    assert_eq!(rig.set("1", throttle, Some("7")), ErrorCode::None);
    rig.controller.server.log_cleaner_max_compaction_lag_ms = 500;
    assert_eq!(rig.set("1", throttle, None), ErrorCode::None);
    assert_eq!(rig.set("", "log.retention.ms", Some("1000")), ErrorCode::None);
    assert_eq!(rig.set("1", min, None), ErrorCode::None);
    assert_eq!(rig.set("1", min, Some("1000")), ErrorCode::InvalidConfig, "it is sound by now");
}

#[test]
fn whoever_has_configs_of_its_own_is_registered_or_a_controller() {
    let mut rig = Rig::with_brokers(1);
    let controller = rig.controller.node.0.to_string();
    let key = "log.retention.ms";
    for (node, error) in [
        ("1", ErrorCode::None),
        (controller.as_str(), ErrorCode::None),
        ("", ErrorCode::None),
        ("7", ErrorCode::BrokerIdNotRegistered),
    ] {
        assert_eq!(rig.set(node, key, Some("1000")), error, "{node}");
        assert_eq!(rig.set(node, key, None), error, "{node}");
    }
    assert_eq!(rig.set("7", key, Some("soon")), ErrorCode::InvalidConfig, "that is said first");
}
