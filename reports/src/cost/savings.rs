//! What a change of the cluster or of its clients would save a month, by arithmetic on prices.

use super::types::CostOptions;
use super::unsaved;
use super::workload::Workload;
use crate::result::{Cents, div_half_up};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_scenarios::plan::{ClusterKind, Plan};
use stormglass_scenarios::{ec2_price, list_price, msk_price};

const GB: i128 = 1_000_000_000;
const GIB: i128 = 1 << 30;
/// Hours that stay on the volumes with tiered storage.
const LOCAL_HOURS: u64 = 4;
/// Raw bytes to compressed ones, percent; text and JSON compress better, random bytes do not.
const COMPRESSED_PERCENT: i128 = 50;

/// A change and what it saves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saving {
    /// The change.
    pub change: String,
    /// US dollars a month; negative when it costs more.
    pub usd: Cents,
    /// How it was reckoned, and what it takes for granted.
    pub because: String,
    /// Where its prices are from, with their dates.
    pub sources: Vec<String>,
}

/// Prices in billionths of a dollar, with the user's own first.
pub(super) struct Prices<'a>(pub(super) &'a CostOptions);

impl Prices<'_> {
    pub(super) fn of(&self, meter: &str) -> Option<i128> {
        let own = self.0.prices.iter().find(|price| price.meter == meter);
        let nano = own.map(|price| price.nano_usd);
        nano.or_else(|| Some(list_price(meter)?.nano_usd)).map(i128::from)
    }

    /// Where the prices of some meters are from, each source once; meters without a price have none.
    pub(super) fn sources(&self, meters: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for meter in meters {
            let own = self.0.prices.iter().find(|price| price.meter == *meter);
            let given = own.map(|price| dated(&price.source, &price.date));
            let source =
                given.or_else(|| list_price(meter).map(|one| dated(&one.source, &one.date)));
            all.extend(source.filter(|source| !all.contains(source)));
        }
        all
    }
}

/// A source with its date, if it has one.
fn dated(source: &str, date: &str) -> String {
    if date.is_empty() { source.to_owned() } else { format!("{source} ({date})") }
}

/// Changes that apply to the plan's cluster, the largest saving first.
#[must_use]
pub fn savings(plan: &Plan, workload: &Workload, options: &CostOptions) -> Vec<Saving> {
    let prices = Prices(options);
    let mut all = Vec::new();
    all.extend(tiered(plan, workload, &prices));
    all.extend(compression(plan, workload, &prices));
    all.extend(follower_fetching(plan, workload, &prices));
    all.extend(retention(plan, workload, &prices));
    all.extend(volumes(plan, workload, &prices));
    all.extend(family(plan, options));
    all.sort_by_key(|one| std::cmp::Reverse(one.usd));
    all
}

pub(super) fn cents(nano: i128) -> Cents {
    Cents::from_units(i64::try_from(div_half_up(nano, 10_000_000)).unwrap_or(i64::MAX))
}

/// Billionths of a dollar of a month of a rate, at a price of a GB.
pub(super) fn month_nano(bytes_per_sec: i128, price: i128, options: &CostOptions) -> i128 {
    bytes_per_sec * i128::from(options.month.hours()) * 3600 * price / GB
}

/// The meter of the brokers' volumes.
pub(super) fn volume_meter(plan: &Plan) -> Option<String> {
    if plan.cluster.kind == ClusterKind::MskStandard {
        return Some("storage-gb-month".to_owned());
    }
    if plan.cluster.kind.has_elastic_storage() {
        return None;
    }
    let kind = &plan.cluster.brokers.first()?.host.volumes.first()?.kind;
    (kind != "nvme").then(|| format!("ebs-{kind}-gb-month"))
}

/// Billionths of a dollar of so many kept bytes: with all their copies on volumes, or once where storage
/// is the service's.
pub(super) fn stored(
    plan: &Plan,
    workload: &Workload,
    bytes: u64,
    prices: &Prices<'_>,
) -> Option<i128> {
    let bytes = i128::from(bytes);
    match plan.cluster.kind {
        ClusterKind::MskExpress => Some(bytes * prices.of("express-storage-gb-month")? / GB),
        ClusterKind::MskServerless => Some(bytes * prices.of("serverless-storage-gb-month")? / GB),
        _ => {
            let price = prices.of(&volume_meter(plan)?)?;
            Some(bytes * i128::from(workload.replication) * price / GIB)
        }
    }
}

