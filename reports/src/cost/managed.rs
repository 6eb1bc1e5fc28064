//! Meters of MSK Express and Serverless, which bill what comes in and what is kept, and no volumes.

use super::bill::{Bill, Item};
use super::kept::is_compacted;
use super::workload::Workload;
use crate::recording::TransferTotals;
use crate::result::div_half_up;
use stormglass_scenarios::plan::{ClusterKind, Plan};

const GB: i128 = 1_000_000_000;
const NANOS_PER_HOUR: i128 = 3_600_000_000_000;

impl Bill<'_> {
    /// Hours of a Serverless cluster and of its partitions.
    pub(super) fn serverless_hours(&mut self) {
        let hours = i128::from(self.options.month.hours());
        let partitions: usize = self.plan.topics.iter().map(|topic| topic.assignment.len()).sum();
        let lines = [
            ("serverless-cluster-hour", format!("Cluster for {hours} h"), 1),
            (
                "serverless-partition-hour",
                format!("{partitions} partitions for {hours} h"),
                partitions as i128,
            ),
        ];
        for (meter, item, count) in lines {
            let meters = &[meter.to_owned()];
            self.add(Item { meters, item, quantity_milli: count * hours * 1000, unit: "hour" });
        }
        self.note(
            "What serves a Serverless cluster is not known: the simulated brokers are not billed.",
        );
    }

    /// What the planned load leaves, once.
    pub(super) fn elastic_storage(&mut self) {
        self.kept(Workload::of_plan(self.plan).kept_bytes);
        self.note(
            "Storage is what the planned load leaves within the topics' retention, counted once; \
             1 GB = 10^9 bytes.",
        );
        let compacted = compacted(self.plan);
        if !compacted.is_empty() {
            self.note(&format!(
                "Of compacted topics ({}) that is all that comes in within the retention: \
                 compaction leaves less where keys come again, and what it leaves stays for longer.",
                compacted.join(", ")
            ));
        }
    }

    /// Brokers without volumes, of which is known what they keep, and not what comes in.
    pub(super) fn stated(&mut self, kept_bytes: u64) {
        self.hosts();
        self.kept(kept_bytes);
        self.note(
            "Storage is what is kept, counted once; 1 GB = 10^9 bytes. What comes in is billed, too: \
             price a scenario for it, or a workload with --ingress.",
        );
    }

    fn kept(&mut self, bytes: u64) {
        let meter = match self.plan.cluster.kind {
            ClusterKind::MskServerless => "serverless-storage-gb-month",
            _ => "express-storage-gb-month",
        };
        let milli = div_half_up(i128::from(bytes) * 1000, GB);
        self.add_over(meter, "Storage of what is kept", milli, "GB-month");
    }

    /// Data in, and for Serverless data out: what was measured, else what is planned.
    pub(super) fn data(&mut self, transfer: Option<&TransferTotals>) {
        let hours = i128::from(self.options.month.hours());
        let month = |bytes: u64, ns: u64| {
            let month_ns = hours * NANOS_PER_HOUR;
            div_half_up(i128::from(bytes) * month_ns * 1000, i128::from(ns.max(1)) * GB)
        };
        let (data_in, data_out) = match transfer.filter(|transfer| transfer.measured_ns > 0) {
            Some(transfer) => (
                month(transfer.in_bytes, transfer.measured_ns),
                month(transfer.out_bytes, transfer.measured_ns),
            ),
            None => {
                let workload = Workload::of_plan(self.plan);
                self.note("Data in and out are those of the planned load: nothing was measured.");
                let second = 1_000_000_000;
                (
                    month(workload.in_bytes_per_sec, second),
                    month(workload.out_bytes_per_sec, second),
                )
            }
        };
        if self.plan.cluster.kind == ClusterKind::MskServerless {
            self.add_over("serverless-data-in-gb", "Data in", data_in, "GB");
            self.add_over("serverless-data-out-gb", "Data out", data_out, "GB");
        } else {
            self.add_over("express-data-in-gb", "Data in", data_in, "GB");
        }
    }
}

