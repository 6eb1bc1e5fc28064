//! Meters of a cluster and of its traffic, and how quantities become amounts.

use super::capacity;
use super::savings::{cents, crossing_bytes_per_sec, month_nano};
use super::types::{CostLine, CostOptions, CostReport};
use super::workload::Workload;
use crate::recording::TransferTotals;
use crate::result::{Cents, Decimal, Milli, div_half_up};
use crate::text;
use std::collections::BTreeMap;
use stormglass_scenarios::plan::{ClusterKind, NodePlan, Plan, Price, RatePlan, VolumePlan};

const GIB: i128 = 1 << 30;
const MIB: i128 = 1 << 20;
const GB: i128 = 1_000_000_000;
const NANOS_PER_HOUR: i128 = 3_600_000_000_000;
/// Storage throughput that an MSK broker has before provisioned throughput is billed, bytes/s.
const MSK_THROUGHPUT_INCLUDED: i128 = 250 * MIB;
/// What a gp3 volume has before more is billed.
const GP3_IOPS_INCLUDED: i128 = 3000;
const GP3_THROUGHPUT_INCLUDED: i128 = 125 * MIB;

/// Bills a cluster without traffic, at the plan's prices, for 730 hours.
#[must_use]
pub fn of_cluster(plan: &Plan) -> CostReport {
    of_cluster_with(plan, &CostOptions::default())
}

/// Bills a cluster without traffic.
#[must_use]
pub fn of_cluster_with(plan: &Plan, options: &CostOptions) -> CostReport {
    let mut bill = Bill::new(plan, options);
    bill.hosts();
    bill.storage();
    if plan.cluster.kind.has_elastic_storage() {
        bill.data(None);
    }
    bill.without_traffic();
    bill.finish()
}

/// Bills a cluster without volumes whose load is not known, such as Express brokers named by flags.
#[must_use]
pub fn of_cluster_that_keeps(plan: &Plan, kept_bytes: u64, options: &CostOptions) -> CostReport {
    let mut bill = Bill::new(plan, options);
    bill.stated(kept_bytes);
    bill.without_traffic();
    bill.finish()
}

/// Bills a cluster and a month of the traffic that was measured, for 730 hours.
#[must_use]
pub fn of_run(plan: &Plan, transfer: &TransferTotals) -> CostReport {
    of_run_with(plan, transfer, &CostOptions::default())
}

/// Bills a cluster and a month of the traffic that was measured.
#[must_use]
pub fn of_run_with(plan: &Plan, transfer: &TransferTotals, options: &CostOptions) -> CostReport {
    let mut bill = Bill::new(plan, options);
    bill.hosts();
    bill.storage();
    if plan.cluster.kind.has_elastic_storage() {
        bill.data(Some(transfer));
    }
    if plan.cluster.kind != ClusterKind::MskServerless {
        bill.traffic(transfer);
    }
    bill.retrieval(transfer);
    bill.finish()
}

/// A bill that is being written.
pub(super) struct Bill<'a> {
    pub(super) plan: &'a Plan,
    pub(super) options: &'a CostOptions,
    lines: Vec<CostLine>,
    missing: Vec<String>,
    notes: Vec<String>,
}

/// What is billed on one line; the quantity is in thousandths of `unit`.
pub(super) struct Item<'a> {
    pub(super) meters: &'a [String],
    pub(super) item: String,
    pub(super) quantity_milli: i128,
    pub(super) unit: &'a str,
}

impl<'a> Bill<'a> {
    fn new(plan: &'a Plan, options: &'a CostOptions) -> Self {
        Self { plan, options, lines: Vec::new(), missing: Vec::new(), notes: Vec::new() }
    }

    fn is_msk(&self) -> bool {
        self.plan.cluster.kind.is_msk()
    }

    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// Brokers by instance type. MSK bills no controllers; self-managed ones are EC2 instances.
    pub(super) fn hosts(&mut self) {
        let plan = self.plan;
        if plan.cluster.kind == ClusterKind::MskServerless {
            self.serverless_hours();
        } else if self.is_msk() {
            self.add_hosts(&plan.cluster.brokers, "broker-hour", "broker");
            self.notes.push("MSK does not bill KRaft controllers.".to_owned());
        } else {
            self.add_hosts(&plan.cluster.brokers, "ec2-hour", "broker instance");
            self.add_hosts(&plan.cluster.controllers, "controller-ec2-hour", "controller instance");
        }
    }

