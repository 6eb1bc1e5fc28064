//! AlterConfigs and IncrementalAlterConfigs of topics, groups, brokers and subscriptions to metrics of clients (Kafka's
//! `ConfigurationControlManager`). Those of brokers are in `broker_configs`.

use super::remote_storage;
use super::state::Controller;
use super::topics::{named_twice, why_illegal};
use crate::config::{
    ConfigKind, GROUP_KEYS, GroupConfig, ServerConfig, TopicKey, check_client_metrics,
    check_other_groups, check_together,
};
use crate::error::ErrorCode;
use crate::metadata::{ConfigResource, MetadataRecord};
use crate::protocol::{
    AlterConfigsRequest, AlterConfigsResponse, AlteredConfigs, AlteredResource, ConfigChange,
    ConfigOp, ConfigTarget, Response,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An error, and what is wrong.
pub(super) type Refusal = (ErrorCode, String);
/// Keys and values.
pub(super) type Overrides = BTreeMap<Arc<str>, Arc<str>>;

/// Whether a topic may have this config.
pub(super) fn check_topic_config(key: &str, value: &str) -> Result<&'static TopicKey, String> {
    let known = TopicKey::find(key).ok_or_else(|| format!("Unknown topic config name: {key}"))?;
    known.check(value).map(|()| known)
}

impl Controller {
    pub(super) fn alter_configs(&mut self, request: &AlterConfigsRequest) -> Response {
        let mut resources = Vec::with_capacity(request.resources.len());
        let mut server = self.server_now();
        let twice = named_twice(request.resources.iter().map(|resource| &resource.target));
        for resource in &request.resources {
            let target = resource.target.clone();
            let altered = if twice.contains(&target) {
                let message = "Each resource must appear at most once.".to_owned();
                Err((ErrorCode::InvalidRequest, message))
            } else {
                self.altered(&server, resource)
            };
            let (error, message) = match altered {
                Ok(after) => {
                    if !request.validate_only {
                        let (owner, after) = after;
                        self.stage_configs(&owner, &after);
                        if owner == ConfigResource::AllBrokers {
                            server = self.server_now();
                        }
                    }
                    (ErrorCode::None, None)
                }
                Err((error, message)) => (error, Some(message.into())),
            };
            resources.push(AlteredConfigs { target, error, message });
        }
        Response::AlterConfigs(AlterConfigsResponse { resources })
    }

    /// Whose overrides change, and what they are then. `server`: what topics inherit from.
    fn altered(
        &self,
        server: &ServerConfig,
        resource: &AlteredResource,
    ) -> Result<(ConfigResource, Overrides), Refusal> {
        check_form(resource)?;
        let ConfigTarget { kind, name } = &resource.target;
        match *kind {
            ConfigTarget::TOPIC => {}
            ConfigTarget::GROUP => return self.altered_group(resource),
            ConfigTarget::BROKER => return self.altered_broker(resource),
            ConfigTarget::CLIENT_METRICS => return self.altered_client_metrics(resource),
            _ => return Err((ErrorCode::InvalidRequest, format!("Unknown resource type {kind}"))),
        }
        if name.is_empty() {
            let message = "Default topic resources are not allowed.".to_owned();
            return Err((ErrorCode::InvalidRequest, message));
        }
        if let Some(why) = why_illegal(name) {
            return Err((ErrorCode::InvalidTopic, why));
        }
        let owner = ConfigResource::Topic(Arc::clone(name));
        let after = self.after(resource, &owner, ConfigChange::apply)?;
        let before = self.image.configs(&owner).into_iter().flatten();
        remote_storage::check(server, before.map(texts), after.iter().map(texts))
            .and_then(|()| check_together(server, after.iter().map(texts)))
            .map_err(|message| (ErrorCode::InvalidConfig, message))?;
        // whether there is such a topic Kafka asks last (`ConfigurationControlManager.validateAlterConfig`)
        if self.image.topic_named(name).is_none() {
            let message = format!("The topic '{name}' does not exist.");
            return Err((ErrorCode::UnknownTopicOrPartition, message));
        }
        Ok((owner, after))
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
            .and_then(|config| config.check(&self.server))
            .and_then(|()| check_other_groups(&after));
        checked.map_err(|message| (ErrorCode::InvalidConfig, message))?;
        Ok((owner, after))
    }

    /// The same of a subscription to metrics of clients, which is there as long as it has configs (KIP-714).
    fn altered_client_metrics(
        &self,
        resource: &AlteredResource,
    ) -> Result<(ConfigResource, Overrides), Refusal> {
        let name = &resource.target.name;
        if name.is_empty() {
            let message = "Subscription name can't be empty".to_owned();
            return Err((ErrorCode::InvalidRequest, message));
        }
        let owner = ConfigResource::ClientMetrics(Arc::clone(name));
        let after = self.after(resource, &owner, ConfigChange::apply_plain)?;
        check_client_metrics(&after)?;
        Ok((owner, after))
    }

