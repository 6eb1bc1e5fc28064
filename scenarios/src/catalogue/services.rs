//! Prices and limits of the services that a Kafka cluster can be replaced with, AWS's sizing factors,
//! and Express brokers: `services.toml`. None of it moves a simulation.

use super::hardware;
use super::prices::price;
use super::provenance::{Provenance, read};
use crate::plan::Price;
use crate::units::scaled_decimal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: Vec<Sourced>,
    regions: BTreeMap<String, BTreeMap<String, PriceRow>>,
    prices: BTreeMap<String, PriceRow>,
    limits: BTreeMap<String, LimitRow>,
    sizer: SizerRow,
    express: ExpressRow,
}

#[derive(Debug, Deserialize)]
struct Sourced {
    key: String,
    #[serde(flatten)]
    provenance: Provenance,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceRow {
    usd: String,
    unit: String,
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitRow {
    value: u64,
    unit: String,
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SizerRow {
    source: String,
    storage_factor: String,
    network_factor: String,
    network_fan_out_factor: String,
    utilisation_standard: String,
    utilisation_express: String,
    storage_headroom: String,
    cross_az_share: [u64; 2],
    standard: Vec<SizerInstanceRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SizerInstanceRow {
    instance: String,
    ebs: String,
    nic: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpressRow {
    price_source: String,
    quota_source: String,
    instances: Vec<ExpressInstanceRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpressInstanceRow {
    name: String,
    usd_per_hour: String,
    in_sustained: String,
    in_max: String,
    out_sustained: String,
    out_max: String,
    partitions: u32,
    partitions_max: u32,
}

/// A limit of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Value in `unit`.
    pub value: u64,
    /// Unit.
    pub unit: String,
    /// Where from.
    pub source: String,
}

/// Factors of AWS's sizing script, parts per thousand, and its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizer {
    /// Storage throughput for each byte of ingress.
    pub storage_permille: u64,
    /// Network throughput for each byte of ingress.
    pub network_permille: u64,
    /// Network throughput for each byte of egress.
    pub network_fan_out_permille: u64,
    /// Share of what a Standard broker has that is planned with.
    pub utilisation_standard_permille: u64,
    /// Share of what an Express broker has that is planned with.
    pub utilisation_express_permille: u64,
    /// Volume for each byte that is kept.
    pub storage_headroom_permille: u64,
    /// Share of ingress that crosses AZs, numerator and denominator.
    pub cross_az_share: [u64; 2],
    /// Standard brokers.
    pub standard: Vec<SizerInstance>,
    /// Where from.
    pub source: String,
}

/// A Standard broker as the script sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizerInstance {
    /// Instance type.
    pub name: String,
    /// Volume throughput, thousandths of MiB/s.
    pub ebs_milli_mib: u64,
    /// Network throughput, thousandths of MiB/s.
    pub nic_milli_mib: u64,
    /// Partition replicas at most, as AWS recommends.
    pub partitions: u32,
    /// Price of an hour.
    pub hour: Price,
}

/// An Express broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Express {
    /// Instance type.
    pub name: String,
    /// Price of an hour.
    pub hour: Price,
    /// Ingress without degradation, bytes/s.
    pub in_sustained: u64,
    /// Ingress from which on it throttles, bytes/s.
    pub in_max: u64,
    /// Egress without degradation, bytes/s.
    pub out_sustained: u64,
    /// Egress from which on it throttles, bytes/s.
    pub out_max: u64,
    /// Partition replicas that AWS recommends at most.
    pub partitions: u32,
    /// Partition replicas beyond which updates are refused.
    pub partitions_max: u32,
    /// Where the quotas are from.
    pub source: String,
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| read("services.toml", include_str!("../../catalogue/services.toml")))
}

impl File {
    fn provenance(&self, key: &str) -> &Provenance {
        let row = self.sources.iter().find(|row| row.key == key);
        &row.unwrap_or_else(|| panic!("services.toml has the source `{key}`")).provenance
    }
}

fn cited(provenance: &Provenance) -> String {
    format!("{} ({}, {})", provenance.source, provenance.date, provenance.confidence)
}

fn scaled(text: &str, factor: u128) -> u64 {
    scaled_decimal(text, factor).expect("figures of the catalogue are decimals that a test reads")
}

/// The price of a service's meter; nothing when it is not known.
#[must_use]
pub fn service_price(meter: &str) -> Option<Price> {
    let row = file().prices.get(meter)?;
    Some(price(meter, &row.usd, &row.unit, file().provenance(&row.source)))
}

/// Regions of which some prices are known, beside the one of the whole catalogue.
pub(crate) fn other_regions() -> Vec<&'static str> {
    file().regions.keys().map(String::as_str).collect()
}

/// Regions of which prices are known: those of the whole catalogue, then those of which some are.
#[must_use]
pub fn regions() -> Vec<&'static str> {
    let whole = super::prices::prices().regions.iter();
    whole.map(String::as_str).chain(other_regions()).collect()
}

/// A meter's price in another region, for this instance if it is by instance.
pub(crate) fn regional_price(region: &str, meter: &str, instance: &str) -> Option<Price> {
    let rows = file().regions.get(region)?;
    let row = rows.get(meter).or_else(|| rows.get(&format!("{meter}:{instance}")))?;
    let unit = format!("USD per {} in {region}", row.unit);
    Some(price(meter, &row.usd, &unit, file().provenance(&row.source)))
}