    fn add_hosts(&mut self, nodes: &[NodePlan], meter: &str, noun: &str) {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for node in nodes {
            *counts.entry(&node.host.instance).or_default() += 1;
        }
        let hours = self.options.month.hours();
        for (instance, count) in counts {
            let plural = if count == 1 { "" } else { "s" };
            self.add(Item {
                meters: &[format!("{meter}:{instance}"), meter.to_owned()],
                item: format!("{count} {noun}{plural} {instance} for {hours} h"),
                quantity_milli: i128::from(count) * i128::from(hours) * 1000,
                unit: "hour",
            });
        }
    }

    fn storage(&mut self) {
        let plan = self.plan;
        if plan.cluster.kind.has_elastic_storage() {
            return self.elastic_storage();
        }
        if let Some(shortage) = capacity::shortage(plan) {
            self.note(&format!("{}.", text::capital(&shortage)));
        }
        let of = |nodes: &'a [NodePlan]| nodes.iter().flat_map(|node| &node.host.volumes);
        if self.is_msk() {
            let volumes: Vec<&VolumePlan> = of(&plan.cluster.brokers).collect();
            let bytes = volumes.iter().map(|volume| i128::from(volume.size_bytes)).sum();
            self.add_storage("storage-gb-month", "MSK storage", bytes);
            let provisioned = volumes.iter().filter(|volume| volume.kind == "provisioned");
            let over = over(provisioned, |volume| volume.throughput, MSK_THROUGHPUT_INCLUDED);
            let item = "Provisioned storage throughput over 250 MiB/s a broker";
            self.add_over("provisioned-throughput-mbps-month", item, over * 1000 / MIB, "MiB/s");
        } else {
            let volumes: Vec<&VolumePlan> =
                of(&plan.cluster.brokers).chain(of(&plan.cluster.controllers)).collect();
            self.ebs(&volumes);
        }
        self.remote_storage();
        self.notes.push(
            "A GiB of volume counts as one GB-month, as AWS meters it; the whole volume is billed, \
             not only what the logs fill."
                .to_owned(),
        );
    }

    fn ebs(&mut self, volumes: &[&VolumePlan]) {
        let mut by_kind: BTreeMap<&str, i128> = BTreeMap::new();
        for volume in volumes.iter().filter(|volume| volume.kind != "nvme") {
            *by_kind.entry(&volume.kind).or_default() += i128::from(volume.size_bytes);
        }
        for (kind, bytes) in by_kind {
            let item = format!("EBS {kind} storage");
            self.add_storage(&format!("ebs-{kind}-gb-month"), &item, bytes);
        }
        let gp3 = || volumes.iter().filter(|volume| volume.kind == "gp3");
        let iops = gp3().map(|volume| billed_iops(volume) - GP3_IOPS_INCLUDED);
        let iops: i128 = iops.map(|over| over.max(0)).sum();
        self.add_over("ebs-gp3-iops-month", "gp3 IOPS over 3000 a volume", iops * 1000, "IOPS");
        let rate = over(gp3(), |volume| volume.throughput, GP3_THROUGHPUT_INCLUDED);
        let item = "gp3 throughput over 125 MiB/s a volume";
        self.add_over("ebs-gp3-mbps-month", item, rate * 1000 / MIB, "MiB/s");
    }

    fn add_storage(&mut self, meter: &str, item: &str, bytes: i128) {
        self.add_over(meter, item, div_half_up(bytes * 1000, GIB), "GB-month");
    }

    /// Topics with remote storage: what the planned load leaves there within their retention, once.
    fn remote_storage(&mut self) {
        let kept = Workload::remote_bytes(self.plan);
        if kept == 0 {
            return;
        }
        let (meter, item) = match self.is_msk() {
            true => ("tiered-storage-gb-month", "MSK tiered storage"),
            false => ("s3-standard-gb-month", "S3 storage of remote segments"),
        };
        self.add_over(meter, item, div_half_up(i128::from(kept) * 1000, GB), "GB-month");
        self.note(
            "Remote storage is what the planned load leaves within the topics' retention, counted once \
             (volumes keep a copy of the newest part of it); 1 GB = 10^9 bytes. Requests to S3 are not \
             billed.",
        );
    }

    /// What was fetched from remote storage, scaled to a month.
    fn retrieval(&mut self, transfer: &TransferTotals) {
        if transfer.remote_fetched_bytes == 0 || !self.is_msk() {
            return;
        }
        let month_ns = i128::from(self.options.month.hours()) * NANOS_PER_HOUR;
        let denominator = i128::from(transfer.measured_ns.max(1)) * GB;
        let bytes = i128::from(transfer.remote_fetched_bytes);
        let milli = div_half_up(bytes * month_ns * 1000, denominator);
        self.add_over("tiered-retrieval-gb", "Retrieval from MSK tiered storage", milli, "GB");
        self.note(
            "Retrieval is the mean of the measured time carried on for a month: a group that catches \
             up once retrieves its backlog once.",
        );
    }

