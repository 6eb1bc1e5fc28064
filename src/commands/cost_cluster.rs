//! A cluster described by flags, as the plan of the smallest scenario that has it.

use super::load::plan_of_text;
use crate::args::ClusterFlags;
use crate::failure::Failure;
use stormglass_reports::cost::{CostOptions, CostReport, of_cluster_that_keeps, of_cluster_with};
use stormglass_scenarios::ec2_price;
use stormglass_scenarios::plan::Plan;

/// Topics and clients do not matter to the bill; the language wants some.
const SCENARIO: &str = r#"
name = "cost"
question = "What does this cluster cost a month?"
expect = "A bill."

[cluster]
kind = "msk-standard"
instance = "kafka.m7g.large"
brokers = 3
azs = 3
config.min.insync.replicas = 1

[[topics]]
name = "none"
partitions = 1
replication = 1

[[producers]]
name = "none"
topic = "none"
count = 1
rate = "1 records/s"

[phases]
warmup = "1s"
measure = "1s"
heal = "0s"
drain = "1s"
"#;

const STAND_IN: &str = "kafka.m7g.large";
const STAND_IN_EC2: &str = "m7g.large";
const MSK_PREFIX: &str = "kafka.";
const EXPRESS_PREFIX: &str = "express.";

/// The bill of a plan that [`plan`] made. Express has no volumes: storage is what it keeps.
pub(super) fn bill(flags: &ClusterFlags, plan: &Plan, options: &CostOptions) -> CostReport {
    if plan.cluster.kind.has_elastic_storage() {
        of_cluster_that_keeps(plan, flags.storage_bytes.unwrap_or(0), options)
    } else {
        of_cluster_with(plan, options)
    }
}

/// The plan of the cluster.
pub(super) fn plan(flags: &ClusterFlags, options: &CostOptions) -> Result<Plan, Failure> {
    let mut plan = match load(flags, &flags.instance) {
        Ok(plan) => plan,
        Err(failure) => stand_in(flags, options, failure)?,
    };
    if let Some(bytes) = flags.storage_bytes {
        share_storage(&mut plan, bytes);
    }
    Ok(plan)
}

/// The cluster on another instance, if the instance is all that is wrong with it and its price is
/// given or known. A bill needs no more of an instance than that.
fn stand_in(
    flags: &ClusterFlags,
    options: &CostOptions,
    failure: Failure,
) -> Result<Plan, Failure> {
    let is_msk = flags.instance.starts_with(MSK_PREFIX);
    let hour = ec2_price(&flags.instance);
    let stand_in = match (is_msk, &hour) {
        (true, _) => STAND_IN,
        (false, Some(_)) => STAND_IN_EC2,
        (false, None) => return Err(failure),
    };
    let Ok(mut plan) = load(flags, stand_in) else { return Err(failure) };
    if is_msk && !has_price(flags, options) {
        return Err(failure.help("to price it all the same, add --price broker-hour=USD"));
    }
    plan.prices.extend(hour);
    for node in &mut plan.cluster.brokers {
        flags.instance.clone_into(&mut node.host.instance);
    }
    Ok(plan)
}

fn load(flags: &ClusterFlags, instance: &str) -> Result<Plan, Failure> {
    let is_express = instance.starts_with(EXPRESS_PREFIX);
    let kind = match instance.starts_with(MSK_PREFIX) {
        true => "msk-standard",
        false if is_express => "msk-express",
        false => "self-managed",
    };
    // Express fixes both.
    let (replicas, in_sync) = if is_express { ("3", "2") } else { ("1", "1") };
    let sets = [
        ("cluster.kind", kind.to_owned()),
        ("cluster.instance", instance.to_owned()),
        ("cluster.brokers", flags.brokers.to_string()),
        ("cluster.azs", flags.azs.to_string()),
        ("cluster.config.min.insync.replicas", in_sync.to_owned()),
        ("topics.*.replication", replicas.to_owned()),
    ];
    let sets = sets.map(|(path, value)| (path.to_owned(), value));
    let mut plan = plan_of_text("cost", SCENARIO, &sets)?;
    // a cluster alone has no load that its volumes would have to hold
    plan.producers.clear();
    Ok(plan)
}

