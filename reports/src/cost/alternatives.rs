//! The same workload on other services: what each would bill, and the limits that it would meet.
//!
//! Sized for the peak, billed for the mean, at list prices. Nothing of this is simulated: quotas and
//! prices are all that is known of these services.

use super::sheet::Sheet;
use super::types::{CostOptions, CostReport};
use super::workload::Workload;
use crate::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_scenarios::{Express, ec2_price, express_offers, service_limit};

const DAY_S: u64 = 86_400;
const WEEK_S: u64 = 7 * DAY_S;
/// A PUT payload unit of Kinesis.
const PUT_UNIT_BYTES: u64 = 25_000;
const TIB: i128 = 1 << 40;
const GIB: i128 = 1 << 30;

/// A service that could carry the workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// Name of the service and of its size.
    pub name: String,
    /// The month.
    pub bill: CostReport,
    /// Limits, those that are passed first.
    pub limits: Vec<LimitCheck>,
    /// Whether the workload stays within all of them.
    pub fits: bool,
    /// What else to know.
    pub notes: Vec<String>,
}

/// A limit and what the workload needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitCheck {
    /// What is limited.
    pub what: String,
    /// What the workload needs.
    pub needed: u64,
    /// The limit.
    pub limit: u64,
    /// Unit of both.
    pub unit: String,
    /// Whether it holds.
    pub holds: bool,
    /// Where the limit is from.
    pub source: String,
}

/// Limits that are being checked.
#[derive(Debug, Default)]
struct Limits(Vec<LimitCheck>);

impl Limits {
    /// A limit of the catalogue; one that is not known cannot be checked.
    fn check(&mut self, name: &str, needed: u64) {
        if let Some(limit) = service_limit(name) {
            self.known(name, needed, limit.value, &limit.unit, &limit.source);
        }
    }

    fn known(&mut self, what: &str, needed: u64, limit: u64, unit: &str, source: &str) {
        let (what, unit, source) = (what.to_owned(), unit.to_owned(), source.to_owned());
        self.0.push(LimitCheck { what, needed, limit, unit, holds: needed <= limit, source });
    }
}

fn limit(name: &str) -> u64 {
    service_limit(name).map_or(u64::MAX, |limit| limit.value)
}

fn alternative(name: String, sheet: Sheet<'_>, limits: Limits, notes: &[&str]) -> Alternative {
    let mut limits = limits.0;
    limits.sort_by_key(|limit| limit.holds);
    Alternative {
        name,
        bill: sheet.finish(),
        fits: limits.iter().all(|limit| limit.holds),
        limits,
        notes: notes.iter().map(|note| (*note).to_owned()).collect(),
    }
}

/// Every alternative that is known, those that carry the load first, the cheapest first.
#[must_use]
pub fn alternatives(workload: &Workload, options: &CostOptions) -> Vec<Alternative> {
    let mut all = vec![
        express(workload, options),
        serverless(workload, options),
        kinesis_provisioned(workload, options),
        kinesis_on_demand(workload, options),
        kinesis_advantage(workload, options),
        confluent_dedicated(workload, options),
        confluent_enterprise(workload, options),
        confluent_standard(workload, options),
        confluent_freight(workload, options),
        confluent_basic(workload, options),
        event_hubs(workload, options),
        event_hubs_units(workload, ("Premium", "PU", "event-hubs-premium-pu-hour"), options),
        event_hubs_units(workload, ("Dedicated", "CU", "event-hubs-dedicated-cu-hour"), options),
        pubsub(workload, options),
    ];
    all.sort_by_key(|one| (!one.fits, !one.bill.complete, one.bill.total_usd));
    all
}

/// Producers and consumers in three AZs: two thirds of the bytes cross.
fn cross_az(sheet: &mut Sheet<'_>, workload: &Workload) {
    let crossing = |bytes: u64| bytes / 3 * 2;
    sheet.flow("Producers across AZs", "cross-az-gb", crossing(workload.in_bytes_per_sec));
    sheet.flow("Consumers across AZs", "cross-az-gb", crossing(workload.out_bytes_per_sec));
}