    /// Adds a line unless there is nothing to bill.
    pub(super) fn add_over(&mut self, meter: &str, item: &str, quantity_milli: i128, unit: &str) {
        if quantity_milli > 0 {
            self.add(Item {
                meters: &[meter.to_owned()],
                item: item.to_owned(),
                quantity_milli,
                unit,
            });
        }
    }

    /// Says that the total lacks what crosses AZs, and about how much that is at the planned load.
    fn without_traffic(&mut self) {
        let plan = self.plan;
        if plan.cluster.azs.len() < 2 || plan.cluster.kind == ClusterKind::MskServerless {
            return;
        }
        let who = if self.is_msk() { "of clients" } else { "of clients and replicas" };
        let price = self.price(&["cross-az-gb".to_owned()]);
        let bytes = crossing_bytes_per_sec(plan, &Workload::of_plan(plan));
        let usd =
            price.map(|price| cents(month_nano(bytes, i128::from(price.nano_usd), self.options)));
        let about = usd.filter(|usd| *usd > Cents::from_units(0)).map_or(String::new(), |usd| {
            format!(
                " At the planned load it comes to about {} more, with clients evenly in all AZs.",
                text::dollars(usd)
            )
        });
        self.notes.push(format!(
            "The total is without traffic {who} across AZs, which is known from a run alone: the \
             bill of `stormglass run` has it, and `stormglass cost` of a run's directory.{about}"
        ));
    }

    /// Measured cross-AZ bytes, scaled to a month. A GB that crosses is metered twice, out of one
    /// AZ and into the other; the `cross-az-gb` price covers both.
    fn traffic(&mut self, transfer: &TransferTotals) {
        if transfer.measured_ns == 0 {
            self.notes.push("No traffic was measured, so none is billed.".to_owned());
            return;
        }
        let replication = if self.is_msk() { "broker-replication-gb" } else { "cross-az-gb" };
        let flows = [
            ("Producers to brokers", transfer.produce_cross_az_bytes, "cross-az-gb"),
            ("Brokers to consumers", transfer.consume_cross_az_bytes, "cross-az-gb"),
            ("Replication between brokers", transfer.replication_cross_az_bytes, replication),
        ];
        let month_ns = i128::from(self.options.month.hours()) * NANOS_PER_HOUR;
        for (name, bytes, meter) in flows {
            let denominator = i128::from(transfer.measured_ns) * GB;
            let milli = div_half_up(i128::from(bytes) * month_ns * 1000, denominator);
            self.add_over(meter, &format!("{name} across AZs"), milli, "GB");
        }
        self.notes.push(format!(
            "Traffic across AZs is billed out of one and into the other, half of the price each. \
             It is the mean of {} measured seconds, faults included, carried on for a month; 1 GB \
             = 10^9 bytes.",
            text::number(Milli::seconds_from_ns(transfer.measured_ns), 0)
        ));
    }

    pub(super) fn add(&mut self, item: Item<'_>) {
        let Some(price) = self.price(item.meters) else {
            self.missing.push(format!("{} ({})", item.item, item.meters[0]));
            return;
        };
        let amount_nano = div_half_up(item.quantity_milli * i128::from(price.nano_usd), 1000);
        let cents = div_half_up(amount_nano, 10_000_000);
        self.lines.push(CostLine {
            item: item.item,
            quantity: Milli::from_units(saturate(item.quantity_milli)),
            unit: item.unit.to_owned(),
            unit_price_usd: Decimal::from_units(price.nano_usd),
            amount_usd: Cents::from_units(saturate(cents)),
            source: price.source,
            date: price.date,
            confidence: price.confidence,
        });
    }

    /// The first of `meters` that has a price; an override comes before the plan's.
    fn price(&self, meters: &[String]) -> Option<Price> {
        let overridden = meters.iter().find_map(|meter| {
            let price = self.options.prices.iter().find(|price| &price.meter == meter)?;
            Some(Price {
                meter: price.meter.clone(),
                nano_usd: price.nano_usd,
                unit: String::new(),
                source: price.source.clone(),
                date: price.date.clone(),
                confidence: price.confidence.clone(),
            })
        });
        overridden.or_else(|| {
            meters.iter().find_map(|meter| {
                self.plan.prices.iter().find(|price| &price.meter == meter).cloned()
            })
        })
    }

