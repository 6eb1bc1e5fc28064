//! What is simulated of MSK Express and Serverless: `managed.toml`, and the quotas of
//! `services.toml` in the form of a plan. Only plans of these kinds have it, so that the plans of
//! other kinds, and what they are compared by, do not change with it.

use super::hardware::Offer;
use super::provenance::read;
use super::services::{Express, express_offers, service_limit};
use super::values;
use crate::digest::sha256_hex;
use crate::plan::{ClusterKind, Constant, LimitsPlan};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Name of the hosts of a Serverless cluster.
pub(crate) const SERVERLESS_INSTANCE: &str = "msk-serverless";
/// Replicas of every partition there.
const SERVERLESS_REPLICATION: u64 = 3;

/// `managed.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Managed {
    pub(crate) serverless_instance: String,
    pub(crate) serverless_brokers: u32,
    pub(crate) express: BTreeMap<String, Constant>,
    pub(crate) serverless: BTreeMap<String, Constant>,
}

/// The file.
pub(crate) fn managed() -> &'static Managed {
    static FILE: OnceLock<Managed> = OnceLock::new();
    FILE.get_or_init(|| read("managed.toml", include_str!("../../catalogue/managed.toml")))
}

impl Managed {
    /// A figure of Express.
    ///
    /// # Panics
    /// If there is none of this name: a test looks them up.
    pub(crate) fn express(&self, name: &str) -> u64 {
        let constant = self.express.get(name);
        constant.unwrap_or_else(|| panic!("managed.toml has `{name}`")).value.unsigned_abs()
    }
}

/// An Express broker size by name.
pub(crate) fn express_instance(name: &str) -> Option<Express> {
    express_offers().into_iter().find(|offer| offer.name == name)
}

/// Serverless as something to choose, and how many brokers stand in for what AWS does not show. There
/// are as many partitions for each of them as for the cluster: three replicas on three brokers.
///
/// # Panics
/// If services.toml does not limit the partitions: a test looks.
#[must_use]
pub fn serverless_offer() -> (Offer, u32) {
    let limit = service_limit("serverless-partitions").expect("services.toml has the limit");
    let brokers = managed().serverless_brokers;
    let replicas = limit.value * SERVERLESS_REPLICATION / u64::from(brokers);
    let recommended_partitions = u32::try_from(replicas).unwrap_or(u32::MAX);
    (Offer { name: SERVERLESS_INSTANCE, recommended_partitions }, brokers)
}

/// Constants that only this kind of cluster has.
pub(crate) fn constants(kind: ClusterKind) -> BTreeMap<String, Constant> {
    match kind {
        ClusterKind::MskStandard | ClusterKind::SelfManaged => BTreeMap::new(),
        ClusterKind::MskExpress => managed().express.clone(),
        ClusterKind::MskServerless => {
            let mut all = managed().express.clone();
            all.extend(managed().serverless.clone());
            all
        }
    }
}

/// Constants that the simulator reads, so that a scenario can set them.
pub(crate) fn settable(kind: ClusterKind) -> impl Iterator<Item = String> {
    const READ: [&str; 2] = ["express.recovery_permille", "express.storage_durable"];
    constants(kind).into_keys().filter(|name| READ.contains(&name.as_str()))
}

/// Digest of the catalogue as far as it moves this kind of cluster: what only some kinds use has a part
/// of its own, `+name:digest`, so that kinds can be compared by what both use.
pub(crate) fn digest(kind: ClusterKind) -> String {
    let mut digest = values::digest().to_owned();
    let file = managed();
    let parts = match kind {
        ClusterKind::MskStandard | ClusterKind::SelfManaged => Vec::new(),
        ClusterKind::MskExpress => vec![("express", &file.express)],
        ClusterKind::MskServerless => {
            vec![("express", &file.express), ("serverless", &file.serverless)]
        }
    };
    for (name, constants) in parts {
        let text: String = (constants.iter())
            .map(|(name, constant)| format!("{name}={};", constant.value))
            .collect();
        digest.push_str(&format!("+{name}:{}", sha256_hex(text.as_bytes())));
    }
    digest
}

