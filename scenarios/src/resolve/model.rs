//! Model constants with their overrides, distributions and prices.

use super::hosts;
use crate::catalogue::model::{latency, model as catalogue};
use crate::catalogue::prices::{price, prices as price_list};
use crate::catalogue::services::{other_regions, regional_price, service_price};
use crate::catalogue::{hardware, managed, remote};
use crate::plan::{ClusterKind, ModelPlan, Price, Quantiles};
use crate::schema::cluster::{Cluster, VolumeKind};
use crate::schema::decode::At;
use crate::schema::scalar::Duration;
use crate::schema::scenario::Scenario;

/// The model of a plan.
pub(crate) fn model(scenario: &Scenario) -> ModelPlan {
    let file = catalogue();
    let cluster = scenario.cluster.sound();
    let kind = cluster.plan_kind();
    let tiered = scenario.has_remote_storage();
    let mut constants = file.constants.clone();
    constants.extend(managed::constants(kind));
    if tiered {
        constants.extend(remote::constants().clone());
    }
    for (name, _, value) in scenario.model.0.iter().flat_map(|model| &model.value.entries) {
        if let Some(constant) = constants.get_mut(name) {
            constant.value = *value;
            constant.source = "scenario override".to_owned();
            constant.confidence = "U".to_owned();
        }
    }
    let explicit = cluster
        .config
        .as_ref()
        .and_then(|config| config.value.entry("unclean.leader.election.enable"));
    if explicit.is_some() {
        // The scenario decides, so nothing is assumed.
        constants.remove("assume.unclean_leader_election");
    }
    let nvme = cluster.volume_kind() == Some(VolumeKind::Nvme);
    let volume =
        |operation: &str| latency(&format!("{}_{operation}", if nvme { "nvme" } else { "gp" }));
    let network = cluster.network.as_ref().map(|network| &network.value);
    let disk = cluster.host.as_ref().and_then(|host| host.value.disk_latency.as_ref());
    let disk_ns = disk.map(|latency| latency.value.0);
    ModelPlan {
        version: file.version.clone(),
        catalogue_digest: match tiered {
            true => remote::digest(&managed::digest(kind)),
            false => managed::digest(kind),
        },
        cpu_profile: file.cpu_profile.clone(),
        constants,
        latency_same_az: round_trip(
            latency("same_az"),
            network.and_then(|spec| spec.same_az_rtt.as_ref()),
        ),
        latency_cross_az: round_trip(
            latency("cross_az"),
            network.and_then(|spec| spec.cross_az_rtt.as_ref()),
        ),
        volume_read: scaled(volume("read"), disk_ns),
        volume_write: scaled(volume("write"), disk_ns),
        remote_request: tiered.then(remote::latency),
    }
}

/// A one-way distribution scaled to half of a round trip.
fn round_trip(quantiles: Quantiles, rtt: Option<&At<Duration>>) -> Quantiles {
    scaled(quantiles, rtt.map(|rtt| rtt.value.0 / 2))
}

/// A distribution stretched to another median; its shape stays.
fn scaled(quantiles: Quantiles, median_ns: Option<u64>) -> Quantiles {
    let Some(median_ns) = median_ns else { return quantiles };
    let points = &quantiles.points;
    let old = points.iter().find(|(ppm, _)| *ppm == 500_000).map_or(1, |(_, ns)| *ns).max(1);
    let stretch = |ns: u64| {
        let product = u128::from(ns) * u128::from(median_ns) / u128::from(old);
        u64::try_from(product).unwrap_or(u64::MAX)
    };
    Quantiles {
        points: points.iter().map(|(ppm, ns)| (*ppm, stretch(*ns))).collect(),
        source: format!("scenario override of the median; shape: {}", quantiles.source),
        confidence: "U".to_owned(),
    }
}