fn express_brokers(workload: &Workload, one: &Express) -> u64 {
    let replicas = workload.partitions.saturating_mul(3);
    [
        workload.in_peak_bytes_per_sec.div_ceil(one.in_sustained),
        workload.out_peak_bytes_per_sec.div_ceil(one.out_sustained),
        replicas.div_ceil(u64::from(one.partitions)),
        3,
    ]
    .into_iter()
    .max()
    .unwrap_or(3)
    .next_multiple_of(3)
}

/// The size whose brokers cost least at the sustained quotas.
fn express(workload: &Workload, options: &CostOptions) -> Alternative {
    let offers = express_offers();
    let cost =
        |one: &&Express| i128::from(express_brokers(workload, one)) * i128::from(one.hour.nano_usd);
    let mut sheet = Sheet::new(options);
    let mut limits = Limits::default();
    let Some(best) = offers.iter().min_by_key(cost) else {
        return alternative("MSK Express".to_owned(), sheet, limits, &[]);
    };
    let brokers = express_brokers(workload, best);
    let hours = i128::from(brokers) * sheet.hours() * 1000;
    sheet.line(&format!("{brokers} brokers {}", best.name), hours, best.hour.clone());
    sheet.flow("Data in", "express-data-in-gb", workload.in_bytes_per_sec);
    sheet.kept("Storage", "express-storage-gb-month", workload.kept_bytes);
    cross_az(&mut sheet, workload);
    let each = |bytes: u64| bytes.div_ceil(brokers);
    let (unit, source) = ("B/s of a broker, sustained", best.source.as_str());
    limits.known("ingress", each(workload.in_peak_bytes_per_sec), best.in_sustained, unit, source);
    limits.known("egress", each(workload.out_peak_bytes_per_sec), best.out_sustained, unit, source);
    let replicas = workload.partitions.saturating_mul(3).div_ceil(brokers);
    let max = u64::from(best.partitions_max);
    limits.known("partitions", replicas, max, "replicas of a broker", source);
    limits
        .check("express-partition-bytes", per_partition(workload.in_peak_bytes_per_sec, workload));
    limits.check("msk-brokers", brokers);
    let notes = ["replication factor 3 and min.insync.replicas 2 are fixed; no volumes to size"];
    alternative(format!("MSK Express, {brokers} x {}", best.name), sheet, limits, &notes)
}

fn per_partition(bytes: u64, workload: &Workload) -> u64 {
    bytes.div_ceil(workload.partitions.max(1))
}

fn serverless(workload: &Workload, options: &CostOptions) -> Alternative {
    let mut sheet = Sheet::new(options);
    sheet.hourly("Cluster", "serverless-cluster-hour", 1);
    sheet.hourly("Partitions", "serverless-partition-hour", workload.partitions);
    sheet.flow("Data in", "serverless-data-in-gb", workload.in_bytes_per_sec);
    sheet.flow("Data out", "serverless-data-out-gb", workload.out_bytes_per_sec);
    sheet.kept("Storage", "serverless-storage-gb-month", workload.kept_bytes);
    let mut limits = Limits::default();
    limits.check("serverless-in-bytes", workload.in_peak_bytes_per_sec);
    limits.check("serverless-out-bytes", workload.out_peak_bytes_per_sec);
    let each = |bytes| per_partition(bytes, workload);
    limits.check("serverless-partition-in-bytes", each(workload.in_peak_bytes_per_sec));
    limits.check("serverless-partition-out-bytes", each(workload.out_peak_bytes_per_sec));
    limits.check("serverless-partitions", workload.partitions);
    limits.check("serverless-connections", workload.clients);
    limits.check("serverless-groups", u64::from(workload.groups));
    limits.check("serverless-record-bytes", workload.record_bytes_max);
    let notes = ["IAM is its only authentication", "its longest retention is not known here"];
    alternative("MSK Serverless".to_owned(), sheet, limits, &notes)
}

