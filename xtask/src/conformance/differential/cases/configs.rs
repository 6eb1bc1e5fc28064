//! Configs of topics and brokers, and resources that have some.

use super::{ABSENT, SETTINGS, Script, text};
use kafka_protocol::messages::alter_configs_request::{
    AlterConfigsResource as Replaced, AlterableConfig as Value,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest,
};

const OF_SETTINGSS: i8 = 2;
const OF_BROKERS: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) fn all(script: &mut Script) {
    describe(script);
    incremental(script);
    replaced(script);
    script.every("ListConfigResources, topics", |_, version| {
        // version 0 knows client metrics alone
        let kinds = if version > 0 { vec![OF_SETTINGSS] } else { Vec::new() };
        ListConfigResourcesRequest::default().with_resource_types(kinds)
    });
}

fn describe(script: &mut Script) {
    let request = |kind, name: &str, keys: Option<&[&str]>| {
        let keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(keys);
        DescribeConfigsRequest::default().with_resources(vec![resource])
    };
    script.every("DescribeConfigs, all of a topic", |_, _| request(OF_SETTINGSS, SETTINGS, None));
    script.every("DescribeConfigs, with synonyms", |_, _| {
        request(OF_SETTINGSS, SETTINGS, None).with_include_synonyms(true)
    });
    script.every("DescribeConfigs, one that was set", |_, _| {
        request(OF_SETTINGSS, "configs-6", Some(&["retention.ms"])).with_include_synonyms(true)
    });
    script.every("DescribeConfigs, with documentation", |_, version| {
        request(OF_SETTINGSS, SETTINGS, Some(&["retention.ms"]))
            .with_include_documentation(version >= 3)
    });
    script.every("DescribeConfigs, an unknown key", |_, _| {
        request(OF_SETTINGSS, SETTINGS, Some(&["no.such.key"]))
    });
    script.every("DescribeConfigs, an unknown topic", |_, _| request(OF_SETTINGSS, ABSENT, None));
    script.every("DescribeConfigs, a bad name", |_, _| request(OF_SETTINGSS, "a b", None));
    script.every("DescribeConfigs, an unknown kind", |_, _| request(99, SETTINGS, None));
    script.every("DescribeConfigs, of another broker", |_, _| request(OF_BROKERS, "77", None));
    script.every("DescribeConfigs, of no number", |_, _| request(OF_BROKERS, "x", None));
    script.every("DescribeConfigs, keys of a broker", |_, _| {
        let keys = ["min.insync.replicas", "num.partitions", "log.segment.bytes"];
        request(OF_BROKERS, "1", Some(&keys))
    });
}

fn change(key: &str, operation: i8, value: Option<&str>) -> AlterableConfig {
    AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(operation)
        .with_value(value.map(text))
}

fn incremental(script: &mut Script) {
    let request = |kind, name: &str, configs| {
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(configs);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    };
    let cases: [(&'static str, &'static str, Vec<AlterableConfig>); 15] = [
        ("Incremental, set", SETTINGS, vec![change("retention.ms", SET, Some("86400000"))]),
        ("Incremental, delete", SETTINGS, vec![change("retention.ms", DELETE, None)]),
        ("Incremental, delete what is not set", SETTINGS, vec![change("segment.ms", DELETE, None)]),
        ("Incremental, append", SETTINGS, vec![change("cleanup.policy", APPEND, Some("compact"))]),
        (
            "Incremental, subtract",
            SETTINGS,
            vec![change("cleanup.policy", SUBTRACT, Some("compact"))],
        ),
        (
            "Incremental, append to no list",
            SETTINGS,
            vec![change("retention.ms", APPEND, Some("5"))],
        ),
        ("Incremental, no such operation", SETTINGS, vec![change("retention.ms", 9, Some("5"))]),
        ("Incremental, null", SETTINGS, vec![change("retention.ms", SET, None)]),
        ("Incremental, an unknown key", SETTINGS, vec![change("no.such.key", SET, Some("5"))]),
        ("Incremental, a bad value", SETTINGS, vec![change("retention.ms", SET, Some("soon"))]),
        (
            "Incremental, out of range",
            SETTINGS,
            vec![change("min.insync.replicas", SET, Some("0"))],
        ),
        ("Incremental, a bad policy", SETTINGS, vec![change("cleanup.policy", SET, Some("burn"))]),
        ("Incremental, an unknown topic", ABSENT, vec![change("retention.ms", SET, Some("5"))]),
        ("Incremental, a bad name", "a b", vec![change("retention.ms", SET, Some("5"))]),
        (
            "Incremental, a key twice",
            SETTINGS,
            vec![change("retention.ms", SET, Some("5")), change("retention.ms", SET, Some("6"))],
        ),
    ];
    for (question, name, configs) in cases {
        script.every(question, |_, _| request(OF_SETTINGSS, name, configs.clone()));
    }
    script.every("Incremental, only validated", |_, _| {
        let configs = vec![change("retention.ms", SET, Some("7"))];
        request(OF_SETTINGSS, SETTINGS, configs).with_validate_only(true)
    });
    script.every("Incremental, a resource twice", |_, _| {
        let request = request(OF_SETTINGSS, SETTINGS, vec![change("retention.ms", SET, Some("7"))]);
        let twice = vec![request.resources[0].clone(), request.resources[0].clone()];
        request.with_resources(twice)
    });
    script.every("Incremental, an unknown kind", |_, _| {
        request(99, SETTINGS, vec![change("retention.ms", SET, Some("7"))])
    });
}

fn replaced(script: &mut Script) {
    let request = |name: &str, key: &str, value: Option<&str>| {
        let config = Value::default().with_name(text(key)).with_value(value.map(text));
        let resource = Replaced::default()
            .with_resource_type(OF_SETTINGSS)
            .with_resource_name(text(name))
            .with_configs(vec![config]);
        AlterConfigsRequest::default().with_resources(vec![resource])
    };
    script
        .every("AlterConfigs, one key", |_, _| request(SETTINGS, "retention.ms", Some("86400000")));
    script
        .every("AlterConfigs, an unknown key", |_, _| request(SETTINGS, "no.such.key", Some("1")));
    script.every("AlterConfigs, a bad value", |_, _| request(SETTINGS, "retention.ms", Some("x")));
    script.every("AlterConfigs, null", |_, _| request(SETTINGS, "retention.ms", None));
    script
        .every("AlterConfigs, an unknown topic", |_, _| request(ABSENT, "retention.ms", Some("1")));
    script.every("AlterConfigs, back to the defaults", |_, _| {
        let request = request(SETTINGS, "retention.ms", None);
        let mut resources = request.resources.clone();
        resources[0].configs.clear();
        request.with_resources(resources)
    });
}
