//! DescribeConfigs (key 32): topics and groups, from metadata; this broker, from its
//! server.properties and what was set since.

use crate::controller::is_legal_name;
use crate::effective::{Dynamic, of_broker, of_group, of_topic};
use crate::error::ErrorCode;
use crate::metadata::ConfigResource;
use crate::protocol::{
    ConfigEntry, ConfigTarget, DescribeConfigsRequest, DescribeConfigsResponse, DescribedConfigs,
    Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
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
    let dynamic = Dynamic::of(&role.image, role.config.node);
    match *kind {
        ConfigTarget::TOPIC if !is_legal_name(name) => {
            let message = format!("The topic '{name}' has a name that no topic may have.");
            Err((ErrorCode::InvalidTopic, message))
        }
        ConfigTarget::TOPIC if role.image.topic_named(name).is_none() => {
            let message = format!("The topic '{name}' does not exist.");
            Err((ErrorCode::UnknownTopicOrPartition, message))
        }
        ConfigTarget::TOPIC => {
            let overrides = role.image.configs(&ConfigResource::Topic(Arc::clone(name)));
            Ok(of_topic(&role.config.server, dynamic, overrides))
        }
        // groups need not exist
        ConfigTarget::GROUP if !name.is_empty() => {
            let overrides = role.image.configs(&ConfigResource::Group(Arc::clone(name)));
            Ok(of_group(&role.config.server, overrides))
        }
        ConfigTarget::BROKER if name.is_empty() => Ok(dynamic.entries_of_all()),
        ConfigTarget::BROKER if **name == role.config.node.to_string() => {
            Ok(of_broker(&role.config.server, dynamic))
        }
        ConfigTarget::BROKER => {
            let own = role.config.node;
            let message = format!("Unexpected broker id, expected {own}, but received {name}");
            Err((ErrorCode::InvalidRequest, message))
        }
        other => Err((ErrorCode::InvalidRequest, format!("Unsupported resource type {other}"))),
    }
}