/// Kinesis has no groups that share a stream's reads beyond 2 MB/s of a shard: more shards, or
/// enhanced fan-out for every group.
fn kinesis_provisioned(workload: &Workload, options: &CostOptions) -> Alternative {
    let write = [
        workload.in_peak_bytes_per_sec.div_ceil(limit("kinesis-shard-in-bytes")),
        workload.records_peak_per_sec.div_ceil(limit("kinesis-shard-in-records")),
        1,
    ];
    let write = write.into_iter().max().unwrap_or(1);
    let shards =
        write.max(workload.out_peak_bytes_per_sec.div_ceil(limit("kinesis-shard-out-bytes")));
    let mut sheet = Sheet::new(options);
    sheet.hourly(&format!("{shards} shards"), "kinesis-shard-hour", shards);
    let mean = workload.in_bytes_per_sec.checked_div(workload.records_per_sec).unwrap_or(0).max(1);
    let units = sheet.month(workload.records_per_sec) * i128::from(mean.div_ceil(PUT_UNIT_BYTES));
    // Thousandths of a million are thousands.
    sheet.meter("PUT payload units", "kinesis-put-million", units / 1000);
    if workload.retention_seconds > DAY_S {
        sheet.hourly("Retention from 24 h to 7 d", "kinesis-shard-retention-hour", shards);
    }
    long_retention(&mut sheet, workload);
    let mut limits = Limits::default();
    limits.check("kinesis-shards", shards);
    // Each group asks every shard once a second at least.
    limits.check("kinesis-shard-calls", u64::from(workload.groups));
    kinesis_limits(&mut limits, workload);
    let notes = [
        &shared_latency(),
        "records are put one by one or in calls of 500: a producer that batches keeps its own framing",
        "readers share 2 MB/s and five calls a second of each shard",
    ];
    alternative(format!("Kinesis, {}", text::counted(shards, "shard")), sheet, limits, &notes)
}

/// ` (Kinesis developer guide)`: where a figure of a note is from.
fn named_source(name: &str) -> String {
    let source = service_limit(name).map(|limit| limit.source).unwrap_or_default();
    source.split(';').next().map_or(String::new(), |first| format!(" ({first})"))
}

/// When readers that share a shard see a record, as AWS documents it.
fn shared_latency() -> String {
    let (one, five) = (limit("kinesis-latency-ms"), limit("kinesis-latency-ms-5-readers"));
    let source = named_source("kinesis-latency-ms");
    format!(
        "a reader gets a record after {one} ms on average, with five groups after {five} ms{source}"
    )
}

/// When readers of a stream on demand do: with enhanced fan-out if there are more than two groups.
fn on_demand_latency(workload: &Workload) -> String {
    if workload.groups > 2 {
        let latency = limit("kinesis-efo-latency-ms");
        let source = named_source("kinesis-efo-latency-ms");
        return format!(
            "a reader gets a record after {latency} ms on average, enhanced fan-out{source}"
        );
    }
    shared_latency()
}

fn kinesis_limits(limits: &mut Limits, workload: &Workload) {
    limits.check("kinesis-record-bytes", workload.record_bytes_max);
    limits.check("kinesis-retention-seconds", workload.retention_seconds);
}

/// What is older than a week.
fn long_retention(sheet: &mut Sheet<'_>, workload: &Workload) {
    let over = workload.retention_seconds.saturating_sub(WEEK_S);
    let bytes = workload.in_bytes_per_sec.saturating_mul(over);
    sheet.kept("Kept over 7 d", "kinesis-long-retention-gb-month", bytes);
}

fn kinesis_on_demand(workload: &Workload, options: &CostOptions) -> Alternative {
    let mut sheet = Sheet::new(options);
    sheet.hourly("Stream", "kinesis-stream-hour", 1);
    sheet.flow("Data in", "kinesis-on-demand-in-gb", in_steps(workload));
    let (item, meter) = if workload.groups > 2 {
        ("Data out, enhanced fan-out", "kinesis-on-demand-efo-gb")
    } else {
        ("Data out", "kinesis-on-demand-out-gb")
    };
    sheet.flow(item, meter, workload.out_bytes_per_sec);
    on_demand_storage(&mut sheet, workload);
    let limits = on_demand_limits(workload);
    let notes = [
        &on_demand_latency(workload),
        "a record is billed in steps of 1 KB of what comes in: small records pay for it",
    ];
    alternative("Kinesis on demand".to_owned(), sheet, limits, &notes)
}

