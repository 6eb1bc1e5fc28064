//! `stormglass cost`: a month's bill, line by line.
//!
//! Of a scenario or a plan: the cluster alone. Of a run's directory: the traffic that was measured
//! as well, from its result.json.

use super::cost_cluster;
use super::cost_elsewhere::{self, Elsewhere};
use super::load::{plan_file, plan_of, result_file};
use super::price_file;
use crate::args::{Bill, CostSubject, Target};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, columns};
use std::path::Path;
use stormglass_reports::cost::{CostOptions, CostReport, of_cluster_with, of_run_with};
use stormglass_reports::recording::TransferTotals;
use stormglass_scenarios::plan::Plan;
use stormglass_scenarios::{ec2_price, library, list_price, msk_price, service_meters};

/// Words with which the bill names measured flows.
const FLOWS: [&str; 6] = [
    "Producers to brokers",
    "Brokers to consumers",
    "Replication between brokers",
    "Data in",
    "Data out",
    "Retrieval from MSK tiered storage",
];
const NS_PER_HOUR: u64 = 3_600_000_000_000;
/// Bytes in a thousandth of a GB, which is what a bill's quantities count.
const BYTES_PER_MILLI_GB: u64 = 1_000_000;

/// Prints the bill.
pub(super) fn cost(bill: &Bill, output: Output) -> Result<Exit, Failure> {
    let mut options = bill.options.clone();
    if let Some(path) = &bill.prices {
        options.prices.extend(price_file::read_file(path)?);
    }
    let options = &options;
    if let CostSubject::Workload(workload, replicas) = &bill.subject {
        known_meters(options)?;
        return show(
            &cost_elsewhere::of_workload(workload.clone(), *replicas, options),
            "",
            output,
        );
    }
    let report = own(bill, options)?;
    if bill.alternatives {
        let text = table(&report) + "\n";
        let found = cost_elsewhere::of_plan(&planned(&bill.subject)?, report, options);
        return show(&found, &text, output);
    }
    if output.is_json() { output.json(&report) } else { output.text(&table(&report)) }?;
    Ok(Exit::Ok)
}

fn show(found: &Elsewhere, bill: &str, output: Output) -> Result<Exit, Failure> {
    if output.is_json() {
        output.json(found)?;
    } else {
        output.text(&format!("{bill}{}", cost_elsewhere::text(found)))?;
    }
    Ok(Exit::Ok)
}

/// The plan behind what is priced.
fn planned(subject: &CostSubject) -> Result<Plan, Failure> {
    match subject {
        CostSubject::Plan(path) => Ok(plan_file(path)?.0),
        CostSubject::Scenario { target, sets } => match directory(target) {
            Some(dir) => Ok(plan_file(dir)?.0),
            None => plan_of(target, sets, 1),
        },
        CostSubject::Cluster(_) | CostSubject::Workload(..) => {
            Err(Failure::internal("what has no load has no alternatives"))
        }
    }
}

/// The cluster's own bill.
fn own(bill: &Bill, options: &CostOptions) -> Result<CostReport, Failure> {
    Ok(match &bill.subject {
        CostSubject::Plan(path) => of_plan(&plan_file(path)?.0, options)?,
        CostSubject::Cluster(flags) => {
            let plan = cost_cluster::plan(flags, options)?;
            check_meters(&plan, options)?;
            cost_cluster::bill(flags, &plan, options)
        }
        CostSubject::Scenario { target, sets } => match directory(target) {
            Some(dir) if !sets.is_empty() => {
                let message = format!("{} is a finished run: --set comes too late", dir.display());
                return Err(Failure::usage(message).help("price the scenario instead"));
            }
            Some(dir) => of_directory(dir, options)?,
            None => of_plan(&plan_of(target, sets, 1)?, options)?,
        },
        CostSubject::Workload(..) => return Err(Failure::internal("a workload is no cluster")),
    })
}

/// The run's directory that a text names, unless the library has a scenario of that name.
fn directory(target: &Target) -> Option<&Path> {
    let path = match target {
        Target::File(path) => path.as_path(),
        Target::Library(name) if library().iter().any(|entry| entry.name == name) => return None,
        Target::Library(name) => Path::new(name),
    };
    path.is_dir().then_some(path)
}

fn of_plan(plan: &Plan, options: &CostOptions) -> Result<CostReport, Failure> {
    check_meters(plan, options)?;
    Ok(of_cluster_with(plan, options))
}

/// The bill of a run; at other prices or for another month, from the quantities of its own bill.
fn of_directory(dir: &Path, options: &CostOptions) -> Result<CostReport, Failure> {
    let recorded = result_file(dir)?.cost;
    if *options == CostOptions::default() {
        return Ok(recorded);
    }
    let (plan, _) = plan_file(dir)?;
    check_meters(&plan, options)?;
    Ok(of_run_with(&plan, &transfer(&recorded), options))
}

/// A month's traffic, read back from its bill to a thousandth of a GB.
fn transfer(report: &CostReport) -> TransferTotals {
    let [produce, consume, replication, data_in, data_out, retrieval] = FLOWS.map(|flow| {
        let line = report.lines.iter().find(|line| line.item.starts_with(flow));
        let milli_gb = line.map_or(0, |line| line.quantity.units());
        u64::try_from(milli_gb).unwrap_or(0).saturating_mul(BYTES_PER_MILLI_GB)
    });
    TransferTotals {
        measured_ns: u64::from(report.month_hours) * NS_PER_HOUR,
        in_bytes: data_in,
        out_bytes: data_out,
        produce_cross_az_bytes: produce,
        consume_cross_az_bytes: consume,
        replication_cross_az_bytes: replication,
        remote_fetched_bytes: retrieval,
    }
}