fn has_price(flags: &ClusterFlags, options: &CostOptions) -> bool {
    let exact = format!("broker-hour:{}", flags.instance);
    options.prices.iter().any(|price| price.meter == "broker-hour" || price.meter == exact)
}

/// Divides the storage over all data volumes; the first ones take what is left over.
fn share_storage(plan: &mut Plan, bytes: u64) {
    let volumes: Vec<_> =
        plan.cluster.brokers.iter_mut().flat_map(|node| &mut node.host.volumes).collect();
    let count = volumes.len().max(1) as u64;
    for (index, volume) in (0_u64..).zip(volumes) {
        volume.size_bytes = bytes / count + u64::from(index < bytes % count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_reports::cost::PriceOverride;
    use stormglass_reports::result::Cents;

    fn flags(instance: &str, storage_bytes: Option<u64>) -> ClusterFlags {
        ClusterFlags { instance: instance.to_owned(), brokers: 3, azs: 3, storage_bytes }
    }

    #[test]
    fn known_instances_have_their_list_price() {
        for instance in ["kafka.m5.large", "kafka.m7g.xlarge", "m5.xlarge"] {
            let plan = plan(&flags(instance, Some(100 << 30)), &CostOptions::default()).unwrap();
            let report = of_cluster_with(&plan, &CostOptions::default());
            assert!(report.complete && report.total_usd.units() > 0, "{instance}");
        }
    }

    /// By hand: three of $0.408 for 730 h, and 500 GB of $0.10.
    #[test]
    fn express_brokers_keep_what_is_stated() {
        let options = CostOptions::default();
        for (storage, total) in [(None, 89_352), (Some(500_000_000_000), 94_352)] {
            let flags = flags("express.m7g.large", storage);
            let report = bill(&flags, &plan(&flags, &options).unwrap(), &options);
            assert!(report.complete, "{report:#?}");
            assert_eq!(report.total_usd, Cents::from_units(total), "{report:#?}");
        }
    }

    #[test]
    fn a_cluster_alone_has_no_load() {
        let options = CostOptions::default();
        for instance in ["kafka.m7g.large", "m5.xlarge", "express.m7g.large"] {
            let flags = flags(instance, Some(1 << 30));
            let notes = bill(&flags, &plan(&flags, &options).unwrap(), &options).notes;
            assert!(!notes.iter().any(|note| note.contains("planned load")), "{notes:#?}");
        }
    }

    #[test]
    fn storage_is_shared_to_the_byte() {
        let mut plan = plan(&flags("kafka.m5.large", None), &CostOptions::default()).unwrap();
        share_storage(&mut plan, 100);
        let sizes: Vec<u64> =
            plan.cluster.brokers.iter().map(|node| node.host.volumes[0].size_bytes).collect();
        assert_eq!(sizes, [34, 33, 33]);
    }

    #[test]
    fn an_unknown_instance_needs_a_price() {
        let none = CostOptions::default();
        assert!(plan(&flags("kafka.t3.small", None), &none).is_err());
        assert!(plan(&flags("z9.huge", None), &none).is_err());
        // Of this one only the price is known: three of 0.172 for 730 h, three controllers.
        let i4i = plan(&flags("i4i.large", None), &none).unwrap();
        let bill = of_cluster_with(&i4i, &none);
        assert!(
            bill.complete && bill.lines[0].amount_usd == Cents::from_units(37_668),
            "{bill:#?}"
        );
        let price = PriceOverride::typed("broker-hour", 1);
        let options = CostOptions { prices: vec![price], ..none };
        let plan = plan(&flags("kafka.t3.small", None), &options).unwrap();
        assert_eq!(plan.cluster.brokers[2].host.instance, "kafka.t3.small");
    }
}