/// Bytes per second as on demand bills them: each record in whole KB.
fn in_steps(workload: &Workload) -> u64 {
    let step = limit("kinesis-on-demand-step-bytes");
    let mean = workload.in_bytes_per_sec.checked_div(workload.records_per_sec).unwrap_or(0);
    let billed = workload.records_per_sec.saturating_mul(mean.div_ceil(step).saturating_mul(step));
    billed.max(workload.in_bytes_per_sec)
}

fn kinesis_advantage(workload: &Workload, options: &CostOptions) -> Alternative {
    // The least that is billed is shared between in and out as the workload shares it.
    let least = limit("kinesis-advantage-min-bytes");
    let all = workload.in_bytes_per_sec.saturating_add(workload.out_bytes_per_sec).max(1);
    let billed = |bytes: u64| {
        let scaled = u128::from(bytes) * u128::from(least.max(all)) / u128::from(all);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    };
    let mut sheet = Sheet::new(options);
    let data_in = billed(workload.in_bytes_per_sec).max(in_steps(workload));
    sheet.flow("Data in", "kinesis-advantage-in-gb", data_in);
    sheet.flow("Data out", "kinesis-advantage-out-gb", billed(workload.out_bytes_per_sec));
    on_demand_storage(&mut sheet, workload);
    if all < least {
        sheet.note("25 MB/s in and out are billed at least: this workload has less.");
    }
    let limits = on_demand_limits(workload);
    alternative(
        "Kinesis on demand, Advantage".to_owned(),
        sheet,
        limits,
        &["the whole account is on it"],
    )
}

fn on_demand_storage(sheet: &mut Sheet<'_>, workload: &Workload) {
    let days = workload.retention_seconds.clamp(DAY_S, WEEK_S) - DAY_S;
    let bytes = workload.in_bytes_per_sec.saturating_mul(days);
    sheet.kept("Kept from 24 h to 7 d", "kinesis-retention-gb-month", bytes);
    long_retention(sheet, workload);
}

fn on_demand_limits(workload: &Workload) -> Limits {
    let mut limits = Limits::default();
    limits.check("kinesis-on-demand-in-bytes", workload.in_peak_bytes_per_sec);
    limits.check("kinesis-on-demand-out-bytes", workload.out_peak_bytes_per_sec);
    limits.check("kinesis-efo-consumers", u64::from(workload.groups));
    kinesis_limits(&mut limits, workload);
    limits
}

/// Units of Confluent Cloud.
fn confluent_units(workload: &Workload) -> u64 {
    [
        workload.in_peak_bytes_per_sec.div_ceil(limit("confluent-unit-in-bytes")),
        workload.out_peak_bytes_per_sec.div_ceil(limit("confluent-unit-out-bytes")),
        workload.partitions.div_ceil(limit("confluent-unit-partitions")),
        1,
    ]
    .into_iter()
    .max()
    .unwrap_or(1)
}

/// A tier of Confluent Cloud of which the units' price is known, and no more.
fn confluent_tier(
    (tier, meter): (&str, &str),
    units: u64,
    limits: Limits,
    notes: &[&str],
    options: &CostOptions,
) -> Alternative {
    let unit = if tier == "Dedicated" { "CKU" } else { "eCKU" };
    let units_text = text::counted(units, unit);
    let mut sheet = Sheet::new(options);
    sheet.hourly(&units_text, meter, units);
    sheet.unknown(&format!("data in and out of {tier} clusters"));
    sheet.unknown(&format!("storage of {tier} clusters"));
    alternative(format!("Confluent Cloud {tier}, {units_text}"), sheet, limits, notes)
}

fn confluent_dedicated(workload: &Workload, options: &CostOptions) -> Alternative {
    // Several AZs take two units at least.
    let units = confluent_units(workload).max(2);
    let tier = ("Dedicated", "confluent-dedicated-cku-hour");
    confluent_tier(tier, units, Limits::default(), &[], options)
}