/// A limit of a service; nothing when it is not known.
#[must_use]
pub fn service_limit(name: &str) -> Option<Limit> {
    let row = file().limits.get(name)?;
    let source = cited(file().provenance(&row.source));
    Some(Limit { value: row.value, unit: row.unit.clone(), source })
}

/// Names of all meters of services.
#[must_use]
pub fn service_meters() -> Vec<&'static str> {
    file().prices.keys().map(String::as_str).collect()
}

/// AWS's sizing script.
#[must_use]
pub fn sizer() -> Sizer {
    let row = &file().sizer;
    let permille = |text: &str| scaled(text, 1000);
    let standard = row.standard.iter().filter_map(|one| {
        let instance = hardware::msk_instance(&one.instance)?;
        let meter = format!("broker-hour:{}", one.instance);
        let provenance = &hardware::msk().provenance.price;
        Some(SizerInstance {
            name: one.instance.clone(),
            ebs_milli_mib: permille(&one.ebs),
            nic_milli_mib: permille(&one.nic),
            partitions: instance.recommended_partitions,
            hour: price(&meter, &instance.usd_per_hour, "hour", provenance),
        })
    });
    Sizer {
        storage_permille: permille(&row.storage_factor),
        network_permille: permille(&row.network_factor),
        network_fan_out_permille: permille(&row.network_fan_out_factor),
        utilisation_standard_permille: permille(&row.utilisation_standard),
        utilisation_express_permille: permille(&row.utilisation_express),
        storage_headroom_permille: permille(&row.storage_headroom),
        cross_az_share: row.cross_az_share,
        standard: standard.collect(),
        source: cited(file().provenance(&row.source)),
    }
}

/// Express brokers, the smallest first.
#[must_use]
pub fn express_offers() -> Vec<Express> {
    let express = &file().express;
    let bytes = |text: &str| scaled(text, 1_000_000);
    let of = |row: &ExpressInstanceRow| Express {
        name: row.name.clone(),
        hour: price(
            &format!("broker-hour:{}", row.name),
            &row.usd_per_hour,
            "hour",
            file().provenance(&express.price_source),
        ),
        in_sustained: bytes(&row.in_sustained),
        in_max: bytes(&row.in_max),
        out_sustained: bytes(&row.out_sustained),
        out_max: bytes(&row.out_max),
        partitions: row.partitions,
        partitions_max: row.partitions_max,
        source: cited(file().provenance(&express.quota_source)),
    };
    express.instances.iter().map(of).collect()
}

/// Express brokers as sizes to choose from.
#[must_use]
pub fn express_sizes() -> Vec<hardware::Offer> {
    let rows = file().express.instances.iter();
    let size = |row: &'static ExpressInstanceRow| hardware::Offer {
        name: &row.name,
        recommended_partitions: row.partitions,
    };
    rows.map(size).collect()
}

/// The price of any meter of Stormglass's own catalogue: storage, transfer, EBS, services.
#[must_use]
pub fn list_price(meter: &str) -> Option<Price> {
    super::prices::prices().find(meter).or_else(|| service_price(meter))
}

/// The price of an EC2 instance's hour.
#[must_use]
pub fn ec2_price(instance: &str) -> Option<Price> {
    let Some(row) = hardware::ec2_instance(instance) else {
        return super::priced::hour(instance);
    };
    let meter = format!("ec2-hour:{instance}");
    Some(price(&meter, &row.usd_per_hour, "hour", &hardware::ec2().provenance.price))
}

/// The price of an MSK Standard broker's hour.
#[must_use]
pub fn msk_price(instance: &str) -> Option<Price> {
    let row = hardware::msk_instance(instance)?;
    let meter = format!("broker-hour:{instance}");
    Some(price(&meter, &row.usd_per_hour, "hour", &hardware::msk().provenance.price))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_sourced_and_can_be_read() {
        for row in &file().sources {
            row.provenance.check(&row.key);
        }
        for meter in service_meters() {
            assert!(service_price(meter).unwrap().nano_usd > 0, "{meter}");
        }
        for (region, rows) in &file().regions {
            for meter in rows.keys() {
                assert!(regional_price(region, meter, "").is_some(), "{region} {meter}");
            }
        }
        for name in file().limits.keys() {
            assert!(service_limit(name).unwrap().value > 0, "{name}");
        }
        assert_eq!(sizer().standard.len(), file().sizer.standard.len(), "all are in msk.toml");
        assert!(service_price("made-up").is_none() && service_limit("made-up").is_none());
    }

    #[test]
    fn express_brokers_grow_in_every_way() {
        let offers = express_offers();
        for pair in offers.windows(2) {
            let [a, b] = pair else { continue };
            assert!(a.hour.nano_usd < b.hour.nano_usd && a.in_sustained < b.in_sustained);
            assert!(a.partitions <= b.partitions && a.partitions_max < b.partitions_max);
        }
        for offer in offers {
            assert!(offer.in_sustained < offer.in_max && offer.out_sustained < offer.out_max);
        }
    }
}