/// A price for a meter that this cluster does not have would silently change nothing.
fn check_meters(plan: &Plan, options: &CostOptions) -> Result<(), Failure> {
    let known = |meter: &str| {
        let general = meter.split(':').next().unwrap_or(meter);
        plan.prices.iter().any(|price| price.meter == meter || price.meter == general)
            || list_price(meter).is_some()
    };
    let Some(unknown) = options.prices.iter().find(|price| !known(&price.meter)) else {
        return Ok(());
    };
    let meters: Vec<&str> = plan.prices.iter().map(|price| price.meter.as_str()).collect();
    Err(Failure::usage(format!("this cluster has no meter `{}`", unknown.meter))
        .help(format!("it has {}", meters.join(", "))))
}

/// Meters of a workload's or a plan's bills: those of the catalogue. One that nothing has would silently
/// change nothing.
pub(super) fn known_meters(options: &CostOptions) -> Result<(), Failure> {
    let is_known = |meter: &str| {
        list_price(meter).is_some()
            || match meter.split_once(':').unwrap_or((meter, "")) {
                ("broker-hour" | "ec2-hour" | "controller-ec2-hour", "") => true,
                ("broker-hour", instance) => msk_price(instance).is_some(),
                ("ec2-hour" | "controller-ec2-hour", instance) => ec2_price(instance).is_some(),
                _ => false,
            }
    };
    let unknown = options.prices.iter().find(|price| !is_known(&price.meter));
    unknown.map_or(Ok(()), |price| {
        Err(Failure::usage(format!("no bill has the meter `{}`", price.meter))
            .help(format!("services have {}", service_meters().join(", "))))
    })
}

fn table(report: &CostReport) -> String {
    let titles = ["item", "quantity", "unit", "unit price", "USD", "source"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let mut sources: Vec<String> = Vec::new();
    rows.extend(report.lines.iter().map(|line| {
        let date = if line.date.is_empty() { String::new() } else { format!(" ({})", line.date) };
        let source = format!("{}{date}", line.source);
        let known = sources.iter().position(|one| *one == source);
        let index = known.unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        let quantity = line.quantity.to_string();
        vec![
            line.item.clone(),
            quantity.strip_suffix(".000").unwrap_or(&quantity).to_owned(),
            line.unit.clone(),
            short_price(&line.unit_price_usd.to_string()),
            line.amount_usd.to_string(),
            format!("[{}]", index + 1),
        ]
    }));
    let total = format!("Total for a month of {} hours", report.month_hours);
    let none = String::new();
    rows.push(vec![total, none.clone(), none.clone(), none, report.total_usd.to_string()]);
    let mut text = columns(&rows, &[false, true, false, true, true, false]);
    text.push('\n');
    for (number, source) in (1..).zip(&sources) {
        text.push_str(&format!("[{number}] {source}\n"));
    }
    for note in &report.notes {
        text.push_str(&format!("- {note}\n"));
    }
    text
}

/// A price without the zeros that say nothing, but at least cents.
fn short_price(text: &str) -> String {
    let cents = text.find('.').map_or(text.len(), |point| point + 3);
    let (kept, rest) = text.split_at(cents.min(text.len()));
    format!("{kept}{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_reports::cost::{Month, PriceOverride, of_run};
    use stormglass_scenarios::{Source, load};

    fn plan() -> Plan {
        load(&Source::library("steady").unwrap(), &[], 1).unwrap()
    }

    #[test]
    fn a_bills_quantities_give_the_same_bill_again() {
        let plan = plan();
        let measured = TransferTotals {
            measured_ns: 120_000_000_000,
            produce_cross_az_bytes: 1_234_567_890,
            consume_cross_az_bytes: 987_654_321,
            replication_cross_az_bytes: 5_000_000_000,
            ..TransferTotals::default()
        };
        let bill = of_run(&plan, &measured);
        assert_eq!(of_run(&plan, &transfer(&bill)).lines, bill.lines);
        let options = CostOptions { month: Month::ThirtyDays, prices: Vec::new() };
        let shorter = of_run_with(&plan, &transfer(&bill), &options);
        assert!(shorter.total_usd < bill.total_usd);
    }

    #[test]
    fn a_price_for_an_unknown_meter_is_refused() {
        let price = |meter: &str| CostOptions {
            month: Month::Average,
            prices: vec![PriceOverride::typed(meter, 1)],
        };
        assert!(check_meters(&plan(), &price("broker-hour")).is_ok());
        assert!(check_meters(&plan(), &price("broker-hour:kafka.m7g.large")).is_ok());
        assert!(check_meters(&plan(), &price("broker-hours")).is_err());
    }

    #[test]
    fn prices_keep_their_cents() {
        assert_eq!(short_price("0.204000000"), "0.204");
        assert_eq!(short_price("0.100000000"), "0.10");
        assert_eq!(short_price("12.000000001"), "12.000000001");
    }
}
