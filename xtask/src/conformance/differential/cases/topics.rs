//! Topics and partitions: made, described, grown, deleted.

use super::{ABSENT, SETTINGS, Script, TOPIC, await_topic, text, topic};
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeTopicPartitionsRequest, MetadataRequest,
};
use uuid::Uuid;

pub(super) fn all(script: &mut Script) -> Result<(), String> {
    create(script)?;
    refused(script);
    metadata(script);
    describe(script);
    partitions(script);
    delete(script)
}

fn asked(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(10_000)
}

fn config(name: &str, value: Option<&str>) -> CreatableTopicConfig {
    CreatableTopicConfig::default().with_name(text(name)).with_value(value.map(text))
}

fn create(script: &mut Script) -> Result<(), String> {
    script.every("CreateTopics, a new topic", |_, version| {
        request(vec![asked(&format!("new-{version}"), 2, 1)])
    });
    script.every("CreateTopics, only validated", |_, version| {
        request(vec![asked(&format!("validated-{version}"), 2, 1)]).with_validate_only(true)
    });
    script.every("CreateTopics, with configs", |_, version| {
        let configs = vec![
            config("retention.ms", Some("1000")),
            config("max.message.bytes", Some("2000000")),
        ];
        request(vec![asked(&format!("configs-{version}"), 1, 1).with_configs(configs)])
    });
    script.every("CreateTopics, defaults of the broker", |_, version| {
        let (partitions, replicas) = if version >= 4 { (-1, -1) } else { (1, 1) };
        request(vec![asked(&format!("default-{version}"), partitions, replicas)])
    });
    script.once("CreateTopics, the topics of what follows", |_, _| {
        // records of the past, which stay
        let forever = vec![config("retention.ms", Some("-1"))];
        request(vec![asked(TOPIC, 4, 1).with_configs(forever), asked(SETTINGS, 1, 1)])
    });
    await_topic(script, SETTINGS)?;
    await_topic(script, TOPIC)
}

type Topics = fn() -> Vec<CreatableTopic>;

fn refused(script: &mut Script) {
    let cases: [(&'static str, Topics); 16] = [
        ("CreateTopics, one that is there", || vec![asked(TOPIC, 2, 1)]),
        ("CreateTopics, no name", || vec![asked("", 2, 1)]),
        ("CreateTopics, a name of dots", || vec![asked("..", 2, 1)]),
        ("CreateTopics, a name with a space", || vec![asked("a b", 2, 1)]),
        ("CreateTopics, a name of 250 letters", || vec![asked(&"a".repeat(250), 2, 1)]),
        ("CreateTopics, no partitions", || vec![asked("zero", 0, 1)]),
        ("CreateTopics, -2 partitions", || vec![asked("minus", -2, 1)]),
        ("CreateTopics, too many replicas", || vec![asked("replicas", 1, 2)]),
        ("CreateTopics, no replicas", || vec![asked("no-replicas", 1, 0)]),
        ("CreateTopics, twice in one request", || vec![asked("twice", 1, 1), asked("twice", 1, 1)]),
        ("CreateTopics, an unknown config", || {
            vec![asked("bad-key", 1, 1).with_configs(vec![config("no.such.key", Some("1"))])]
        }),
        ("CreateTopics, null for a value", || {
            vec![asked("null", 1, 1).with_configs(vec![config("retention.ms", None)])]
        }),
        ("CreateTopics, a bad value", || {
            vec![asked("bad-value", 1, 1).with_configs(vec![config("retention.ms", Some("x"))])]
        }),
        ("CreateTopics, assignment and counts", || {
            let first = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]);
            vec![asked("both", 1, 1).with_assignments(vec![first])]
        }),
        ("CreateTopics, assignment to nobody", || {
            let first = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(77)]);
            vec![asked("nobody", -1, -1).with_assignments(vec![first])]
        }),
        ("CreateTopics, assignment with a gap", || {
            let first = CreatableReplicaAssignment::default()
                .with_partition_index(1)
                .with_broker_ids(vec![BrokerId(1)]);
            vec![asked("gap", -1, -1).with_assignments(vec![first])]
        }),
    ];
    for (question, topics) in cases {
        script.every(question, |_, _| request(topics()));
    }
    script.every("CreateTopics, names that collide", |_, version| {
        let names = [format!("a.b-{version}"), format!("a_b-{version}")];
        request(names.iter().map(|name| asked(name, 1, 1)).collect())
    });
}

fn named(names: &[&str]) -> Vec<MetadataRequestTopic> {
    let name = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic(name)));
    names.iter().map(name).collect()
}