impl Cluster {
    /// Kind of volume; `None` on MSK, which has one kind.
    pub(crate) fn volume_kind(&self) -> Option<VolumeKind> {
        if self.plan_kind().is_msk() {
            return None;
        }
        if self.host.is_some() {
            return Some(VolumeKind::Nvme);
        }
        let written = self.storage.as_ref().and_then(|storage| storage.value.r#type.as_ref());
        Some(written.map_or(VolumeKind::Gp3, |kind| kind.value))
    }
}

/// The prices that this scenario's bill needs, as far as they are known in its cluster's region.
pub(crate) fn prices(scenario: &Scenario) -> Vec<Price> {
    let cluster = scenario.cluster.sound();
    let mut all = prices_of_the_catalogue(cluster);
    if scenario.has_remote_storage() {
        all.push(price_list().meter(match cluster.plan_kind().is_msk() {
            true => "tiered-storage-gb-month",
            false => "s3-standard-gb-month",
        }));
    }
    let region = cluster.region.as_ref().map(|region| region.value.0.as_str());
    let elsewhere = region.filter(|region| other_regions().contains(region));
    let Some(region) = elsewhere else { return all };
    let instance = cluster.instance_name();
    // retrieval has a price in some regions only
    let retrieval = scenario.has_remote_storage().then_some("tiered-retrieval-gb");
    let meters = all.iter().map(|price| price.meter.as_str()).chain(retrieval);
    meters.filter_map(|meter| regional_price(region, meter, instance)).collect()
}

/// What Serverless is billed by.
const SERVERLESS_METERS: [&str; 5] = [
    "serverless-cluster-hour",
    "serverless-partition-hour",
    "serverless-data-in-gb",
    "serverless-data-out-gb",
    "serverless-storage-gb-month",
];

fn express_prices(cluster: &Cluster) -> Vec<Price> {
    let list = price_list();
    let offer = managed::express_instance(cluster.instance_name());
    let hour = offer.map(|offer| Price {
        meter: "broker-hour".to_owned(),
        unit: format!("USD per {} broker-hour", offer.name),
        ..offer.hour
    });
    let meters = ["express-data-in-gb", "express-storage-gb-month"];
    hour.into_iter()
        .chain(meters.into_iter().filter_map(service_price))
        .chain([list.meter("cross-az-gb"), list.meter("broker-replication-gb")])
        .collect()
}

fn prices_of_the_catalogue(cluster: &Cluster) -> Vec<Price> {
    let list = price_list();
    match cluster.plan_kind() {
        ClusterKind::MskExpress => return express_prices(cluster),
        ClusterKind::MskServerless => {
            return SERVERLESS_METERS.into_iter().filter_map(service_price).collect();
        }
        ClusterKind::MskStandard | ClusterKind::SelfManaged => {}
    }
    let name = cluster.instance_name();
    let instance = hosts::host_instance(cluster.plan_kind(), name);
    if let Some((_, Some(msk))) = instance {
        let source = &hardware::msk().provenance.price;
        let unit = format!("USD per {name} broker-hour");
        return vec![
            price("broker-hour", &msk.usd_per_hour, &unit, source),
            list.meter("storage-gb-month"),
            list.meter("provisioned-throughput-mbps-month"),
            list.meter("cross-az-gb"),
            list.meter("broker-replication-gb"),
        ];
    }
    let source = &hardware::ec2().provenance.price;
    let controller = cluster.controller_instance.as_ref().map_or("m6g.large", |name| &name.value.0);
    let controller_row =
        hardware::ec2_instance(controller).expect("check refused unknown instances");
    // Hardware of one's own has no list price.
    let usd_per_hour = instance.map_or("0", |(ec2, _)| ec2.usd_per_hour.as_str());
    let mut prices = vec![
        price("ec2-hour", usd_per_hour, &format!("USD per {name} hour"), source),
        price(
            "controller-ec2-hour",
            &controller_row.usd_per_hour,
            &format!("USD per {controller} hour"),
            source,
        ),
        // Controllers keep their metadata log on gp3 whatever the brokers use.
        list.meter("ebs-gp3-gb-month"),
        list.meter("cross-az-gb"),
    ];
    match cluster.volume_kind() {
        Some(VolumeKind::Gp3) => {
            prices.push(list.meter("ebs-gp3-iops-month"));
            prices.push(list.meter("ebs-gp3-mbps-month"));
        }
        Some(VolumeKind::Gp2) => prices.push(list.meter("ebs-gp2-gb-month")),
        Some(VolumeKind::Nvme) | None => {}
    }
    prices
}
