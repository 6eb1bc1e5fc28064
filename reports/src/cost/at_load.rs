//! What a plan's cluster costs a month with its load and retention: the bill that savings are taken
//! from, and that other services are compared with. Arithmetic, nothing is simulated.

use super::bill::of_cluster_with;
use super::savings::{Prices, cents, crossing, kept_on_volumes, stored, volume_meter};
use super::types::CostOptions;
use super::workload::Workload;
use crate::result::Cents;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_scenarios::plan::Plan;

/// A month with the load, US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtLoad {
    /// Hosts, volumes, and what a service meters of the data.
    pub cluster_usd: Cents,
    /// Volumes for what retention keeps beyond those that are there.
    pub more_storage_usd: Cents,
    /// Traffic across AZs, clients evenly in all of them.
    pub traffic_usd: Cents,
    /// All of it.
    pub total_usd: Cents,
    /// Where the prices of traffic and of more storage are from; the cluster's bill has its own.
    pub sources: Vec<String>,
}

/// The month of a plan.
#[must_use]
pub fn at_load(plan: &Plan, workload: &Workload, options: &CostOptions) -> AtLoad {
    let prices = Prices(options);
    let cluster_usd = of_cluster_with(plan, options).total_usd;
    let more_storage_usd = cents(lacking(plan, workload, &prices));
    let traffic_usd = cents(crossing(plan, workload, &prices).unwrap_or(0));
    let parts = [cluster_usd, more_storage_usd, traffic_usd];
    let total = parts.iter().map(|one| one.units()).fold(0, i64::saturating_add);
    let volume = volume_meter(plan).filter(|_| more_storage_usd > Cents::ZERO);
    let traffic = (traffic_usd > Cents::ZERO).then(|| "cross-az-gb".to_owned());
    let meters: Vec<String> = traffic.into_iter().chain(volume).collect();
    let meters: Vec<&str> = meters.iter().map(String::as_str).collect();
    AtLoad {
        cluster_usd,
        more_storage_usd,
        traffic_usd,
        total_usd: Cents::from_units(total),
        sources: prices.sources(&meters),
    }
}

/// Storage that the volumes do not have, billionths of a dollar. Local disks are as large as they are.
fn lacking(plan: &Plan, workload: &Workload, prices: &Prices<'_>) -> i128 {
    if plan.cluster.kind.has_elastic_storage() {
        return 0; // it is on the cluster's bill
    }
    let volumes = plan.cluster.brokers.iter().flat_map(|node| &node.host.volumes);
    let has = volumes.map(|volume| volume.size_bytes).sum::<u64>();
    let copies = u64::from(workload.replication.max(1));
    let lacks = kept_on_volumes(plan, workload).saturating_sub(has / copies);
    stored(plan, workload, lacks, prices).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::savings;
    use crate::testing;
    use stormglass_scenarios::plan::ClusterKind;

    #[test]
    fn nothing_saves_more_than_the_month_costs() {
        let options = CostOptions::default();
        let mut plan = testing::plan();
        plan.producers.iter_mut().for_each(|one| one.compression_permille = 1000);
        for (rate, days) in [(100_000, 1), (10_000_000, 7), (100_000_000, 30)] {
            let workload = Workload::steady(rate, 2, 1000, 1024).kept_for(days * 86_400);
            let month = at_load(&plan, &workload, &options);
            for saving in savings(&plan, &workload, &options) {
                assert!(saving.usd < month.total_usd, "{saving:?} of {month:?}");
            }
        }
    }

    #[test]
    fn a_month_by_hand() {
        let (plan, options) = (testing::plan(), CostOptions::default());
        let workload = Workload::steady(10_000_000, 2, 1000, 1024).kept_for(86_400);
        let month = at_load(&plan, &workload, &options);
        // 30 MB/s x 2/3 x 2628000 s = 52560 GB at 0.02; the volumes hold a day three times.
        assert_eq!(month.traffic_usd, Cents::from_units(105_120));
        assert_eq!(month.more_storage_usd, Cents::ZERO);
        assert_eq!(month.cluster_usd, of_cluster_with(&plan, &options).total_usd);
        let mut aware = plan.clone();
        for group in &mut aware.consumers {
            group.config.insert("client.rack".to_owned(), "a".to_owned());
        }
        let month = at_load(&aware, &workload, &options);
        assert_eq!(month.traffic_usd, Cents::from_units(35_040), "consumers stay in their AZ");
        aware.cluster.kind = ClusterKind::SelfManaged;
        let own = at_load(&aware, &workload, &options);
        // And 20 MB/s of replication.
        assert_eq!(own.traffic_usd, Cents::from_units(35_040 + 105_120));
    }
}
