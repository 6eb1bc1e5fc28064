//! Changes of brokers' configs while they run (Kafka's `DynamicBrokerConfig.validate`). Kafka has the
//! broker that is asked check them, here the controller does, which takes all nodes to have the same
//! server.properties.

use super::configs::{Overrides, Refusal, texts};
use super::remote_storage;
use super::state::Controller;
use crate::config::{ServerConfig, check_inherited, dynamic_key, why_static};
use crate::effective::Dynamic;
use crate::error::ErrorCode;
use crate::ids::NodeId;
use crate::metadata::ConfigResource;
use crate::protocol::{AlteredResource, ConfigChange, ConfigOp};
use std::sync::Arc;

impl Controller {
    /// Whose overrides change, and what they are then: a broker's, or those of all if none is named.
    pub(super) fn altered_broker(
        &self,
        resource: &AlteredResource,
    ) -> Result<(ConfigResource, Overrides), Refusal> {
        let name = &resource.target.name;
        let owner = if name.is_empty() {
            ConfigResource::AllBrokers
        } else {
            let id = name.parse().map_err(|_| {
                (ErrorCode::InvalidRequest, format!("'{name}' is not the id of a broker."))
            })?;
            ConfigResource::Broker(NodeId(id))
        };
        let after = self.after(resource, &owner, ConfigChange::apply_to_broker)?;
        let (before, changed) = self.before_and_after(&owner, &after);
        let (now, then) = (before.over(&self.server), changed.over(&self.server));
        let pools = now.thread_pools().into_iter().map(|(key, size)| (key, u32::from(size)));
        let sizes = then.thread_pools().into_iter().map(|(_, size)| u32::from(size));
        let kept = before.kept_pools().zip(changed.kept_pools().map(|(_, size)| size));
        check_threads(pools.zip(sizes).chain(kept))
            .map_err(|why| (ErrorCode::InvalidRequest, why))?;
        self.check_inherited_by(&now, &then)
            .and_then(|()| self.check_with_own(&owner, &after))
            .map_err(|why| (ErrorCode::InvalidConfig, why))?;
        self.check_known(&owner)?;
        Ok((owner, after))
    }

    /// Whoever has configs of its own is registered, or a controller (Kafka's `ConfigResourceExistenceChecker`,
    /// which has its say after the configs').
    fn check_known(&self, owner: &ConfigResource) -> Result<(), Refusal> {
        let ConfigResource::Broker(id) = owner else { return Ok(()) };
        if self.image.broker(*id).is_some() || self.voters.contains(id) {
            return Ok(());
        }
        Err((ErrorCode::BrokerIdNotRegistered, format!("No node with id {id} found.")))
    }

    /// server.properties with what was set for all brokers.
    pub(super) fn server_now(&self) -> ServerConfig {
        Dynamic::of_all(&self.image).over(&self.server)
    }

    /// What is set for those whom a change is for, without and with it.
    fn before_and_after<'a>(
        &'a self,
        owner: &ConfigResource,
        after: &'a Overrides,
    ) -> (Dynamic<'a>, Dynamic<'a>) {
        match owner {
            ConfigResource::Broker(id) => {
                (Dynamic::of(&self.image, *id), Dynamic::of_after(&self.image, after))
            }
            _ => (Dynamic::of_all(&self.image), Dynamic::of_all_after(after)),
        }
    }

    /// What topics inherit, where it changes.
    fn check_inherited_by(&self, now: &ServerConfig, then: &ServerConfig) -> Result<(), String> {
        check_lags(now, then)?;
        self.check_tiered_topics(now, then)
    }

    /// Brokers keep what they have of their own when something is set for all.
    fn check_with_own(&self, owner: &ConfigResource, after: &Overrides) -> Result<(), String> {
        if *owner != ConfigResource::AllBrokers {
            return Ok(());
        }
        for resource in self.image.configured() {
            let ConfigResource::Broker(id) = resource else { continue };
            let now = Dynamic::of(&self.image, *id).over(&self.server);
            let then = Dynamic::of_with_all(&self.image, *id, after).over(&self.server);
            self.check_inherited_by(&now, &then)
                .map_err(|why| format!("Broker {id} has its own: {why}"))?;
        }
        Ok(())
    }

    /// Topics with remote storage inherit nothing that they could not have of their own: their logs
    /// would silently stay on the disk (in Kafka they do).
    fn check_tiered_topics(&self, now: &ServerConfig, then: &ServerConfig) -> Result<(), String> {
        if !self.server.remote_log_storage_system_enable {
            return Ok(());
        }
        let none = Overrides::new();
        for topic in self.image.topics() {
            let owner = ConfigResource::Topic(Arc::clone(&topic.name));
            let overrides = self.image.configs(&owner).unwrap_or(&none);
            let check = |server| {
                let overrides = overrides.iter().map(texts);
                remote_storage::check(server, std::iter::empty(), overrides)
            };
            if let (Ok(()), Err(why)) = (check(now), check(then)) {
                return Err(format!("Topic {} inherits it: {why}", topic.name));
            }
        }
        Ok(())
    }
}

/// What topics inherit must go together. Where it did not before, as nobody had asked for it then, that is no
/// reason to refuse a change, be it of something else.
fn check_lags(now: &ServerConfig, then: &ServerConfig) -> Result<(), String> {
    if check_inherited(now).is_err() {
        return Ok(());
    }
    check_inherited(then)
}

/// Pools of threads grow and shrink step by step, also when an override is taken away.
fn check_threads(pools: impl Iterator<Item = ((&'static str, u32), u32)>) -> Result<(), String> {
    for ((key, old), value) in pools {
        let bound = if value < old / 2 {
            "be at least half the current value"
        } else if value > old.saturating_mul(2) {
            "not be greater than double the current value"
        } else {
            continue;
        };
        return Err(format!(
            "Dynamic thread count update validation failed for {key}={value}, value should \
             {bound} {old}"
        ));
    }
    Ok(())
}

impl ConfigChange {
    /// Changes a broker's overrides. What it never had may be deleted: kafka-reassign-partitions takes
    /// throttles away that it never set.
    fn apply_to_broker(&self, overrides: &mut Overrides) -> Result<(), Refusal> {
        let key = &self.key;
        if self.op == ConfigOp::Delete {
            overrides.remove(key);
            return Ok(());
        }
        if let Some(known) = dynamic_key(key) {
            return self.apply_known(known, overrides);
        }
        match why_static(key) {
            Some(why) => Err((ErrorCode::InvalidRequest, why)),
            None => self.apply_plain(overrides),
        }
    }
}