    pub(super) fn after(
        &self,
        resource: &AlteredResource,
        owner: &ConfigResource,
        apply: impl Fn(&ConfigChange, &mut Overrides) -> Result<(), Refusal>,
    ) -> Result<Overrides, Refusal> {
        let current = self.image.configs(owner).cloned().unwrap_or_default();
        let mut after = if resource.replace { Overrides::new() } else { current };
        resource.changes.iter().try_for_each(|change| apply(change, &mut after))?;
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

impl ConfigChange {
    /// Changes a group's overrides, which are no lists. Nothing is wrong with taking away what it never had.
    fn apply_to_group(&self, overrides: &mut Overrides) -> Result<(), Refusal> {
        let key = &self.key;
        let is_known = GROUP_KEYS.iter().any(|known| known.name == &**key);
        if !is_known && self.op != ConfigOp::Delete {
            return Err((ErrorCode::InvalidConfig, format!("Unknown group config name: {key}")));
        }
        self.apply_plain(overrides)
    }

    /// Sets a value or takes it away. Kafka adds nothing to lists but those of topics and brokers
    /// (`KafkaConfigSchema.isSplittable`).
    pub(super) fn apply_plain(&self, overrides: &mut Overrides) -> Result<(), Refusal> {
        let key = &self.key;
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
                return Err((ErrorCode::InvalidConfig, self.no_list()));
            }
            (ConfigOp::Unknown, _) => return Err(unknown_operation()),
        }
        Ok(())
    }

    fn apply(&self, overrides: &mut Overrides) -> Result<(), Refusal> {
        let key = &self.key;
        if self.op == ConfigOp::Delete {
            overrides.remove(key);
            return Ok(());
        }
        let known = TopicKey::find(key).ok_or_else(|| {
            (ErrorCode::InvalidConfig, format!("Unknown topic config name: {key}"))
        })?;
        self.apply_known(known, overrides)
    }

    /// Why nothing is added to a config, nor taken from it.
    fn no_list(&self) -> String {
        let op = if self.op == ConfigOp::Append { "APPEND" } else { "SUBTRACT" };
        format!("Can't {op} to key {} because its type is not LIST.", self.key)
    }

    /// Sets a value, or changes a list.
    pub(super) fn apply_known(
        &self,
        known: &TopicKey,
        overrides: &mut Overrides,
    ) -> Result<(), Refusal> {
        let key = &self.key;
        let invalid = |message| (ErrorCode::InvalidConfig, message);
        let value = self.value.as_deref();
        let value = value.ok_or_else(|| {
            (ErrorCode::InvalidRequest, format!("Null value not supported for: {key}"))
        })?;
        let value = match self.op {
            ConfigOp::Set | ConfigOp::Delete => value.trim().to_owned(),
            ConfigOp::Unknown => return Err(unknown_operation()),
            ConfigOp::Append | ConfigOp::Subtract if known.kind != ConfigKind::List => {
                return Err(invalid(self.no_list()));
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
        // brokers have their own names for what topics inherit
        let name = if **key == *known.name { known.name } else { known.server };
        TopicKey { name, ..*known }.check(&value).map_err(invalid)?;
        overrides.insert(Arc::clone(key), value.into());
        Ok(())
    }
}

/// What brokers look at before they ask the controller, whatever the changes are of (`ConfigAdminManager.preprocess`).
fn check_form(resource: &AlteredResource) -> Result<(), Refusal> {
    let invalid = |message: String| Err((ErrorCode::InvalidRequest, message));
    let mut seen = BTreeSet::new();
    if !resource.changes.iter().all(|change| seen.insert(&change.key)) {
        return invalid("Error due to duplicate config keys".to_owned());
    }
    let changes = resource.changes.iter();
    let nulls = changes.filter(|change| change.op != ConfigOp::Delete && change.value.is_none());
    let nulls: Vec<&str> = nulls.map(|change| &*change.key).collect();
    if nulls.is_empty() {
        return Ok(());
    }
    invalid(format!("Null value not supported for : {}", nulls.join(", ")))
}

fn unknown_operation() -> Refusal {
    (ErrorCode::UnknownServerError, "The operation is none of those on configs.".to_owned())
}

pub(super) fn texts<'a>((key, value): (&'a Arc<str>, &'a Arc<str>)) -> (&'a str, &'a str) {
    (key, value)
}

fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}