fn confluent_standard(workload: &Workload, options: &CostOptions) -> Alternative {
    let tier = ("Standard", "confluent-standard-ecku-hour");
    let notes =
        ["99.9 % with one eCKU, 99.99 % with two", "its largest number of eCKUs is not known here"];
    confluent_tier(tier, confluent_units(workload), Limits::default(), &notes, options)
}

fn confluent_enterprise(workload: &Workload, options: &CostOptions) -> Alternative {
    let units = confluent_units(workload);
    let tier = ("Enterprise", "confluent-enterprise-ecku-hour");
    let mut limits = Limits::default();
    limits.check("confluent-enterprise-units-pni", units);
    let notes =
        ["at its lowest price: up to 2.25 an eCKU-hour", "10 eCKUs at most with PrivateLink"];
    confluent_tier(tier, units, limits, &notes, options)
}

fn confluent_freight(workload: &Workload, options: &CostOptions) -> Alternative {
    let units = confluent_units(workload).max(2);
    let mut sheet = Sheet::new(options);
    sheet.hourly(&format!("{units} eCKUs"), "confluent-freight-ecku-hour", units);
    sheet.kept("Storage", "confluent-freight-storage-gb-month", workload.kept_bytes);
    sheet.unknown("data in and out of Freight clusters");
    let notes = ["latency of up to one or two seconds"];
    alternative(format!("Confluent Cloud Freight, {units} eCKUs"), sheet, Limits::default(), &notes)
}

fn confluent_basic(workload: &Workload, options: &CostOptions) -> Alternative {
    let units = confluent_units(workload);
    let mut sheet = Sheet::new(options);
    sheet.hourly("eCKUs after the first", "confluent-basic-ecku-hour", units - 1);
    let gib = |sheet: &Sheet<'_>, bytes: u64| sheet.month(bytes) * 1000 / GIB;
    let (data_in, data_out) =
        (gib(&sheet, workload.in_bytes_per_sec), gib(&sheet, workload.out_bytes_per_sec));
    sheet.meter("Data in", "confluent-basic-in-gb", data_in);
    sheet.meter("Data out", "confluent-basic-out-gb", data_out);
    let kept = i128::from(workload.kept_bytes) * 1000 / GIB;
    sheet.meter("Storage", "confluent-basic-storage-gb-month", kept);
    let notes = ["one AZ, 99.5 %", "the largest number of eCKUs of Basic is not known here"];
    alternative(format!("Confluent Cloud Basic, {units} eCKUs"), sheet, Limits::default(), &notes)
}

fn event_hubs(workload: &Workload, options: &CostOptions) -> Alternative {
    let out_records = workload.records_peak_per_sec.saturating_mul(u64::from(workload.groups));
    let units = [
        workload.in_peak_bytes_per_sec.div_ceil(limit("event-hubs-tu-in-bytes")),
        workload.records_peak_per_sec.div_ceil(limit("event-hubs-tu-in-events")),
        workload.out_peak_bytes_per_sec.div_ceil(limit("event-hubs-tu-out-bytes")),
        out_records.div_ceil(limit("event-hubs-tu-out-events")),
        1,
    ];
    let units = units.into_iter().max().unwrap_or(1);
    let mut sheet = Sheet::new(options);
    sheet.hourly(&format!("{units} TUs"), "event-hubs-tu-hour", units);
    let events = sheet.month(workload.records_per_sec);
    sheet.meter("Events", "event-hubs-million-events", events / 1000);
    let mut limits = Limits::default();
    limits.check("event-hubs-tus", units);
    limits.check("event-hubs-partitions", workload.partitions);
    limits.check("event-hubs-groups", u64::from(workload.groups));
    limits.check("event-hubs-retention-seconds", workload.retention_seconds);
    limits.check("event-hubs-record-bytes", workload.record_bytes_max);
    limits.check("event-hubs-connections", workload.clients);
    let notes = ["Azure: traffic out of AWS is not in this bill"];
    alternative(format!("Event Hubs Standard, {units} TUs"), sheet, limits, &notes)
}

