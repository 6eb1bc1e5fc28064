//! The catalogue says which configs a simulation reads: here it is compared with what is read.

use super::{ConsumerConfig, ProducerConfig};
use stormglass_broker_core::config::{ServerConfig, TopicConfig};
use stormglass_scenarios::plan::{ClientProfile, ConsumerPlan, Plan, ProducerPlan};
use stormglass_scenarios::{ConfigKey, Source, config_keys, load};

/// Read by the shell of a real broker alone: simulated connections are not counted.
const OF_THE_SHELL: [&str; 3] =
    ["max.connections", "max.connections.per.ip", "max.connection.creation.rate"];
/// Become `log.retention.ms` and `log.roll.ms` in the plan.
const RESOLVED: [&str; 3] = ["log.retention.hours", "log.retention.minutes", "log.roll.hours"];
/// Any text will do, so that none is refused.
const TEXTS: [&str; 1] = ["client.rack"];
/// Makes `compressed_to` legal, which is read; the codec's own speed is in no model.
const BY_OTHER_NAME: [&str; 1] = ["compression.type"];

fn plan() -> Plan {
    load(&Source::library("steady").unwrap(), &[], 1).unwrap()
}

fn of_section(name: &str) -> Vec<ConfigKey> {
    let keys: Vec<ConfigKey> =
        config_keys().into_iter().filter(|key| key.section == name).collect();
    assert!(!keys.is_empty(), "{name}");
    keys
}

#[test]
fn the_catalogue_says_which_broker_configs_are_read() {
    for ConfigKey { name, simulated, .. } in of_section("server") {
        let core = ServerConfig::KEYS.contains(&name) && !OF_THE_SHELL.contains(&name);
        assert_eq!(simulated, core || RESOLVED.contains(&name), "{name}");
    }
    for ConfigKey { name, simulated, .. } in of_section("topic") {
        assert_eq!(simulated, TopicConfig::KEYS.contains(&name), "{name}");
    }
}

/// What is read is refused when it makes no sense.
#[test]
fn the_catalogue_says_which_client_configs_are_read() {
    let plan = plan();
    let (producer, consumer) = (&plan.producers[0], &plan.consumers[0]);
    for (profile, library) in
        [(ClientProfile::Java, "java"), (ClientProfile::Librdkafka, "librdkafka")]
    {
        for ConfigKey { name, simulated, .. } in of_section(&format!("{library}_producer")) {
            let mut config = producer.config.clone();
            config.insert(name.to_owned(), "?".to_owned());
            let plan = ProducerPlan { profile, config, ..producer.clone() };
            let is_read = ProducerConfig::parse(&plan).is_err() || BY_OTHER_NAME.contains(&name);
            assert_eq!(simulated, is_read, "{library} producer: {name}");
        }
        for ConfigKey { name, simulated, .. } in of_section(&format!("{library}_consumer")) {
            let mut config = consumer.config.clone();
            config.insert(name.to_owned(), "?".to_owned());
            let plan = ConsumerPlan { profile, config, ..consumer.clone() };
            let is_read = ConsumerConfig::parse(&plan).is_err() || TEXTS.contains(&name);
            assert_eq!(simulated, is_read, "{library} consumer: {name}");
        }
    }
}