/// Quotas of each broker.
pub(crate) fn limits(kind: ClusterKind, instance: &str) -> Option<LimitsPlan> {
    let limit = |name: &str| service_limit(name).map(|limit| limit.value);
    match kind {
        ClusterKind::MskStandard | ClusterKind::SelfManaged => None,
        ClusterKind::MskExpress => {
            let offer = express_instance(instance)?;
            Some(LimitsPlan {
                in_sustained_bytes_per_sec: Some(offer.in_sustained),
                in_bytes_per_sec: Some(offer.in_max),
                out_sustained_bytes_per_sec: Some(offer.out_sustained),
                out_bytes_per_sec: Some(offer.out_max),
                partition_in_bytes_per_sec: limit("express-partition-bytes"),
                partition_out_bytes_per_sec: None,
                requests_per_sec: None,
                shared_by: None,
                source: offer.source,
            })
        }
        ClusterKind::MskServerless => {
            let brokers = managed().serverless_brokers;
            let share = |name: &str| limit(name).map(|value| value / u64::from(brokers));
            Some(LimitsPlan {
                in_sustained_bytes_per_sec: None,
                in_bytes_per_sec: share("serverless-in-bytes"),
                out_sustained_bytes_per_sec: None,
                out_bytes_per_sec: share("serverless-out-bytes"),
                partition_in_bytes_per_sec: limit("serverless-partition-in-bytes"),
                partition_out_bytes_per_sec: limit("serverless-partition-out-bytes"),
                requests_per_sec: share("serverless-requests"),
                shared_by: Some(brokers),
                source: service_limit("serverless-in-bytes").map_or_else(String::new, |l| l.source),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::hardware;
    use crate::catalogue::provenance::Provenance;

    #[test]
    fn every_constant_is_sourced_and_every_broker_has_hardware_and_quotas() {
        let file = managed();
        for (name, constant) in file.express.iter().chain(&file.serverless) {
            let Constant { source, confidence, .. } = constant.clone();
            Provenance { source, date: "2026-11-27".to_owned(), confidence }.check(name);
        }
        assert!(hardware::ec2_instance(&file.serverless_instance).is_some());
        assert_eq!(file.serverless["serverless.brokers"].value, i64::from(file.serverless_brokers));
        for offer in express_offers() {
            let ec2 = offer.name.strip_prefix("express.").unwrap();
            assert!(hardware::ec2_instance(ec2).is_some(), "{ec2}");
            let limits = limits(ClusterKind::MskExpress, &offer.name).unwrap();
            assert_eq!(limits.in_bytes_per_sec, Some(offer.in_max));
            assert_eq!(limits.partition_in_bytes_per_sec, Some(15_000_000));
        }
        let serverless = limits(ClusterKind::MskServerless, SERVERLESS_INSTANCE).unwrap();
        assert_eq!(serverless.in_bytes_per_sec, Some(66_666_666));
        assert_eq!((serverless.requests_per_sec, serverless.shared_by), (Some(5_000), Some(3)));
        let (offer, brokers) = serverless_offer();
        assert_eq!((offer.recommended_partitions, brokers), (2_400, 3));
    }

    #[test]
    fn only_kinds_with_figures_of_their_own_have_another_digest() {
        assert_eq!(digest(ClusterKind::MskStandard), values::digest());
        assert_eq!(digest(ClusterKind::SelfManaged), values::digest());
        assert_ne!(digest(ClusterKind::MskExpress), values::digest());
        assert_ne!(digest(ClusterKind::MskExpress), digest(ClusterKind::MskServerless));
        let express = digest(ClusterKind::MskExpress);
        assert!(express.starts_with(&format!("{}+express:", values::digest())), "{express}");
        assert!(digest(ClusterKind::MskServerless).starts_with(&format!("{express}+serverless:")));
    }
}