fn metadata(script: &mut Script) {
    let request = |topics| {
        MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(false)
    };
    let create = |request: MetadataRequest, version| {
        // versions below 4 cannot say that nothing is to be created
        request.with_allow_auto_topic_creation(version < 4)
    };
    script.every("Metadata, one topic", |_, version| create(request(named(&[TOPIC])), version));
    script.every("Metadata, no topics", |_, version| match version {
        0 => create(request(named(&[TOPIC])), version),
        _ => create(request(Vec::new()), version),
    });
    script.once("Metadata, a topic that is not there", |_, _| request(named(&[ABSENT])));
    script.once("Metadata, a bad name", |_, _| request(named(&["a b"])));
    script.once("Metadata, a topic twice", |_, _| request(named(&[TOPIC, TOPIC])));
    script.every("Metadata, by id", |peer, version| {
        let by_id = MetadataRequestTopic::default().with_topic_id(peer.id(TOPIC)).with_name(None);
        match version {
            12.. => request(vec![by_id]),
            _ => create(request(named(&[TOPIC])), version),
        }
    });
    script.once("Metadata, by an id that is not there", |_, _| {
        let id = Uuid::from_u128(7);
        request(vec![MetadataRequestTopic::default().with_topic_id(id).with_name(None)])
    });
    script.every("Metadata, authorized operations", |_, version| {
        let request = create(request(named(&[TOPIC])), version);
        let request = request.with_include_topic_authorized_operations(version >= 8);
        request.with_include_cluster_authorized_operations((8..=10).contains(&version))
    });
}

fn describe(script: &mut Script) {
    let asked = |name: &str| TopicRequest::default().with_name(topic(name));
    let request = |topics| {
        DescribeTopicPartitionsRequest::default()
            .with_topics(topics)
            .with_response_partition_limit(2000)
    };
    script.every("DescribeTopicPartitions, one topic", |_, _| request(vec![asked(TOPIC)]));
    script.every("DescribeTopicPartitions, unknown", |_, _| request(vec![asked(ABSENT)]));
    script.every("DescribeTopicPartitions, three at a time", |_, _| {
        request(vec![asked(TOPIC)]).with_response_partition_limit(3)
    });
    script.every("DescribeTopicPartitions, from a cursor", |_, _| {
        let cursor = Cursor::default().with_topic_name(topic(TOPIC)).with_partition_index(2);
        request(vec![asked(TOPIC)]).with_cursor(Some(cursor))
    });
}

fn partitions(script: &mut Script) {
    let asked = |name: &str, count| {
        CreatePartitionsTopic::default().with_name(topic(name)).with_count(count)
    };
    let request =
        |topics| CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(10_000);
    let cases: [(&'static str, &'static str, i32); 5] = [
        ("CreatePartitions, as many as there are", TOPIC, 4),
        ("CreatePartitions, fewer", TOPIC, 2),
        ("CreatePartitions, none", TOPIC, 0),
        ("CreatePartitions, of an unknown topic", ABSENT, 9),
        ("CreatePartitions, of a bad name", "a b", 9),
    ];
    for (question, name, count) in cases {
        script.every(question, |_, _| request(vec![asked(name, count).with_assignments(None)]));
    }
    script.every("CreatePartitions, only validated", |_, _| {
        request(vec![asked(TOPIC, 9).with_assignments(None)]).with_validate_only(true)
    });
    script.every("CreatePartitions, one more", |_, version| {
        let count = 3 + i32::from(version);
        request(vec![asked("new-5", count).with_assignments(None)])
    });
    script.every("CreatePartitions, the same topic twice", |_, _| {
        let topics = [8, 9].map(|count| asked("new-6", count).with_assignments(None));
        request(topics.to_vec())
    });
    script.every("CreatePartitions, an assignment of another length", |_, _| {
        let one = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1)]);
        request(vec![asked("new-6", 9).with_assignments(Some(vec![one]))])
    });
    script.every("CreatePartitions, an assignment to nobody", |_, _| {
        let one = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(77)]);
        request(vec![asked("new-6", 3).with_assignments(Some(vec![one]))])
    });
}

fn delete(script: &mut Script) -> Result<(), String> {
    let request = |name: &str, version| {
        let request = DeleteTopicsRequest::default().with_timeout_ms(10_000);
        if version >= 6 {
            let state = DeleteTopicState::default().with_name(Some(topic(name)));
            return request.with_topics(vec![state]);
        }
        request.with_topic_names(vec![topic(name)])
    };
    script.every("DeleteTopics, one topic", |_, version| {
        request(&format!("new-{}", version + 1), version)
    });
    script.every("DeleteTopics, unknown", |_, version| request(ABSENT, version));
    script.once("DeleteTopics, by an id that is not there", |_, _| {
        let state = DeleteTopicState::default().with_topic_id(Uuid::from_u128(7)).with_name(None);
        DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(10_000)
    });
    script.once("DeleteTopics, twice in one request", |_, _| {
        let state = DeleteTopicState::default().with_name(Some(topic("default-7")));
        let topics = vec![state.clone(), state];
        DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(10_000)
    });
    await_topic(script, "configs-7")?;
    script.once("DeleteTopics, by id", |peer, _| {
        let state = DeleteTopicState::default().with_topic_id(peer.id("configs-7")).with_name(None);
        DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(10_000)
    });
    Ok(())
}
