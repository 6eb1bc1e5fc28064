//! EC2 types that can be priced and not simulated: `ec2-priced.toml`. They are no part of what a run is
//! compared by.

use super::prices::price;
use super::provenance::{Provenance, read};
use crate::plan::Price;
use serde::Deserialize;
use std::sync::OnceLock;

#[derive(Debug, Deserialize)]
struct File {
    #[serde(flatten)]
    provenance: Provenance,
    instances: Vec<Priced>,
}

/// A type with what is known of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a bill needs the price; the rest says what is known")
)]
struct Priced {
    name: String,
    vcpus: u32,
    memory_gib: u64,
    usd_per_hour: String,
    net_base_gbps: String,
    net_burst_gbps: Option<String>,
    ebs_base_mb_per_sec: Option<String>,
    nvme_gb: Option<u64>,
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| read("ec2-priced.toml", include_str!("../../catalogue/ec2-priced.toml")))
}

/// The price of an hour of a type that is not simulated.
pub(crate) fn hour(instance: &str) -> Option<Price> {
    let row = file().instances.iter().find(|row| row.name == instance)?;
    let meter = format!("ec2-hour:{instance}");
    Some(price(&meter, &row.usd_per_hour, "hour", &file().provenance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::hardware::ec2_instance;
    use crate::units::scaled_decimal;

    #[test]
    fn each_has_a_price_and_lacks_what_a_simulation_needs() {
        file().provenance.check("ec2-priced.toml");
        for row in &file().instances {
            assert!(ec2_instance(&row.name).is_none(), "{} can be simulated", row.name);
            assert!(hour(&row.name).unwrap().nano_usd > 0, "{}", row.name);
            assert!(row.vcpus >= 2 && row.memory_gib >= 8, "{}", row.name);
            let decimals = [&row.net_burst_gbps, &row.ebs_base_mb_per_sec];
            let decimals = decimals.into_iter().flatten().chain([&row.net_base_gbps]);
            for text in decimals {
                assert!(scaled_decimal(text, 1000).is_some(), "{} {text}", row.name);
            }
            let missing = row.net_burst_gbps.is_none() || row.ebs_base_mb_per_sec.is_none();
            assert!(missing && row.nvme_gb != Some(0), "{}", row.name);
        }
        assert!(hour("m5.large").is_none());
    }
}