/// Premium and Dedicated state no throughput of a unit: what the other limits ask for at least.
fn event_hubs_units(
    workload: &Workload,
    (tier, unit, meter): (&str, &str, &str),
    options: &CostOptions,
) -> Alternative {
    let (tier_key, unit_key) = (tier.to_lowercase(), unit.to_lowercase());
    let name = |what: &str| format!("event-hubs-{tier_key}-{what}");
    let units = workload
        .partitions
        .div_ceil(limit(&name(&format!("{unit_key}-partitions"))))
        .max(workload.clients.div_ceil(limit(&name(&format!("{unit_key}-connections")))))
        .max(1);
    let units_text = text::counted(units, unit);
    let mut sheet = Sheet::new(options);
    sheet.hourly(&units_text, meter, units);
    sheet.unknown(&format!("more {unit}s for the throughput: Azure states none of a {unit}"));
    sheet.unknown("storage beyond what a unit includes");
    let mut limits = Limits::default();
    limits.check(&name(&format!("{unit_key}s")), units);
    limits.check(&name("partitions"), workload.partitions);
    limits.check(&name("groups"), u64::from(workload.groups));
    limits.check(&name("retention-seconds"), workload.retention_seconds);
    limits.check("event-hubs-record-bytes", workload.record_bytes_max);
    let notes = ["Azure: traffic out of AWS is not in this bill"];
    alternative(format!("Event Hubs {tier}, {units_text} or more"), sheet, limits, &notes)
}

fn pubsub(workload: &Workload, options: &CostOptions) -> Alternative {
    let mut sheet = Sheet::new(options);
    let free = i128::from(limit("pubsub-free-gib")) * GIB;
    let published = (sheet.month(workload.in_bytes_per_sec) - free).max(0);
    sheet.meter("Published, after what is free", "pubsub-publish-tib", published * 1000 / TIB);
    let delivered = sheet.month(workload.out_bytes_per_sec);
    sheet.meter("Delivered", "pubsub-delivery-tib", delivered * 1000 / TIB);
    let kept = i128::from(workload.kept_bytes) * 1000 / GIB;
    sheet.meter("Kept after it was acknowledged", "pubsub-retained-gib-month", kept);
    let notes = [
        "Google Cloud: traffic out of AWS is not in this bill",
        "no offsets and no partitions: order by key only, and consumers acknowledge each message",
        "its quotas are not known here",
    ];
    alternative("Pub/Sub".to_owned(), sheet, Limits::default(), &notes)
}

