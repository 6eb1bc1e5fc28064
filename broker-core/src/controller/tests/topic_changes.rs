use super::rig::{Rig, nodes};
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::metadata::ConfigResource;
use crate::protocol::{
    AlterConfigsRequest, AlteredResource, ConfigChange, ConfigOp, ConfigTarget,
    CreatePartitionsRequest, DeleteTopicsRequest, NewPartitions, Placement, Request, Response,
    TopicRef,
};

fn automatic(partitions: i32, replication_factor: i16) -> Placement {
    Placement::Automatic { partitions, replication_factor }
}

fn delete(rig: &mut Rig, topics: Vec<TopicRef>) -> Vec<(Option<String>, ErrorCode)> {
    match rig.ask(Request::DeleteTopics(DeleteTopicsRequest { topics })) {
        Response::DeleteTopics(answer) => {
            let told = answer.topics.into_iter();
            told.map(|topic| (topic.name.map(|name| name.to_string()), topic.error)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn topics_go_by_name_or_id_with_their_configs_and_their_names_are_free() {
    let mut rig = Rig::with_brokers(1);
    let a = rig.create("a", automatic(2, 1), &[("retention.ms", "1000")]).unwrap();
    let b = rig.create("b", automatic(1, 1), &[]).unwrap();
    let gone = delete(
        &mut rig,
        vec![
            TopicRef::Name("a".into()),
            TopicRef::Id(b),
            TopicRef::Name("c".into()),
            TopicRef::Id(TopicId(9)),
            TopicRef::Name("d".into()),
            TopicRef::Name("d".into()),
        ],
    );
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(
        gone,
        [
            // named twice: neither is believed
            (Some("d".to_owned()), ErrorCode::InvalidRequest),
            (Some("a".to_owned()), ErrorCode::None),
            (Some("b".to_owned()), ErrorCode::None),
            (Some("c".to_owned()), unknown),
            (None, ErrorCode::UnknownTopicId),
        ]
    );
    assert_eq!(rig.controller.image().topics().count(), 0);
    let again = rig.create("a", automatic(1, 1), &[]).unwrap();
    assert_ne!(again, a);
    assert!(rig.overrides("a").is_empty());
}

#[test]
fn deletion_can_be_forbidden() {
    let mut rig = Rig::with_brokers(1);
    rig.controller.server.delete_topic_enable = false;
    rig.create("a", automatic(1, 1), &[]).unwrap();
    let refused = delete(&mut rig, vec![TopicRef::Name("a".into())]);
    assert_eq!(refused[0].1, ErrorCode::TopicDeletionDisabled);
    let missing = delete(&mut rig, vec![TopicRef::Name("b".into())]);
    assert_eq!(missing[0].1, ErrorCode::TopicDeletionDisabled, "nobody looks for it");
}

/// Kafka's `ControllerApis.deleteTopics`.
#[test]
fn of_topics_that_a_request_names_twice_none_goes() {
    let mut rig = Rig::with_brokers(1);
    let a = rig.create("a", automatic(1, 1), &[]).unwrap();
    let b = rig.create("b", automatic(1, 1), &[]).unwrap();
    let (name, id) = (|name: &str| TopicRef::Name(name.into()), TopicRef::Id);
    let (invalid, named) = (ErrorCode::InvalidRequest, |name: &str| Some(name.to_owned()));
    let told = delete(&mut rig, vec![id(a), id(b), id(a)]);
    assert_eq!(told, [(None, invalid), (named("b"), ErrorCode::None)]);
    let told = delete(&mut rig, vec![id(a), name("a")]);
    assert_eq!(told, [(named("a"), invalid)], "one answer for both");
    let told = delete(&mut rig, vec![id(a), name("a"), id(a)]);
    assert_eq!(told, [(None, invalid), (named("a"), invalid)]);
    assert_eq!(delete(&mut rig, vec![id(TopicId(0))]), [(None, invalid)]);
    assert_eq!(rig.controller.image().topics().count(), 1);
    let told = delete(&mut rig, vec![name("a"), id(a), name("a")]);
    assert_eq!(told, [(named("a"), invalid), (named("a"), ErrorCode::None)], "by its id alone");
}

fn extend(
    rig: &mut Rig,
    name: &str,
    count: i32,
    assignments: Option<&[&[i32]]>,
    validate_only: bool,
) -> ErrorCode {
    let assignments = assignments.map(|all| all.iter().map(|list| nodes(list)).collect());
    let topics = vec![NewPartitions { name: name.into(), count, assignments }];
    let request = CreatePartitionsRequest { topics, validate_only };
    match rig.ask(Request::CreatePartitions(request)) {
        Response::CreatePartitions(answer) => answer.topics[0].1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn topics_get_more_partitions_with_as_many_replicas() {
    let mut rig = Rig::with_brokers(3);
    let id = rig.create("a", automatic(2, 2), &[]).unwrap();
    for (name, count, given, error) in [
        ("b", 3, None, ErrorCode::UnknownTopicOrPartition),
        ("a", 2, None, ErrorCode::InvalidPartitions),
        ("a", 1, None, ErrorCode::InvalidPartitions),
        ("a", -1, None, ErrorCode::InvalidPartitions),
        ("a", 200_000, None, ErrorCode::InvalidPartitions),
        ("a", 4, Some(&[&[1, 2][..]][..]), ErrorCode::InvalidReplicaAssignment),
        ("a", 3, Some(&[&[1][..]][..]), ErrorCode::InvalidReplicaAssignment),
        ("a", 3, Some(&[&[1, 9][..]][..]), ErrorCode::InvalidReplicaAssignment),
    ] {
        assert_eq!(extend(&mut rig, name, count, given, false), error, "{name} {count}");
    }
    assert_eq!(extend(&mut rig, "a", 5, None, true), ErrorCode::None);
    let count = |rig: &Rig| rig.controller.image().topic(id).unwrap().partitions.len();
    assert_eq!(count(&rig), 2, "it was only asked whether they could be");
    assert_eq!(extend(&mut rig, "a", 5, None, false), ErrorCode::None);
    assert_eq!(extend(&mut rig, "a", 6, Some(&[&[3, 1]]), false), ErrorCode::None);
    assert_eq!(count(&rig), 6);
    let partitions = &rig.controller.image().topic(id).unwrap().partitions;
    assert!(partitions.iter().all(|p| p.replicas.len() == 2 && p.leader.is_some()));
    assert_eq!((partitions[5].leader, &partitions[5].replicas), (Some(NodeId(3)), &nodes(&[3, 1])));
}

/// Changes of topic `a`; what was said, and the overrides after it.
fn alter(
    rig: &mut Rig,
    replace: bool,
    changes: &[(&str, ConfigOp, Option<&str>)],
) -> (ErrorCode, Vec<(String, String)>) {
    let target = ConfigTarget { kind: ConfigTarget::TOPIC, name: "a".into() };
    alter_of(rig, target, replace, changes)
}

/// What is said of changes, and why.
fn told_of(
    rig: &mut Rig,
    target: ConfigTarget,
    replace: bool,
    changes: &[(&str, ConfigOp, Option<&str>)],
) -> (ErrorCode, String) {
    let change = |(key, op, value): &(&str, ConfigOp, Option<&str>)| ConfigChange {
        key: (*key).into(),
        op: *op,
        value: value.map(Into::into),
    };
    let changes = changes.iter().map(change).collect();
    let resources = vec![AlteredResource { target, replace, changes }];
    let request = AlterConfigsRequest { resources, validate_only: false };
    match rig.ask(Request::AlterConfigs(request)) {
        Response::AlterConfigs(answer) => {
            let only = &answer.resources[0];
            assert_eq!(only.message.is_some(), !only.error.is_ok(), "errors are explained");
            (only.error, only.message.as_deref().unwrap_or_default().to_owned())
        }
        other => panic!("{other:?}"),
    }
}

fn alter_of(
    rig: &mut Rig,
    target: ConfigTarget,
    replace: bool,
    changes: &[(&str, ConfigOp, Option<&str>)],
) -> (ErrorCode, Vec<(String, String)>) {
    let (error, _) = told_of(rig, target, replace, changes);
    (error, rig.overrides("a").into_iter().collect())
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn configs_are_set_deleted_and_lists_extended() {
    let mut rig = Rig::with_brokers(1);
    rig.create("a", automatic(1, 1), &[("retention.ms", "1000")]).unwrap();
    let policy = "cleanup.policy";
    let set = alter(
        &mut rig,
        false,
        &[
            ("segment.bytes", ConfigOp::Set, Some("20000")),
            (policy, ConfigOp::Append, Some("compact")),
        ],
    );
    let expected =
        pairs(&[(policy, "delete,compact"), ("retention.ms", "1000"), ("segment.bytes", "20000")]);
    assert_eq!(set, (ErrorCode::None, expected));
    let taken = alter(
        &mut rig,
        false,
        &[(policy, ConfigOp::Subtract, Some("delete")), ("retention.ms", ConfigOp::Delete, None)],
    );
    let expected = pairs(&[(policy, "compact"), ("segment.bytes", "20000")]);
    assert_eq!(taken, (ErrorCode::None, expected));
    let replaced = alter(&mut rig, true, &[("retention.ms", ConfigOp::Set, Some("5"))]);
    assert_eq!(replaced, (ErrorCode::None, pairs(&[("retention.ms", "5")])));
}

#[test]
fn impossible_configs_are_refused_and_change_nothing() {
    let mut rig = Rig::with_brokers(1);
    rig.create("a", automatic(1, 1), &[]).unwrap();
    let end = rig.solo.raft.log_end_offset();
    let good = ("retention.ms", ConfigOp::Set, Some("5"));
    for (bad, error) in [
        (("retention.ms", ConfigOp::Set, Some("6")), ErrorCode::InvalidRequest),
        (("segment.ms", ConfigOp::Set, None), ErrorCode::InvalidRequest),
        (("segment.ms", ConfigOp::Set, Some("0")), ErrorCode::InvalidConfig),
        (("segment.ms", ConfigOp::Append, Some("1")), ErrorCode::InvalidConfig),
        (("cleanup.policy", ConfigOp::Subtract, Some("delete")), ErrorCode::InvalidConfig),
        (("retention.minutes", ConfigOp::Set, Some("1")), ErrorCode::InvalidConfig),
    ] {
        assert_eq!(alter(&mut rig, false, &[good, bad]), (error, Vec::new()), "{bad:?}");
    }
    for (kind, name, error) in [
        (ConfigTarget::TOPIC, "b", ErrorCode::UnknownTopicOrPartition),
        (ConfigTarget::BROKER, "one", ErrorCode::InvalidRequest),
        (ConfigTarget::CLIENT_METRICS, "", ErrorCode::InvalidRequest),
        (ConfigTarget::CLIENT_METRICS, "m", ErrorCode::InvalidRequest),
        (99, "1", ErrorCode::InvalidRequest),
    ] {
        let target = ConfigTarget { kind, name: name.into() };
        assert_eq!(alter_of(&mut rig, target, false, &[good]).0, error, "{kind} {name}");
    }
    // nothing of a broker's is set, so nothing has to be deleted
    let target = ConfigTarget { kind: ConfigTarget::BROKER, name: "1".into() };
    let delete = ("leader.replication.throttled.rate", ConfigOp::Delete, None);
    assert_eq!(alter_of(&mut rig, target, false, &[delete]).0, ErrorCode::None);
    assert_eq!(rig.solo.raft.log_end_offset(), end);
}

/// Kafka's `ConfigAdminManager.preprocess` on the broker that is asked, then the controller's `validateAlterConfig`.
#[test]
fn what_is_wrong_with_changes_is_said_in_kafkas_order_and_words() {
    let mut rig = Rig::with_brokers(1);
    rig.create("a", automatic(1, 1), &[]).unwrap();
    let good = ("retention.ms", ConfigOp::Set, Some("5"));
    let foreign = ("nope", ConfigOp::Set, Some("1"));
    let null = ("segment.ms", ConfigOp::Set, None);
    let added = ("segment.ms", ConfigOp::Append, Some("1"));
    let odd = "Topic name is invalid: 'a/b' contains one or more characters other than ASCII \
               alphanumerics, '.', '_' and '-'";
    for (name, changes, error, why) in [
        ("b", &[good, good][..], ErrorCode::InvalidRequest, "Error due to duplicate config keys"),
        (
            "b",
            &[foreign, null],
            ErrorCode::InvalidRequest,
            "Null value not supported for : segment.ms",
        ),
        ("", &[good], ErrorCode::InvalidRequest, "Default topic resources are not allowed."),
        ("a/b", &[good], ErrorCode::InvalidTopic, odd),
        ("b", &[foreign], ErrorCode::InvalidConfig, "Unknown topic config name: nope"),
        ("b", &[good], ErrorCode::UnknownTopicOrPartition, "The topic 'b' does not exist."),
        (
            "a",
            &[added],
            ErrorCode::InvalidConfig,
            "Can't APPEND to key segment.ms because its type is not LIST.",
        ),
        ("a", &[("nope", ConfigOp::Delete, None)], ErrorCode::None, ""),
    ] {
        let target = ConfigTarget { kind: ConfigTarget::TOPIC, name: name.into() };
        assert_eq!(told_of(&mut rig, target, false, changes), (error, why.to_owned()), "{name}");
    }
}

#[test]
fn the_smallest_compaction_lag_is_not_above_the_largest() {
    let mut rig = Rig::with_brokers(1);
    let (low, high) = (("max.compaction.lag.ms", "100"), ("min.compaction.lag.ms", "101"));
    assert_eq!(rig.create("a", automatic(1, 1), &[low, high]), Err(ErrorCode::InvalidConfig));
    rig.create("a", automatic(1, 1), &[low]).unwrap();
    let (set, min) = (ConfigOp::Set, "min.compaction.lag.ms");
    assert_eq!(alter(&mut rig, false, &[(min, set, Some("101"))]).0, ErrorCode::InvalidConfig);
    assert_eq!(alter(&mut rig, false, &[(min, set, Some("100"))]).0, ErrorCode::None);
    let lower = ("max.compaction.lag.ms", set, Some("50"));
    assert_eq!(alter(&mut rig, false, &[lower]).0, ErrorCode::InvalidConfig);
    assert_eq!(alter(&mut rig, false, &[lower, (min, set, Some("50"))]).0, ErrorCode::None);
    let any = ("max.compaction.lag.ms", ConfigOp::Delete, None);
    assert_eq!(alter(&mut rig, false, &[any, (min, set, Some("101"))]).0, ErrorCode::None);
}

#[test]
fn groups_have_configs_within_the_brokers_bounds() {
    let mut rig = Rig::with_brokers(1);
    let mut ask = |name: &str, key, op, value| {
        let target = ConfigTarget { kind: ConfigTarget::GROUP, name: name.into() };
        let error = alter_of(&mut rig, target, false, &[(key, op, value)]).0;
        let own = rig.controller.image().configs(&ConfigResource::Group(name.into()));
        (error, own.and_then(|own| own.values().next().map(ToString::to_string)))
    };
    let session = "consumer.session.timeout.ms";
    let has = || Some("50000".to_owned());
    assert_eq!(ask("g", session, ConfigOp::Set, Some("50000")), (ErrorCode::None, has()));
    assert_eq!(ask("g", session, ConfigOp::Set, Some("5")), (ErrorCode::InvalidConfig, has()));
    assert_eq!(ask("g", session, ConfigOp::Append, Some("5")), (ErrorCode::InvalidConfig, has()));
    let foreign = ask("g", "retention.ms", ConfigOp::Set, Some("5"));
    assert_eq!(foreign, (ErrorCode::InvalidConfig, has()));
    assert_eq!(ask("", session, ConfigOp::Set, Some("50000")).0, ErrorCode::InvalidRequest);
    assert_eq!(ask("g", "retention.ms", ConfigOp::Delete, None), (ErrorCode::None, has()));
    assert_eq!(ask("g", session, ConfigOp::Delete, None), (ErrorCode::None, None));
}

#[test]
fn groups_have_configs_of_kinds_that_are_not_there() {
    let mut rig = Rig::with_brokers(1);
    let mut set = |key, value| {
        let target = ConfigTarget { kind: ConfigTarget::GROUP, name: "g".into() };
        alter_of(&mut rig, target, false, &[(key, ConfigOp::Set, Some(value))]).0
    };
    assert_eq!(set("share.auto.offset.reset", "earliest"), ErrorCode::None);
    assert_eq!(set("share.auto.offset.reset", "none"), ErrorCode::InvalidConfig);
    assert_eq!(set("streams.num.standby.replicas", "2"), ErrorCode::None);
    assert_eq!(set("streams.num.standby.replicas", "3"), ErrorCode::InvalidConfig);
    let own = rig.controller.image().configs(&ConfigResource::Group("g".into())).unwrap();
    assert_eq!(own.len(), 2);
}

#[test]
fn a_subscription_to_metrics_is_there_as_long_as_it_has_configs() {
    let mut rig = Rig::with_brokers(1);
    let mut ask = |key, op, value| {
        let target = ConfigTarget { kind: ConfigTarget::CLIENT_METRICS, name: "m".into() };
        let error = alter_of(&mut rig, target, false, &[(key, op, value)]).0;
        let own = rig.controller.image().configs(&ConfigResource::ClientMetrics("m".into()));
        (error, own.map_or(0, std::collections::BTreeMap::len))
    };
    let set = ConfigOp::Set;
    assert_eq!(ask("interval.ms", set, Some("5000")), (ErrorCode::None, 1));
    assert_eq!(ask("metrics", set, Some("a.,b.")), (ErrorCode::None, 2));
    assert_eq!(ask("interval.ms", set, Some("5")), (ErrorCode::InvalidRequest, 2));
    assert_eq!(ask("match", set, Some("name=x")), (ErrorCode::InvalidConfig, 2));
    assert_eq!(ask("nope", set, Some("x")), (ErrorCode::InvalidRequest, 2));
    assert_eq!(ask("metrics", ConfigOp::Append, Some("c.")), (ErrorCode::InvalidConfig, 2));
    assert_eq!(ask("nope", ConfigOp::Delete, None), (ErrorCode::None, 2));
    assert_eq!(ask("metrics", ConfigOp::Delete, None), (ErrorCode::None, 1));
    assert_eq!(ask("interval.ms", ConfigOp::Delete, None), (ErrorCode::None, 0));
}

#[test]
fn who_is_not_the_controller_says_so() {
    let mut rig = Rig::new();
    rig.act(|controller, step, raft| {
        raft.resign(step);
        controller.on_committed(step, raft, &[]);
    });
    let refused = delete(&mut rig, vec![TopicRef::Name("a".into())]);
    assert_eq!(refused, [(Some("a".to_owned()), ErrorCode::NotController)]);
}