/// Billionths of a dollar a month of what services meter of the data itself.
fn metered(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> Option<i128> {
    let month =
        |bytes: u64, meter: &str| Some(month_nano(i128::from(bytes), prices.of(meter)?, prices.0));
    let (data_in, data_out) = (workload.in_bytes_per_sec, workload.out_bytes_per_sec);
    match plan.cluster.kind {
        ClusterKind::MskExpress => month(data_in, "express-data-in-gb"),
        ClusterKind::MskServerless => Some(
            month(data_in, "serverless-data-in-gb")? + month(data_out, "serverless-data-out-gb")?,
        ),
        _ => Some(0),
    }
}

/// Bytes on volumes, once each: not what is in remote storage only.
pub(super) fn kept_on_volumes(plan: &Plan, workload: &Workload) -> u64 {
    match Workload::remote_bytes(plan) {
        0 => workload.kept_bytes,
        _ => Workload::local_bytes(plan),
    }
}

/// The meter of the storage that a cluster's tier is in: MSK's own, or S3 of one's own.
fn tier_meter(kind: ClusterKind) -> Option<&'static str> {
    match kind {
        ClusterKind::MskStandard => Some("tiered-storage-gb-month"),
        ClusterKind::SelfManaged => Some("s3-standard-gb-month"),
        ClusterKind::MskExpress | ClusterKind::MskServerless => None,
    }
}

