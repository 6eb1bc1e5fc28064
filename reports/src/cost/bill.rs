//! Meters of a cluster and of its traffic, and how quantities become amounts.

use super::types::{CostLine, CostOptions, CostReport};
use crate::recording::TransferTotals;
use crate::result::{Cents, Decimal, Milli, div_half_up};
use std::collections::BTreeMap;
use stormglass_scenarios::plan::{ClusterKind, Plan, Price};

const GIB: i128 = 1 << 30;
const MIB: i128 = 1 << 20;
const GB: i128 = 1_000_000_000;
const NANOS_PER_HOUR: i128 = 3_600_000_000_000;

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
    bill.traffic(transfer);
    bill.finish()
}

/// A bill that is being written.
struct Bill<'a> {
    plan: &'a Plan,
    options: &'a CostOptions,
    lines: Vec<CostLine>,
    missing: Vec<String>,
    notes: Vec<String>,
}

/// What is billed on one line; the quantity is in thousandths of `unit`.
struct Item<'a> {
    meters: &'a [String],
    item: String,
    quantity_milli: i128,
    unit: &'a str,
}

impl<'a> Bill<'a> {
    fn new(plan: &'a Plan, options: &'a CostOptions) -> Self {
        Self { plan, options, lines: Vec::new(), missing: Vec::new(), notes: Vec::new() }
    }

    fn is_msk(&self) -> bool {
        self.plan.cluster.kind == ClusterKind::MskStandard
    }

    /// Brokers by instance type. MSK bills no controllers; self-managed hosts are EC2 instances.
    fn hosts(&mut self) {
        let (meter, noun) =
            if self.is_msk() { ("broker-hour", "broker") } else { ("ec2-hour", "instance") };
        let mut counts: BTreeMap<&str, i128> = BTreeMap::new();
        for node in &self.plan.cluster.brokers {
            *counts.entry(&node.host.instance).or_default() += 1;
        }
        if self.is_msk() {
            self.notes.push("MSK does not bill KRaft controllers.".to_owned());
        } else {
            for node in &self.plan.cluster.controllers {
                *counts.entry(&node.host.instance).or_default() += 1;
            }
        }
        let hours = i128::from(self.options.month.hours());
        for (instance, count) in counts {
            let plural = if count == 1 { "" } else { "s" };
            self.add(Item {
                meters: &[format!("{meter}:{instance}"), meter.to_owned()],
                item: format!("{count} {noun}{plural} {instance} for {hours} h"),
                quantity_milli: count * hours * 1000,
                unit: &format!("{noun}-hour"),
            });
        }
    }

    fn storage(&mut self) {
        let mut by_kind: BTreeMap<&str, i128> = BTreeMap::new();
        let mut provisioned: i128 = 0;
        for node in &self.plan.cluster.brokers {
            for volume in &node.host.volumes {
                *by_kind.entry(&volume.kind).or_default() += i128::from(volume.size_bytes);
                if volume.kind == "provisioned" {
                    provisioned += i128::from(volume.throughput.baseline_per_sec);
                }
            }
        }
        by_kind.remove("nvme");
        if self.is_msk() {
            let bytes: i128 = by_kind.values().sum();
            self.add_storage("storage-gb-month", "MSK storage", bytes);
        } else {
            for (kind, bytes) in by_kind {
                let meter = format!("ebs-{kind}-gb-month");
                self.add_storage(&meter, &format!("EBS {kind} storage"), bytes);
            }
        }
        if provisioned > 0 {
            self.add(Item {
                meters: &["provisioned-throughput-mbps-month".to_owned()],
                item: "Provisioned storage throughput".to_owned(),
                quantity_milli: div_half_up(provisioned * 1000, MIB),
                unit: "MiB/s-month",
            });
        }
        self.notes.push(
            "A GiB of volume counts as one GB-month, as AWS meters it; the whole volume is billed, \
             not only what the logs fill."
                .to_owned(),
        );
    }

    fn add_storage(&mut self, meter: &str, item: &str, bytes: i128) {
        if bytes > 0 {
            self.add(Item {
                meters: &[meter.to_owned()],
                item: item.to_owned(),
                quantity_milli: div_half_up(bytes * 1000, GIB),
                unit: "GB-month",
            });
        }
    }

    /// Measured cross-AZ bytes, scaled to a month. Each GB that crosses is metered twice: out of
    /// one AZ and into the other.
    fn traffic(&mut self, transfer: &TransferTotals) {
        if transfer.measured_ns == 0 {
            self.notes.push("No traffic was measured, so none is billed.".to_owned());
            return;
        }
        let mut flows = vec![
            ("Producers to brokers", transfer.produce_cross_az_bytes),
            ("Brokers to consumers", transfer.consume_cross_az_bytes),
        ];
        if self.is_msk() {
            self.notes.push("MSK does not bill traffic between its brokers.".to_owned());
        } else {
            flows.push(("Replication between brokers", transfer.replication_cross_az_bytes));
        }
        let month_ns = i128::from(self.options.month.hours()) * NANOS_PER_HOUR;
        for (name, bytes) in flows {
            if bytes == 0 {
                continue;
            }
            let denominator = i128::from(transfer.measured_ns) * GB;
            let crossing_milli = div_half_up(i128::from(bytes) * month_ns * 1000, denominator);
            self.add(Item {
                meters: &["cross-az-gb".to_owned()],
                item: format!("{name} across AZs, out of one and into the other"),
                quantity_milli: crossing_milli * 2,
                unit: "GB",
            });
        }
        self.notes.push(format!(
            "Cross-AZ traffic is the mean of {} measured seconds, faults included, carried on for \
             a month; 1 GB = 10^9 bytes.",
            Milli::seconds_from_ns(transfer.measured_ns)
        ));
    }

    fn add(&mut self, item: Item<'_>) {
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
                source: "given on the command line".to_owned(),
                date: String::new(),
                confidence: "U".to_owned(),
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
                PriceOverride { meter: "broker-hour".into(), nano_usd: 50_000_000 },
                PriceOverride { meter: "storage-gb-month".into(), nano_usd: 100_000_000 },
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
        };
        let without = of_cluster(&plan).total_usd.units();
        let report = of_run(&plan, &transfer);
        assert_eq!(report.total_usd.units() - without, 730 * 2, "replication is free on MSK");
    }

    #[test]
    fn self_managed_pays_for_controllers_and_replication() {
        let mut plan = testing::plan();
        plan.cluster.kind = ClusterKind::SelfManaged;
        let template = plan.prices[0].clone();
        plan.prices.push(Price {
            meter: "ec2-hour".into(),
            nano_usd: 100_000_000,
            ..template.clone()
        });
        plan.prices.push(Price {
            meter: "ebs-gp3-gb-month".into(),
            nano_usd: 80_000_000,
            ..template
        });
        let transfer = TransferTotals {
            measured_ns: 3_600_000_000_000,
            replication_cross_az_bytes: 1_000_000_000,
            ..TransferTotals::default()
        };
        let report = of_run(&plan, &transfer);
        assert!(report.complete, "{:?}", report.notes);
        let hosts: i64 = report
            .lines
            .iter()
            .filter(|line| line.unit == "instance-hour")
            .map(|line| line.quantity.units())
            .sum();
        let nodes = plan.cluster.brokers.len() + plan.cluster.controllers.len();
        assert_eq!(hosts, i64::try_from(nodes).unwrap() * 730_000);
        let replication = report.lines.last().unwrap();
        assert_eq!(replication.amount_usd.units(), 730 * 2);
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