/// The same brokers on EC2 instances with gp3 volumes, three controllers, and S3 for what is tiered;
/// nothing when an instance has no price here.
#[must_use]
pub fn self_managed(
    workload: &Workload,
    (ec2, brokers, volume_gib): (&str, u64, u64),
    remote_bytes: u64,
    options: &CostOptions,
) -> Option<Alternative> {
    let (hour, controller) = (ec2_price(ec2)?, ec2_price("m6g.large")?);
    let mut sheet = Sheet::new(options);
    let hours = sheet.hours() * 1000;
    sheet.line(&format!("{brokers} instances {ec2}"), i128::from(brokers) * hours, hour);
    sheet.line("3 controllers m6g.large", 3 * hours, controller);
    let gib = i128::from(brokers) * i128::from(volume_gib) * 1000;
    sheet.meter("EBS gp3 storage", "ebs-gp3-gb-month", gib);
    let over = i128::from(brokers) * 125 * 1000;
    sheet.meter("gp3 throughput up to 250 MiB/s a volume", "ebs-gp3-mbps-month", over);
    cross_az(&mut sheet, workload);
    let copies = u64::from(workload.replication.saturating_sub(1));
    let replicated = workload.in_bytes_per_sec.saturating_mul(copies);
    sheet.flow("Replication across AZs", "cross-az-gb", replicated);
    sheet.kept("S3 for tiered storage", "s3-standard-gb-month", remote_bytes);
    let notes = ["people who run it are not in this bill"];
    let name = format!("Self-managed, {brokers} x {ec2}");
    Some(alternative(name, sheet, Limits::default(), &notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(all: &'a [Alternative], name: &str) -> &'a Alternative {
        all.iter().find(|one| one.name.starts_with(name)).unwrap()
    }

    #[test]
    fn a_workload_by_hand() {
        // 1 MB/s in and 2 out, 1 KB records: 2628 GB in, 5256 GB out a month.
        let workload = Workload::steady(1_000_000, 2, 1000, 1000).kept_for(86_400);
        let all = alternatives(&workload, &CostOptions::default());
        let usd = |name: &str| find(&all, name).bill.total_usd.to_string();
        // 547.50 + 6 x 0.0015 x 730 + 262.80 + 262.80 + 86.4 GB x 0.10.
        assert_eq!(usd("MSK Serverless"), "1088.31");
        // One shard: 10.95, and 2628 million units at 0.014.
        assert_eq!(usd("Kinesis, 1 shard"), "47.74");
        // 29.20 + 2628 x 1.024 x 0.08 (records of 1000 bytes count 1024) + 5256 x 0.04.
        assert_eq!(usd("Kinesis on demand"), "454.73");
        // 25 MB/s are billed: 8.333 in and 16.667 out.
        assert_eq!(usd("Kinesis on demand, Advantage"), "1401.60");
        // One TU: 21.90, and 2628 million events.
        assert_eq!(usd("Event Hubs Standard"), "95.48");
        for tier in ["Dedicated", "Enterprise", "Standard"] {
            assert!(!find(&all, &format!("Confluent Cloud {tier}")).bill.complete, "{tier}");
        }
        // One unit of 1.027 and 6.849 an hour at least.
        assert_eq!(usd("Event Hubs Premium, 1 PU or more"), "749.71");
        assert_eq!(usd("Event Hubs Dedicated, 1 CU or more"), "4999.77");
        for one in &all {
            assert!(one.bill.lines.iter().all(|line| !line.source.is_empty()), "{}", one.name);
        }
    }

    #[test]
    fn readers_of_kinesis_wait_and_are_few() {
        let all = |groups| {
            alternatives(&Workload::steady(1_000_000, groups, 1000, 1000), &CostOptions::default())
        };
        let (two, six) = (all(2), all(6));
        assert!(find(&two, "Kinesis, ").notes[0].contains("after 200 ms on average"));
        assert!(
            find(&two, "Kinesis, ").fits && !find(&six, "Kinesis, ").fits,
            "five calls a second"
        );
        let on_demand = find(&six, "Kinesis on demand");
        assert!(on_demand.fits && on_demand.notes[0].contains("70 ms"), "{on_demand:?}");
    }

    #[test]
    fn what_is_tiered_on_ones_own_is_in_s3() {
        let workload = Workload::steady(1_000_000, 2, 1000, 1000);
        let of = |remote| {
            self_managed(&workload, ("m7g.large", 3, 100), remote, &CostOptions::default())
                .unwrap()
                .bill
                .total_usd
                .units()
        };
        // 1000 GB at 0.023.
        assert_eq!(of(1_000_000_000_000) - of(0), 2300);
    }

    #[test]
    fn limits_that_are_passed_come_first_and_rule_out() {
        let workload = Workload::steady(300_000_000, 2, 2000, 1024).kept_for(30 * DAY_S);
        let all = alternatives(&workload, &CostOptions::default());
        let serverless = find(&all, "MSK Serverless");
        assert!(!serverless.fits && !serverless.limits[0].holds);
        assert_eq!(serverless.limits[0].needed, 600_000_000);
        let hubs = find(&all, "Event Hubs Standard");
        assert!(hubs.limits.iter().any(|one| one.what.contains("retention") && !one.holds));
        let express = find(&all, "MSK Express");
        assert!(express.fits, "{:?}", express.limits);
        let firsts: Vec<bool> = all.iter().map(|one| one.fits).collect();
        assert!(firsts.is_sorted_by(|a, b| a >= b), "what fits comes first");
    }
}
