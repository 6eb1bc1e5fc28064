//! AlterConfigs and IncrementalAlterConfigs of topics (Kafka's `ConfigurationControlManager`).
//! Configs of brokers come from server.properties only.

use super::state::Controller;
use crate::config::{ConfigKind, TopicKey};
use crate::error::ErrorCode;
use crate::metadata::{ConfigResource, MetadataRecord};
use crate::protocol::{
    AlterConfigsRequest, AlterConfigsResponse, AlteredConfigs, AlteredResource, ConfigChange,
    ConfigOp, ConfigTarget, Response,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An error, and what is wrong.
type Refusal = (ErrorCode, String);
/// Keys and values.
type Overrides = BTreeMap<Arc<str>, Arc<str>>;

/// Whether a topic may have this config.
pub(super) fn check_topic_config(key: &str, value: &str) -> Result<&'static TopicKey, String> {
    let known = TopicKey::find(key).ok_or_else(|| format!("Unknown topic config name: {key}"))?;
    known.check(value).map(|()| known)
}

impl Controller {
    pub(super) fn alter_configs(&mut self, request: &AlterConfigsRequest) -> Response {
        let mut resources = Vec::with_capacity(request.resources.len());
        for resource in &request.resources {
            let target = resource.target.clone();
            let altered = self.altered(resource);
            let (error, message) = match altered {
                Ok(after) => {
                    if let (Some(after), false) = (after, request.validate_only) {
                        self.stage_configs(&target.name, &after);
                    }
                    (ErrorCode::None, None)
                }
                Err((error, message)) => (error, Some(message.into())),
            };
            resources.push(AlteredConfigs { target, error, message });
        }
        Response::AlterConfigs(AlterConfigsResponse { resources })
    }

    /// A topic's overrides after the changes. A broker has none, so that there is nothing to delete:
    /// kafka-reassign-partitions takes throttles away that it never set.
    fn altered(&self, resource: &AlteredResource) -> Result<Option<Overrides>, Refusal> {
        let ConfigTarget { kind, name } = &resource.target;
        match *kind {
            ConfigTarget::TOPIC => {}
            ConfigTarget::BROKER if resource.only_deletes() => return Ok(None),
            ConfigTarget::BROKER => {
                let message = "Configs of brokers cannot be changed while they run.".to_owned();
                return Err((ErrorCode::InvalidConfig, message));
            }
            _ => return Err((ErrorCode::InvalidRequest, "Unsupported resource type.".to_owned())),
        }
        if self.image.topic_named(name).is_none() {
            let message = format!("The topic '{name}' does not exist.");
            return Err((ErrorCode::UnknownTopicOrPartition, message));
        }
        let current = self.image.configs(&ConfigResource::Topic(Arc::clone(name)));
        let current = current.cloned().unwrap_or_default();
        let mut after = if resource.replace { Overrides::new() } else { current };
        let mut seen = BTreeSet::new();
        for change in &resource.changes {
            if !seen.insert(&change.key) {
                let message = format!("Config {} is named twice.", change.key);
                return Err((ErrorCode::InvalidRequest, message));
            }
            change.apply(&mut after)?;
        }
        Ok(Some(after))
    }

    fn stage_configs(&mut self, topic: &Arc<str>, after: &Overrides) {
        let resource = ConfigResource::Topic(Arc::clone(topic));
        let before = self.image.configs(&resource).cloned().unwrap_or_default();
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        for key in keys {
            let value = after.get(&key).cloned();
            if before.get(&key) != value.as_ref() {
                self.stage(MetadataRecord::Config { resource: resource.clone(), key, value });
            }
        }
    }
}

impl AlteredResource {
    fn only_deletes(&self) -> bool {
        !self.replace && self.changes.iter().all(|change| change.op == ConfigOp::Delete)
    }
}

impl ConfigChange {
    fn apply(&self, overrides: &mut Overrides) -> Result<(), Refusal> {
        let key = &self.key;
        let invalid = |message| (ErrorCode::InvalidConfig, message);
        let known = TopicKey::find(key);
        let known = known.ok_or_else(|| invalid(format!("Unknown topic config name: {key}")))?;
        if self.op == ConfigOp::Delete {
            overrides.remove(key);
            return Ok(());
        }
        let value = self.value.as_deref();
        let value = value.ok_or_else(|| {
            (ErrorCode::InvalidRequest, format!("Null value not supported for: {key}"))
        })?;
        let value = match self.op {
            ConfigOp::Set | ConfigOp::Delete => value.trim().to_owned(),
            ConfigOp::Append | ConfigOp::Subtract if known.kind != ConfigKind::List => {
                let message = format!("Config {key} is no list: nothing can be added to it.");
                return Err(invalid(message));
            }
            ConfigOp::Append => {
                let current = list(overrides.get(key).map_or(known.default, |text| text));
                let new = list(value).into_iter().filter(|word| !current.contains(word));
                let new: Vec<_> = new.collect();
                [current, new].concat().join(",")
            }
            ConfigOp::Subtract => {
                let current = list(overrides.get(key).map_or(known.default, |text| text));
                let gone = list(value);
                let left: Vec<_> = current.into_iter().filter(|w| !gone.contains(w)).collect();
                left.join(",")
            }
        };
        known.check(&value).map_err(invalid)?;
        overrides.insert(Arc::clone(key), value.into());
        Ok(())
    }
}

fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}
