//! Whom a quota is for, in the metadata (`ClientQuotaRecord`, Kafka's `ClientQuotaEntity`).

use crate::protocol::{QuotaEntity, QuotaValue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Type of a user in requests and records.
const USER: &str = "user";
/// Type of a client id.
const CLIENT_ID: &str = "client-id";
/// Type of an IP address.
const IP: &str = "ip";

/// A user, a client id, or both, or else an IP address; of each type its default or one of a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct QuotaOwner {
    /// User; `Some(None)` is the default of all users.
    pub user: Option<Option<Arc<str>>>,
    /// Client id; `Some(None)` is the default of all client ids.
    pub client_id: Option<Option<Arc<str>>>,
    /// IP address; `Some(None)` is the default of all addresses.
    pub ip: Option<Option<Arc<str>>>,
}

/// Quotas by owner and key.
pub type QuotaMap = BTreeMap<QuotaOwner, BTreeMap<Arc<str>, QuotaValue>>;

impl QuotaOwner {
    /// From the parts of an entity.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn of(entity: &QuotaEntity) -> Result<Self, String> {
        let mut owner = Self::default();
        for (kind, name) in entity {
            let part = match &**kind {
                USER => &mut owner.user,
                CLIENT_ID => &mut owner.client_id,
                IP => &mut owner.ip,
                other => return Err(format!("Unhandled client quota entity type: {other}")),
            };
            if name.as_deref() == Some("") {
                return Err(format!("Empty {kind} not supported"));
            }
            if part.replace(name.clone()).is_some() {
                return Err(format!("Entity type {kind} is named twice."));
            }
        }
        if owner.ip.is_some() && (owner.user.is_some() || owner.client_id.is_some()) {
            return Err("Invalid quota entity combination, IP entity should not be combined with \
                        User or ClientId"
                .to_owned());
        }
        if owner == Self::default() {
            return Err("Invalid empty client quota entity".to_owned());
        }
        Ok(owner)
    }

    /// The parts.
    #[must_use]
    pub fn entity(&self) -> QuotaEntity {
        let part = |kind: &str, part: &Option<Option<Arc<str>>>| {
            part.clone().map(|name| (Arc::from(kind), name))
        };
        let parts = [part(USER, &self.user), part(CLIENT_ID, &self.client_id), part(IP, &self.ip)];
        parts.into_iter().flatten().collect()
    }
}