/// Names of topics that are compacted.
fn compacted(plan: &Plan) -> Vec<&str> {
    let all = plan.topics.iter().filter(|topic| is_compacted(plan, topic));
    all.map(|topic| topic.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{of_cluster, of_run};
    use crate::testing;
    use stormglass_scenarios::plan::Price;

    fn plan(kind: ClusterKind, meters: &[(&str, i64)]) -> Plan {
        let mut plan = testing::plan();
        plan.cluster.kind = kind;
        let template = plan.prices[0].clone();
        for (meter, nano_usd) in meters {
            let (meter, nano_usd) = ((*meter).to_owned(), *nano_usd);
            plan.prices.retain(|price| price.meter != meter);
            plan.prices.push(Price { meter, nano_usd, ..template.clone() });
        }
        plan
    }

    const HOUR: TransferTotals = TransferTotals {
        measured_ns: 3_600_000_000_000,
        in_bytes: 10_000_000_000,
        out_bytes: 20_000_000_000,
        produce_cross_az_bytes: 0,
        consume_cross_az_bytes: 0,
        replication_cross_az_bytes: 0,
        remote_fetched_bytes: 0,
    };

    #[test]
    fn express_bills_brokers_what_comes_in_and_what_is_kept() {
        let meters = [
            ("broker-hour", 408_000_000),
            ("express-data-in-gb", 10_000_000),
            ("express-storage-gb-month", 100_000_000),
        ];
        let plan = plan(ClusterKind::MskExpress, &meters);
        let report = of_run(&plan, &HOUR);
        assert!(report.complete, "{:?}", report.notes);
        let amounts: Vec<i64> = report.lines.iter().map(|line| line.amount_usd.units()).collect();
        // 3 brokers; then storage; 10 GB an hour at a cent.
        assert_eq!((amounts[0], amounts[2]), (89_352, 730 * 10));
        let kept = i128::from(Workload::of_plan(&plan).kept_bytes);
        assert_eq!(i128::from(amounts[1]), div_half_up(kept * 10, GB));
        assert!(report.lines.iter().all(|line| !line.item.contains("MSK storage")));
        assert!(of_cluster(&plan).lines.iter().any(|line| line.item == "Data in"));
    }

    #[test]
    fn what_compaction_leaves_is_not_reckoned_and_said_not_to_be() {
        let meters = [("express-storage-gb-month", 100_000_000)];
        let mut plan = plan(ClusterKind::MskExpress, &meters);
        let says = |plan: &Plan| {
            let notes = of_cluster(plan).notes;
            notes.iter().any(|note| note.starts_with("Of compacted topics (orders)"))
        };
        assert!(!says(&plan));
        plan.topics[0].config.insert("cleanup.policy".to_owned(), "compact".to_owned());
        assert!(says(&plan));
    }

    #[test]
    fn serverless_bills_its_five_meters_and_no_brokers() {
        let meters = [
            ("serverless-cluster-hour", 750_000_000),
            ("serverless-partition-hour", 1_500_000),
            ("serverless-data-in-gb", 100_000_000),
            ("serverless-data-out-gb", 50_000_000),
            ("serverless-storage-gb-month", 100_000_000),
        ];
        let plan = plan(ClusterKind::MskServerless, &meters);
        let report = of_run(&plan, &HOUR);
        assert!(report.complete, "{:?}", report.notes);
        let partitions: usize = plan.topics.iter().map(|topic| topic.assignment.len()).sum();
        let amounts: Vec<i64> = report.lines.iter().map(|line| line.amount_usd.units()).collect();
        assert_eq!(amounts.len(), 5);
        assert_eq!(amounts[0], 54_750);
        assert_eq!(amounts[1], (partitions as i64 * 10_950 + 50) / 100);
        assert_eq!(amounts[3..], [73_000, 73_000]);
    }
}