fn tiered(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> Option<Saving> {
    if unsaved::tiered(plan, workload).is_some() {
        return None;
    }
    let meter = tier_meter(plan.cluster.kind)?;
    let local = workload.in_bytes_per_sec.saturating_mul(LOCAL_HOURS * 3600);
    let moved = workload.kept_bytes.saturating_sub(local);
    let volumes = stored(plan, workload, moved, prices)?;
    let tiered = i128::from(workload.kept_bytes) * prices.of(meter)? / GB;
    Some(Saving {
        change: "tiered storage".to_owned(),
        usd: cents(volumes - tiered),
        because: format!(
            "{LOCAL_HOURS} h stay on the volumes, which shrink by all copies of the rest; everything \
             is kept once in the tier. Reading it back costs extra: its price is not known here"
        ),
        sources: prices.sources(&[&volume_meter(plan)?, meter]),
    })
}

fn compression(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> Option<Saving> {
    if unsaved::compression(plan).is_some() {
        return None;
    }
    let share = 100 - COMPRESSED_PERCENT;
    let kept = kept_on_volumes(plan, workload);
    let storage = stored(plan, workload, kept, prices).unwrap_or(0) + remote(plan, prices);
    let moved = crossing(plan, workload, prices)? + metered(plan, workload, prices)?;
    Some(Saving {
        change: "compression (lz4 or zstd) at the producers".to_owned(),
        usd: cents((storage + moved) * share / 100),
        because: format!(
            "if records shrink to {COMPRESSED_PERCENT} %: storage and what is billed of the traffic \
             shrink with them; fewer brokers may do, which is not counted"
        ),
        sources: prices.sources(&data_meters(plan)),
    })
}

/// Billionths of a dollar of what is in remote storage.
fn remote(plan: &Plan, prices: &Prices<'_>) -> i128 {
    let price = tier_meter(plan.cluster.kind).and_then(|meter| prices.of(meter)).unwrap_or(0);
    i128::from(Workload::remote_bytes(plan)) * price / GB
}

/// Meters of what grows with the data: storage, traffic across AZs, what services meter.
fn data_meters(plan: &Plan) -> Vec<&'static str> {
    let mut all = match plan.cluster.kind {
        ClusterKind::MskStandard => vec!["storage-gb-month", "cross-az-gb"],
        ClusterKind::SelfManaged => vec!["ebs-gp3-gb-month", "cross-az-gb"],
        ClusterKind::MskExpress => {
            vec!["express-storage-gb-month", "express-data-in-gb", "cross-az-gb"]
        }
        ClusterKind::MskServerless => {
            vec!["serverless-storage-gb-month", "serverless-data-in-gb", "serverless-data-out-gb"]
        }
    };
    let is_tiered = Workload::remote_bytes(plan) > 0;
    all.extend(tier_meter(plan.cluster.kind).filter(|_| is_tiered));
    all
}

/// Transfer between AZs of producers, consumers, and replicas where it is billed, billionths of a dollar
/// a month. Serverless bills none.
pub(super) fn crossing(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> Option<i128> {
    match crossing_bytes_per_sec(plan, workload) {
        0 => Some(0),
        bytes => Some(month_nano(bytes, prices.of("cross-az-gb")?, prices.0)),
    }
}

/// What is billed of it: clients are spread evenly over all AZs.
pub(super) fn crossing_bytes_per_sec(plan: &Plan, workload: &Workload) -> i128 {
    if plan.cluster.kind == ClusterKind::MskServerless {
        return 0;
    }
    let azs = plan.cluster.azs.len() as i128;
    let ingress = i128::from(workload.in_bytes_per_sec);
    let copies = i128::from(workload.replication.saturating_sub(1)).min(azs - 1);
    let replicated = if plan.cluster.kind.is_msk() { 0 } else { ingress * copies };
    let spread = (ingress + read_from_leaders(plan, workload)) * (azs - 1) / azs.max(1);
    spread + replicated
}

/// Bytes per second to consumers that do not read in their own AZ.
pub(super) fn read_from_leaders(plan: &Plan, workload: &Workload) -> i128 {
    let has_rack = |rack: &String| !rack.is_empty();
    let groups = plan.consumers.iter();
    let from_leaders = groups.filter(|one| !one.config.get("client.rack").is_some_and(has_rack));
    let all = plan.consumers.len().max(1) as i128;
    i128::from(workload.out_bytes_per_sec) * from_leaders.count() as i128 / all
}

fn follower_fetching(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> Option<Saving> {
    if unsaved::follower_fetching(plan, workload).is_some() {
        return None;
    }
    let azs = plan.cluster.azs.len() as i128;
    let bytes = read_from_leaders(plan, workload) * (azs - 1) / azs.max(1);
    let price = prices.of("cross-az-gb")?;
    Some(Saving {
        change: "consumers fetch from the replica in their own AZ (client.rack)".to_owned(),
        usd: cents(month_nano(bytes, price, prices.0)),
        because: format!(
            "consumers are spread over {azs} AZs, and each AZ has a replica: nothing that they read \
             crosses any more. They see records a little later"
        ),
        sources: prices.sources(&["cross-az-gb"]),
    })
}

pub(super) fn retention(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> Option<Saving> {
    let remote_kept = Workload::remote_bytes(plan);
    let half = workload.kept_bytes.saturating_sub(remote_kept) / 2;
    // what is in remote storage shrinks there; volumes keep their part of it
    let volumes = stored(plan, workload, half, prices)?;
    let saved = Some(volumes + remote(plan, prices) / 2).filter(|nano| *nano > 0)?;
    let hours = workload.retention_seconds / 3600;
    let because = if plan.cluster.kind.has_elastic_storage() {
        "storage is billed by what is kept"
    } else {
        "if the volumes shrink with what is kept; MSK's cannot shrink in place"
    };
    let is_storage = |meter: &&str| meter.contains("gb-month");
    let meters: Vec<&str> = data_meters(plan).into_iter().filter(is_storage).collect();
    Some(Saving {
        change: format!("half the retention: {} h instead of {hours} h", hours / 2),
        usd: cents(saved),
        because: because.to_owned(),
        sources: prices.sources(&meters),
    })
}

/// Volumes that hold far more than is kept.
fn volumes(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> Option<Saving> {
    let meter = volume_meter(plan)?;
    let price = prices.of(&meter)?;
    let paid: i128 = plan
        .cluster
        .brokers
        .iter()
        .flat_map(|node| &node.host.volumes)
        .map(|volume| i128::from(volume.size_bytes))
        .sum();
    // Half as much again, so that they are two thirds full.
    let kept = kept_on_volumes(plan, workload);
    let needed = i128::from(kept) * i128::from(workload.replication) * 3 / 2;
    let saved = (paid - needed) * price / GIB;
    (needed > 0 && saved > 0).then(|| Saving {
        change: "smaller volumes".to_owned(),
        usd: cents(saved),
        because: "two thirds full at this load and retention; a gp2 volume below 334 GiB has less \
                  throughput"
            .to_owned(),
        sources: prices.sources(&[&meter]),
    })
}

/// Families whose successors come in the same sizes.
const SUCCESSORS: [(&str, &str); 4] =
    [("kafka.m5.", "kafka.m7g."), ("m5.", "m7g."), ("m6g.", "m7g."), ("r5.", "r7g.")];

/// The same size of the newer family.
pub(super) fn successor(instance: &str) -> Option<String> {
    SUCCESSORS
        .iter()
        .find_map(|(old, new)| instance.strip_prefix(old).map(|size| format!("{new}{size}")))
}

fn family(plan: &Plan, options: &CostOptions) -> Option<Saving> {
    if unsaved::family(plan).is_some() {
        return None;
    }
    let name = &plan.cluster.brokers.first()?.host.instance;
    let other = successor(name)?;
    let hour = |name: &str| {
        let mut price = msk_price(name).or_else(|| ec2_price(name))?;
        let own = options.prices.iter().find(|one| one.meter == price.meter);
        if let Some(own) = own {
            price.nano_usd = own.nano_usd;
            own.source.clone_into(&mut price.source);
            own.date.clone_into(&mut price.date);
        }
        Some(price)
    };
    let (old, new) = (hour(name)?, hour(&other)?);
    let brokers = plan.cluster.brokers.len() as i128;
    let hours = i128::from(options.month.hours());
    let mut sources = vec![dated(&old.source, &old.date), dated(&new.source, &new.date)];
    sources.dedup();
    Some(Saving {
        change: format!("{other} in place of {name}"),
        usd: cents(i128::from(old.nano_usd - new.nano_usd) * brokers * hours),
        because:
            "the same size of the newer family, which has more network and faster cores; fewer \
                  brokers may do, which `stormglass plan` looks for"
                .to_owned(),
        sources,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn workload() -> Workload {
        Workload::steady(10_000_000, 2, 1000, 1024).kept_for(7 * 86_400)
    }

    fn find(all: &[Saving], part: &str) -> Option<String> {
        all.iter().find(|one| one.change.contains(part)).map(|one| one.usd.to_string())
    }

    #[test]
    fn a_cluster_that_has_tiered_storage_is_not_told_to_get_it() {
        let mut plan = testing::plan();
        let topic = &mut plan.topics[0];
        topic.config.insert("retention.ms".into(), "604800000".into());
        let options = CostOptions::default();
        let before = savings(&plan, &Workload::of_plan(&plan), &options);
        let config = &mut plan.topics[0].config;
        config.insert("remote.storage.enable".into(), "true".into());
        config.insert("local.retention.ms".into(), "3600000".into());
        let after = savings(&plan, &Workload::of_plan(&plan), &options);
        assert!(find(&before, "tiered").is_some() && find(&after, "tiered").is_none());
        let (remote, local) = (Workload::remote_bytes(&plan), Workload::local_bytes(&plan));
        assert_eq!(remote, 7 * 24 * local, "an hour of a week is on the volumes");
        // Records of half the size take half of the remote storage, too.
        plan.producers.iter_mut().for_each(|one| one.compression_permille = 1000);
        let workload = Workload::of_plan(&plan);
        let compressed = savings(&plan, &workload, &options);
        let one = compressed.iter().find(|one| one.change.contains("compression")).unwrap();
        let prices = Prices(&options);
        let volumes = stored(&plan, &workload, Workload::local_bytes(&plan), &prices).unwrap();
        let tier = i128::from(Workload::remote_bytes(&plan)) * 60_000_000 / GB;
        let traffic = crossing(&plan, &workload, &prices).unwrap();
        assert_eq!(one.usd, cents((volumes + tier + traffic) / 2));
    }

    #[test]
    fn a_tier_of_ones_own_is_s3() {
        let mut plan = testing::plan();
        plan.cluster.kind = ClusterKind::SelfManaged;
        for node in &mut plan.cluster.brokers {
            node.host.volumes.iter_mut().for_each(|one| "gp3".clone_into(&mut one.kind));
        }
        // Of 6048 GB, 4 h (144 GB) stay: 5904 GB three times, in GiB at 0.08; 6048 GB at 0.023.
        let all = savings(&plan, &workload(), &CostOptions::default());
        assert_eq!(find(&all, "tiered").unwrap(), "1180.54");
        assert!(all.iter().all(|one| !one.sources.is_empty()), "{all:#?}");
    }

    #[test]
    fn savings_by_hand() {
        let mut plan = testing::plan();
        plan.cluster
            .brokers
            .iter_mut()
            .for_each(|node| "kafka.m5.large".clone_into(&mut node.host.instance));
        plan.producers.iter_mut().for_each(|one| one.compression_permille = 1000);
        let all = savings(&plan, &workload(), &CostOptions::default());
        // 20 MB/s x 2/3 x 2628000 s = 35040 GB at 0.02.
        assert_eq!(find(&all, "client.rack").unwrap(), "700.80");
        // 6048 GB are 5632.64 GiB: half of it, three times, at 0.10.
        assert_eq!(find(&all, "half the retention").unwrap(), "844.90");
        // Three brokers, 0.006 an hour.
        assert_eq!(find(&all, "kafka.m7g.large").unwrap(), "13.14");
        assert!(find(&all, "tiered").is_some() && find(&all, "compression").is_some());
        assert!(all.is_sorted_by(|a, b| a.usd >= b.usd));
        assert!(all.iter().all(|one| !one.sources.is_empty()), "{all:#?}");
    }

    #[test]
    fn what_is_done_already_saves_nothing() {
        let mut plan = testing::plan();
        let brokers = plan.cluster.brokers.iter_mut();
        brokers.for_each(|node| "kafka.m7g.large".clone_into(&mut node.host.instance));
        plan.producers.iter_mut().for_each(|one| one.compression_permille = 400);
        for group in &mut plan.consumers {
            group.config.insert("client.rack".to_owned(), "a".to_owned());
        }
        let day = workload().kept_for(86_400);
        let all = savings(&plan, &day, &CostOptions::default());
        for part in ["compression", "client.rack", "tiered", "in place of"] {
            assert!(find(&all, part).is_none(), "{part}: {all:?}");
        }
    }
}
