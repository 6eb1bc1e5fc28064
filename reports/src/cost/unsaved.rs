//! What would save nothing, and why not: so that a change that is not among the savings was not just
//! forgotten.

use super::savings::{Prices, read_from_leaders, retention, successor};
use super::types::CostOptions;
use super::workload::Workload;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_scenarios::plan::{ClusterKind, Plan};

/// MSK keeps tiered topics three days at least.
const TIERED_MIN_S: u64 = 3 * 86_400;

/// A change that saves nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unsaved {
    /// The change.
    pub change: String,
    /// Why it does not help.
    pub because: String,
}

/// Those of the usual changes that are no [`super::Saving`] of this cluster.
#[must_use]
pub fn unsaved(plan: &Plan, workload: &Workload, options: &CostOptions) -> Vec<Unsaved> {
    let all = [
        ("tiered storage", tiered(plan, workload)),
        ("compression", compression(plan)),
        ("consumers that fetch in their own AZ", follower_fetching(plan, workload)),
        ("half the retention", shorter(plan, workload, options)),
        ("another instance family", family(plan)),
    ];
    let one = |(change, because): (&str, Option<String>)| {
        because.map(|because| Unsaved { change: change.to_owned(), because })
    };
    all.into_iter().filter_map(one).collect()
}

/// Why a tier does not help.
pub(super) fn tiered(plan: &Plan, workload: &Workload) -> Option<String> {
    let kind = plan.cluster.kind;
    if kind.has_elastic_storage() {
        return Some(
            "what is kept is billed once as it is; there are no volumes to shrink".to_owned(),
        );
    }
    if Workload::remote_bytes(plan) > 0 {
        return Some("it is there".to_owned());
    }
    if kind == ClusterKind::MskStandard && workload.retention_seconds < TIERED_MIN_S {
        let hours = workload.retention_seconds / 3600;
        return Some(format!(
            "records are kept {hours} h, and MSK keeps tiered topics 72 h at least"
        ));
    }
    let local = |host: &stormglass_scenarios::plan::HostPlan| {
        host.volumes.first().is_some_and(|volume| volume.kind == "nvme")
    };
    let is_local = plan.cluster.brokers.first().is_some_and(|node| local(&node.host));
    is_local.then(|| "local disks come with the instances, full or not".to_owned())
}

/// Why compression does not help.
pub(super) fn compression(plan: &Plan) -> Option<String> {
    if plan.producers.is_empty() {
        return Some("nobody produces".to_owned());
    }
    let is_compressed = plan.producers.iter().any(|one| one.compression_permille < 1000);
    is_compressed.then(|| "records are compressed already".to_owned())
}

/// Why fetching from followers does not help.
pub(super) fn follower_fetching(plan: &Plan, workload: &Workload) -> Option<String> {
    if plan.cluster.kind == ClusterKind::MskServerless {
        return Some("Serverless bills no traffic across AZs".to_owned());
    }
    if plan.cluster.azs.len() < 2 {
        return Some("there is one AZ".to_owned());
    }
    if workload.out_bytes_per_sec == 0 {
        return Some("nobody reads".to_owned());
    }
    (read_from_leaders(plan, workload) == 0).then(|| "consumers do so already".to_owned())
}

fn shorter(plan: &Plan, workload: &Workload, options: &CostOptions) -> Option<String> {
    let is_none = retention(plan, workload, &Prices(options)).is_none();
    is_none.then(|| "storage is not billed by what is kept".to_owned())
}

/// Why another family does not help.
pub(super) fn family(plan: &Plan) -> Option<String> {
    let name = &plan.cluster.brokers.first()?.host.instance;
    if plan.cluster.kind == ClusterKind::MskServerless {
        return Some("Serverless has no instances to choose".to_owned());
    }
    let newest = format!("no newer family of the same sizes than that of {name} is priced here");
    successor(name).is_none().then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::savings;
    use crate::testing;

    #[test]
    fn each_usual_change_is_a_saving_or_has_a_reason() {
        let options = CostOptions::default();
        let kinds = [
            ClusterKind::MskStandard,
            ClusterKind::SelfManaged,
            ClusterKind::MskExpress,
            ClusterKind::MskServerless,
        ];
        for kind in kinds {
            for days in [1, 7] {
                let mut plan = testing::plan();
                plan.cluster.kind = kind;
                let workload = Workload::steady(10_000_000, 2, 1000, 1024).kept_for(days * 86_400);
                let saved = savings(&plan, &workload, &options);
                let not = unsaved(&plan, &workload, &options);
                for part in ["tiered", "compression", "AZ", "retention", "of"] {
                    let said = saved.iter().map(|one| &one.change);
                    let said = said.chain(not.iter().map(|one| &one.change));
                    assert!(
                        said.into_iter().any(|change| change.contains(part)),
                        "{kind:?} {part}"
                    );
                }
                let all = saved.iter().filter(|one| one.change != "smaller volumes").count();
                assert_eq!(all + not.len(), 5, "{kind:?}: {saved:#?} {not:#?}");
            }
        }
    }
}
