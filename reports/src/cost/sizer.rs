//! AWS's sizing script for MSK, as a formula: brokers by storage and network throughput with an AZ
//! lost, and the month's bill. Its quirks are kept, as what it says is what is reproduced, and listed.
//!
//! Binary floating point with its rounding is part of the script, and of no other bill.

use super::workload::Workload;
use crate::result::Cents;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_scenarios::{express_offers, list_price, sizer};

const MIB: f64 = 1_048_576.0;
const HOURS: f64 = 730.0;
const NANO: f64 = 1e9;

/// What is odd about the script, so that nobody takes its answer for more than it is.
const SIZER_QUIRKS: [&str; 6] = [
    "the replication factor does not enter its storage and network factors: they assume 3",
    "rebalancing counts as three times the ingress, in steady state too",
    "Express egress has no utilisation factor and is held against the quota at which it throttles",
    "Express storage is billed once, though three copies are kept",
    "consumers cost no transfer between AZs: it counts two thirds of the ingress only",
    "it knows neither latency, nor records per second, nor partitions' own limits",
];

/// One instance type's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sized {
    /// Instance type.
    pub instance: String,
    /// Brokers.
    pub brokers: u64,
    /// What decides their number: `storage`, `network`, `ingress`, `egress` or `partitions`.
    pub binds: String,
    /// US dollars a month.
    pub monthly_usd: Cents,
}

/// The script's answer for a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SizerReport {
    /// Every instance type, the cheapest first.
    pub sizes: Vec<Sized>,
    /// What is odd about it.
    pub quirks: Vec<String>,
    /// Where it is from.
    pub source: String,
}

/// Sizes by the script. `replicas` are partitions with their copies.
#[must_use]
pub fn aws_sizer(workload: &Workload, replicas: u64) -> SizerReport {
    let mut sizes = standard(workload, replicas);
    sizes.extend(express(workload, replicas));
    sizes.sort_by_key(|one| (one.monthly_usd, one.brokers));
    SizerReport { sizes, quirks: SIZER_QUIRKS.map(str::to_owned).to_vec(), source: sizer().source }
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// Three brokers at least, and as many in each AZ.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of brokers")]
fn brokers(needs: &[(&str, f64)]) -> (u64, String) {
    let most = needs.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let count = most.map_or(3.0, |(_, need)| need.ceil().clamp(1.0, 1e9)) as u64;
    let binds = most.map_or("", |(name, _)| name);
    (count.next_multiple_of(3), binds.to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "factors are small")]
fn share(permille: u64) -> f64 {
    permille as f64 / 1000.0
}

/// US dollars of a unit; a meter without a price is a slip in the catalogue that a test finds.
#[expect(clippy::cast_precision_loss, reason = "prices are small")]
fn usd(meter: &str) -> f64 {
    list_price(meter).map_or(0.0, |price| price.nano_usd as f64 / NANO)
}

/// As Python rounds: the binary number, to the nearest cent.
fn cents(usd: f64) -> Cents {
    let digits = format!("{usd:.2}").replace('.', "");
    Cents::from_units(digits.parse().unwrap_or(i64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn transfer(workload: &Workload) -> f64 {
    let [part, whole] = sizer().cross_az_share;
    monthly_gib(workload) * part as f64 / whole as f64 * usd("cross-az-gb")
}

fn monthly_gib(workload: &Workload) -> f64 {
    mib(workload.in_bytes_per_sec) * HOURS * 3600.0 / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn standard(workload: &Workload, replicas: u64) -> Vec<Sized> {
    let sizer = sizer();
    let fan_out = mib(workload.out_peak_bytes_per_sec) * share(sizer.network_fan_out_permille);
    let ingress = mib(workload.in_peak_bytes_per_sec);
    let network = ingress * share(sizer.network_permille) + fan_out;
    let storage = ingress * share(sizer.storage_permille);
    let kept = mib(workload.kept_bytes) / 1024.0 * f64::from(workload.replication);
    let volumes = kept * share(sizer.storage_headroom_permille) * usd("storage-gb-month");
    let used = share(sizer.utilisation_standard_permille);
    let one = |row: &stormglass_scenarios::SizerInstance| {
        let (count, binds) = brokers(&[
            ("storage", storage / (share(row.ebs_milli_mib) * used)),
            ("network", network / (share(row.nic_milli_mib) * used)),
            ("partitions", replicas as f64 / f64::from(row.partitions)),
        ]);
        let hours = count as f64 * (row.hour.nano_usd as f64 / NANO) * HOURS;
        Sized {
            instance: row.name.clone(),
            brokers: count,
            binds,
            monthly_usd: cents(hours + volumes + transfer(workload)),
        }
    };
    sizer.standard.iter().map(one).collect()
}

/// The script takes an Express quota's MB for MiB.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn express(workload: &Workload, replicas: u64) -> Vec<Sized> {
    let used = share(sizer().utilisation_express_permille);
    let ingress = mib(workload.in_peak_bytes_per_sec);
    let egress = mib(workload.out_peak_bytes_per_sec);
    let stored = mib(workload.kept_bytes) / 1024.0 * usd("express-storage-gb-month");
    let data_in = monthly_gib(workload) * usd("express-data-in-gb");
    let quota = |bytes: u64| bytes as f64 / 1e6;
    let one = |row: &stormglass_scenarios::Express| {
        let (count, binds) = brokers(&[
            ("ingress", ingress / (quota(row.in_sustained) * used)),
            ("egress", egress / quota(row.out_max)),
            ("partitions", replicas as f64 / f64::from(row.partitions)),
        ]);
        let hours = count as f64 * (row.hour.nano_usd as f64 / NANO) * HOURS;
        Sized {
            instance: row.name.clone(),
            brokers: count,
            binds,
            monthly_usd: cents(hours + data_in + stored + transfer(workload)),
        }
    };
    express_offers().iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script's own worked output: 100 MiB/s in, 200 out, 1000 replicas, 24 h, three copies.
    #[test]
    fn the_scripts_nine_totals_to_the_cent() {
        let rate = 100 << 20;
        let workload = Workload::steady(rate, 2, 1000, 1024).kept_for(86_400);
        let report = aws_sizer(&workload, 1000);
        for (instance, brokers, usd) in [
            ("kafka.m5.large", 21, "11703.67"),
            ("kafka.m5.xlarge", 12, "12163.58"),
            ("kafka.m5.2xlarge", 6, "12163.58"),
            ("kafka.m7g.large", 18, "11164.93"),
            ("kafka.m7g.xlarge", 9, "11164.93"),
            ("kafka.m7g.2xlarge", 6, "12058.45"),
            ("express.m7g.large", 9, "9512.59"),
            ("express.m7g.xlarge", 6, "10406.11"),
            ("express.m7g.2xlarge", 3, "10406.11"),
        ] {
            let sized = report.sizes.iter().find(|one| one.instance == instance).unwrap();
            assert_eq!(
                (sized.brokers, sized.monthly_usd.to_string().as_str()),
                (brokers, usd),
                "{instance}"
            );
        }
    }

    #[test]
    fn every_price_of_the_script_is_in_the_catalogue() {
        for meter in
            ["storage-gb-month", "cross-az-gb", "express-data-in-gb", "express-storage-gb-month"]
        {
            assert!(usd(meter) > 0.0, "{meter}");
        }
    }
}
