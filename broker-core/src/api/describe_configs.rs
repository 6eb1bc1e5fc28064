//! DescribeConfigs (key 32): topics, from metadata; this broker, from its server.properties.

use crate::config::{ConfigKind, ServerConfig, TOPIC_KEYS, TopicConfig, TopicKey};
use crate::error::ErrorCode;
use crate::metadata::ConfigResource;
use crate::protocol::{
    ConfigEntry, ConfigSource, ConfigTarget, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribedConfigs, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &DescribeConfigsRequest,
) {
    let described = request.resources.iter().map(|(target, keys)| {
        let wanted = |key: &str| keys.as_ref().is_none_or(|keys| keys.iter().any(|k| **k == *key));
        let (error, message, entries) = match describe(role, target) {
            Ok(entries) => (ErrorCode::None, None, entries),
            Err((error, message)) => (error, Some(message.into()), Vec::new()),
        };
        let entries = entries.into_iter().filter(|entry| wanted(entry.key)).collect();
        DescribedConfigs { target: target.clone(), error, message, entries }
    });
    let response = DescribeConfigsResponse { resources: described.collect() };
    step.reply(to, Response::DescribeConfigs(response));
}

fn describe(
    role: &BrokerRole,
    target: &ConfigTarget,
) -> Result<Vec<ConfigEntry>, (ErrorCode, String)> {
    let ConfigTarget { kind, name } = target;
    match *kind {
        ConfigTarget::TOPIC if role.image.topic_named(name).is_none() => {
            let message = format!("The topic '{name}' does not exist.");
            Err((ErrorCode::UnknownTopicOrPartition, message))
        }
        ConfigTarget::TOPIC => Ok(topic(role, name)),
        // configs that hold for all brokers: there are none
        ConfigTarget::BROKER if name.is_empty() => Ok(Vec::new()),
        ConfigTarget::BROKER if **name == role.config.node.to_string() => {
            Ok(broker(&role.config.server))
        }
        ConfigTarget::BROKER => {
            let own = role.config.node;
            let message = format!("Unexpected broker id, expected {own}, but received {name}");
            Err((ErrorCode::InvalidRequest, message))
        }
        other => Err((ErrorCode::InvalidRequest, format!("Unsupported resource type {other}"))),
    }
}

fn topic(role: &BrokerRole, name: &Arc<str>) -> Vec<ConfigEntry> {
    let server = &role.config.server;
    let configured = |server| TopicConfig::from_server(server).entries().into_iter();
    let inherited: BTreeMap<_, _> =
        configured(server).map(|(key, value, _)| (key, value)).collect();
    let overrides = role.image.configs(&ConfigResource::Topic(Arc::clone(name)));
    let entry = |known: &'static TopicKey| {
        let value = inherited.get(known.name).map_or(known.default, String::as_str);
        let is_default = value == known.default;
        let source = if is_default { ConfigSource::Default } else { ConfigSource::Static };
        let below = (known.server, Arc::from(value), source);
        let own = overrides.and_then(|overrides| overrides.get(known.name));
        ConfigEntry {
            key: known.name,
            value: own.map_or_else(|| Arc::clone(&below.1), Arc::clone),
            source: if own.is_some() { ConfigSource::Topic } else { source },
            kind: known.kind,
            read_only: false,
            inherited: Some(below),
        }
    };
    TOPIC_KEYS.iter().map(entry).collect()
}

fn broker(server: &ServerConfig) -> Vec<ConfigEntry> {
    let defaults = ServerConfig::kafka_defaults().entries();
    let mut entries: Vec<_> = server
        .entries()
        .into_iter()
        .zip(defaults)
        .map(|((key, value, kind), (_, default, _))| broker_entry(key, kind, &value, default))
        .collect();
    entries.sort_by_key(|entry| entry.key);
    entries
}

fn broker_entry(key: &'static str, kind: ConfigKind, value: &str, default: String) -> ConfigEntry {
    let is_default = value == default;
    ConfigEntry {
        key,
        value: value.into(),
        source: if is_default { ConfigSource::Default } else { ConfigSource::Static },
        kind,
        read_only: true,
        inherited: Some((key, default.into(), ConfigSource::Default)),
    }
}