    fn finish(mut self) -> CostReport {
        for missing in &self.missing {
            self.notes.push(format!("No price is known for {missing}: the total is without it."));
        }
        let total: i64 = self.lines.iter().map(|line| line.amount_usd.units()).sum();
        CostReport {
            month_hours: self.options.month.hours(),
            complete: self.missing.is_empty(),
            lines: self.lines,
            total_usd: Cents::from_units(total),
            notes: self.notes,
        }
    }
}

/// Sum of what each volume's baseline has over what is included.
fn over<'a>(
    volumes: impl Iterator<Item = &'a &'a VolumePlan>,
    of: fn(&VolumePlan) -> RatePlan,
    included: i128,
) -> i128 {
    volumes.map(|volume| (i128::from(of(volume).baseline_per_sec) - included).max(0)).sum()
}

/// What AWS bills is what was provisioned, whatever of it the instance lets through.
fn billed_iops(volume: &VolumePlan) -> i128 {
    i128::from(volume.provisioned_iops.unwrap_or(volume.iops.baseline_per_sec))
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Month, PriceOverride};
    use crate::testing;

    #[test]
    fn three_small_brokers_for_thirty_days_cost_118_dollars() {
        let mut plan = testing::plan();
        for (node, gib) in plan.cluster.brokers.iter_mut().zip([34_u64, 33, 33]) {
            "kafka.t3.small".clone_into(&mut node.host.instance);
            node.host.volumes[0].size_bytes = gib << 30;
        }
        let options = CostOptions {
            month: Month::ThirtyDays,
            prices: vec![
                PriceOverride::typed("broker-hour", 50_000_000),
                PriceOverride::typed("storage-gb-month", 100_000_000),
            ],
        };
        let report = of_cluster_with(&plan, &options);
        let amounts: Vec<String> =
            report.lines.iter().map(|line| line.amount_usd.to_string()).collect();
        assert_eq!(amounts, ["108.00", "10.00"]);
        assert_eq!(report.total_usd.to_string(), "118.00");
        assert!(report.complete);
    }

    #[test]
    fn a_gigabyte_that_crosses_azs_costs_two_cents() {
        let plan = testing::plan();
        let hour = 3_600_000_000_000;
        let transfer = TransferTotals {
            measured_ns: hour,
            produce_cross_az_bytes: 1_000_000_000,
            consume_cross_az_bytes: 0,
            replication_cross_az_bytes: 5_000_000_000,
            ..TransferTotals::default()
        };
        let without = of_cluster(&plan).total_usd.units();
        let report = of_run(&plan, &transfer);
        assert_eq!(report.total_usd.units() - without, 730 * 2, "replication is free on MSK");
        assert_eq!(report.lines.last().unwrap().quantity.units(), 5 * 730_000, "and still shown");
    }

    #[test]
    fn self_managed_pays_for_controllers_replication_and_what_gp3_does_not_include() {
        let mut plan = testing::plan();
        plan.cluster.kind = ClusterKind::SelfManaged;
        plan.cluster.brokers[0].host.volumes[0].iops.baseline_per_sec = 4000;
        plan.cluster.brokers[1].host.volumes[0].throughput.baseline_per_sec = 225 << 20;
        let template = plan.prices[0].clone();
        for (meter, nano_usd) in [
            ("ec2-hour", 100_000_000),
            ("controller-ec2-hour", 50_000_000),
            ("ebs-gp3-gb-month", 80_000_000),
            ("ebs-gp3-iops-month", 5_000_000),
            ("ebs-gp3-mbps-month", 40_000_000),
        ] {
            plan.prices.push(Price { meter: meter.into(), nano_usd, ..template.clone() });
        }
        let transfer = TransferTotals {
            measured_ns: 3_600_000_000_000,
            replication_cross_az_bytes: 1_000_000_000,
            ..TransferTotals::default()
        };
        let report = of_run(&plan, &transfer);
        assert!(report.complete, "{:?}", report.notes);
        let amounts: Vec<i64> = report.lines.iter().map(|line| line.amount_usd.units()).collect();
        let hosts = [3 * 730 * 10, 3 * 730 * 5];
        let gp3 = [6000 * 8, 1000 / 2, 100 * 4];
        assert_eq!(amounts, [&hosts[..], &gp3[..], &[730 * 2]].concat());
    }

    #[test]
    fn gp3_iops_are_billed_as_provisioned_also_where_the_instance_lets_fewer_through() {
        let mut plan = testing::plan();
        plan.cluster.kind = ClusterKind::SelfManaged;
        let template = plan.prices[0].clone();
        let meter = "ebs-gp3-iops-month".to_owned();
        plan.prices.push(Price { meter, nano_usd: 5_000_000, ..template });
        let volume = &mut plan.cluster.brokers[0].host.volumes[0];
        volume.iops.baseline_per_sec = 4_800;
        volume.provisioned_iops = Some(16_000);
        let report = of_cluster(&plan);
        let line = report.lines.iter().find(|line| line.item.starts_with("gp3 IOPS")).unwrap();
        assert_eq!(line.amount_usd.units(), 13_000 / 2);
    }

    #[test]
    fn msk_bills_provisioned_throughput_only_over_what_a_broker_has() {
        let mut plan = testing::plan();
        let price = plan.prices[0].clone();
        plan.prices.push(Price {
            meter: "provisioned-throughput-mbps-month".into(),
            nano_usd: 80_000_000,
            ..price
        });
        let without = of_cluster(&plan).total_usd.units();
        let volume = &mut plan.cluster.brokers[0].host.volumes[0];
        "provisioned".clone_into(&mut volume.kind);
        volume.throughput.baseline_per_sec = 300 << 20;
        assert_eq!(of_cluster(&plan).total_usd.units() - without, 50 * 8);
    }

    /// 40 MB/s in and 80 out, two thirds of it over 2628000 s: 210240 GB at 0.02.
    #[test]
    fn a_bill_without_a_run_says_what_it_lacks() {
        let note = |plan: &Plan| {
            let notes = of_cluster(plan).notes;
            notes.into_iter().find(|note| note.starts_with("The total is without traffic"))
        };
        let mut plan = testing::plan();
        let told = note(&plan).unwrap();
        assert!(told.contains("traffic of clients across AZs"), "{told}");
        assert!(told.contains("about $4,204.80 more"), "{told}");
        let transfer = TransferTotals { measured_ns: 1, ..TransferTotals::default() };
        assert!(!of_run(&plan, &transfer).notes.contains(&told));
        plan.cluster.azs.truncate(1);
        assert_eq!(note(&plan), None, "nothing crosses");
    }

    #[test]
    fn a_bill_says_when_the_volumes_do_not_hold_what_is_kept() {
        let mut plan = testing::plan();
        let says = |plan: &Plan| {
            let notes = of_cluster(plan).notes;
            notes.iter().any(|note| note.starts_with("At the planned load the volumes are full"))
        };
        assert!(says(&plan));
        plan.topics[0].config.insert("retention.ms".to_owned(), "3600000".to_owned());
        assert!(!says(&plan));
    }

    #[test]
    fn a_missing_price_is_named_and_marks_the_bill_incomplete() {
        let mut plan = testing::plan();
        plan.prices.retain(|price| price.meter != "storage-gb-month");
        let report = of_cluster(&plan);
        assert!(!report.complete);
        assert!(report.notes.iter().any(|note| note.contains("storage-gb-month")));
    }

    #[test]
    fn remote_storage_is_billed_once_and_retrieval_by_what_was_fetched() {
        let mut plan = testing::plan();
        let config = &mut plan.topics[0].config;
        config.insert("remote.storage.enable".into(), "true".into());
        config.insert("retention.ms".into(), "259200000".into());
        let template = plan.prices[0].clone();
        let prices = [("tiered-storage-gb-month", 60_000_000), ("tiered-retrieval-gb", 1_800_000)];
        for (meter, nano_usd) in prices {
            plan.prices.push(Price { meter: meter.into(), nano_usd, ..template.clone() });
        }
        let hour = TransferTotals {
            measured_ns: 3_600_000_000_000,
            remote_fetched_bytes: 10_000_000_000,
            ..TransferTotals::default()
        };
        let report = of_run(&plan, &hour);
        let line = |part: &str| report.lines.iter().find(|line| line.item.contains(part)).unwrap();
        let kept = i128::from(Workload::remote_bytes(&plan));
        assert!(kept > 0);
        assert_eq!(
            i128::from(line("tiered storage").quantity.units()),
            div_half_up(kept * 1000, GB)
        );
        assert_eq!(line("Retrieval").quantity.units(), 7_300_000);
        assert_eq!(line("Retrieval").amount_usd.to_string(), "13.14");
    }

    #[test]
    fn the_csv_adds_up() {
        let report = of_cluster(&testing::plan());
        let mut bytes = Vec::new();
        report.write_csv(&mut bytes).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), report.lines.len() + 1);
        let last = rows.last().unwrap();
        assert_eq!((&last[0], &last[4]), ("Total", report.total_usd.to_string().as_str()));
    }
}
