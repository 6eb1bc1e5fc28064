//! AlterConfigs and IncrementalAlterConfigs of topics and groups (Kafka's
//! `ConfigurationControlManager`). Configs of brokers come from server.properties only.

use super::remote_storage;
use super::state::Controller;
use crate::config::{ConfigKind, GROUP_KEYS, GroupConfig, TopicKey};
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
                    if let (Some((owner, after)), false) = (after, request.validate_only) {
                        self.stage_configs(&owner, &after);
                    }
                    (ErrorCode::None, None)
                }
                Err((error, message)) => (error, Some(message.into())),
            };
            resources.push(AlteredConfigs { target, error, message });
        }
        Response::AlterConfigs(AlterConfigsResponse { resources })
    }

    /// Whose overrides change, and what they are then. A broker has none, so that there is nothing to
    /// delete: kafka-reassign-partitions takes throttles away that it never set.
    fn altered(
        &self,
        resource: &AlteredResource,
    ) -> Result<Option<(ConfigResource, Overrides)>, Refusal> {
        let ConfigTarget { kind, name } = &resource.target;
        match *kind {
            ConfigTarget::TOPIC => {}
            ConfigTarget::GROUP => return self.altered_group(resource).map(Some),
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
        let owner = ConfigResource::Topic(Arc::clone(name));
        let after = self.after(resource, &owner, ConfigChange::apply)?;
        let before = self.image.configs(&owner).into_iter().flatten();
        remote_storage::check(&self.server, before.map(texts), after.iter().map(texts))
            .map_err(|message| (ErrorCode::InvalidConfig, message))?;
        Ok(Some((owner, after)))
    }

    /// The same of a group, which need not exist.
    fn altered_group(
        &self,
        resource: &AlteredResource,
    ) -> Result<(ConfigResource, Overrides), Refusal> {
        if resource.target.name.is_empty() {
            let message = "Default group resources are not allowed.".to_owned();
            return Err((ErrorCode::InvalidRequest, message));
        }
        let owner = ConfigResource::Group(Arc::clone(&resource.target.name));
        let after = self.after(resource, &owner, ConfigChange::apply_to_group)?;
        let checked = GroupConfig::new(&self.server, Some(&after))
            .and_then(|config| config.check(&self.server));
        checked.map_err(|message| (ErrorCode::InvalidConfig, message))?;
        Ok((owner, after))
    }

    fn after(
        &self,
        resource: &AlteredResource,
        owner: &ConfigResource,
        apply: impl Fn(&ConfigChange, &mut Overrides) -> Result<(), Refusal>,
    ) -> Result<Overrides, Refusal> {
        let current = self.image.configs(owner).cloned().unwrap_or_default();
        let mut after = if resource.replace { Overrides::new() } else { current };
        let mut seen = BTreeSet::new();
        for change in &resource.changes {
            if !seen.insert(&change.key) {
                let message = format!("Config {} is named twice.", change.key);
                return Err((ErrorCode::InvalidRequest, message));
            }
            apply(change, &mut after)?;
        }
        Ok(after)
    }

    fn stage_configs(&mut self, resource: &ConfigResource, after: &Overrides) {
        let before = self.image.configs(resource).cloned().unwrap_or_default();
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
    /// Changes a group's overrides, which are numbers.
    fn apply_to_group(&self, overrides: &mut Overrides) -> Result<(), Refusal> {
        let key = &self.key;
        if GROUP_KEYS.iter().all(|known| known.name != &**key) {
            return Err((ErrorCode::InvalidConfig, format!("Unknown group config name: {key}")));
        }
        match (self.op, &self.value) {
            (ConfigOp::Delete, _) => {
                overrides.remove(key);
            }
            (ConfigOp::Set, Some(value)) => {
                overrides.insert(Arc::clone(key), value.trim().into());
            }
            (ConfigOp::Set, None) => {
                let message = format!("Null value not supported for: {key}");
                return Err((ErrorCode::InvalidRequest, message));
            }
            (ConfigOp::Append | ConfigOp::Subtract, _) => {
                let message = format!("Config {key} is no list: nothing can be added to it.");
                return Err((ErrorCode::InvalidConfig, message));
            }
        }
        Ok(())
    }

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

fn texts<'a>((key, value): (&'a Arc<str>, &'a Arc<str>)) -> (&'a str, &'a str) {
    (key, value)
}

fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}
