//! When Kafka is the wrong tool: plain rules, each with the figures that it rests on.

use super::alternatives::Alternative;
use super::workload::Workload;
use crate::result::Cents;

/// Records beyond this are files.
const LARGE_RECORD: u64 = 1 << 20;
/// Below this rate a cluster of three brokers does nothing most of the time, bytes per second.
const SMALL_RATE: u64 = 100_000;

/// Reasons to think again, or none.
#[must_use]
pub fn advice(workload: &Workload, own: Cents, alternatives: &[Alternative]) -> Vec<String> {
    let mut advice = Vec::new();
    let best = alternatives
        .iter()
        .filter(|one| one.fits && one.bill.complete)
        .min_by_key(|one| one.bill.total_usd);
    if let Some(best) = best.filter(|one| one.bill.total_usd.units() < own.units() / 2) {
        let known = best.notes.join("; ");
        let known = if known.is_empty() { known } else { format!(". To know: {known}") };
        advice.push(format!(
            "{} carries this load for ${}, less than half of this cluster's ${own}, as far as its \
             limits and prices are known{known}",
            best.name, best.bill.total_usd
        ));
    }
    if workload.in_peak_bytes_per_sec < SMALL_RATE {
        advice.push(format!(
            "{} B/s at peak: three brokers idle at this load; a queue or a database table, billed by \
             use, would do",
            workload.in_peak_bytes_per_sec
        ));
    }
    if workload.record_bytes_max > LARGE_RECORD {
        advice.push(format!(
            "records of {} bytes: keep them in object storage and send their names through Kafka",
            workload.record_bytes_max
        ));
    }
    if workload.groups == 0 {
        advice
            .push("nobody reads: a log that is only archived belongs in object storage".to_owned());
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{CostOptions, alternatives};

    #[test]
    fn small_loads_are_sent_elsewhere_and_large_ones_are_not() {
        let small = Workload::steady(10_000, 1, 1000, 1000);
        let all = alternatives(&small, &CostOptions::default());
        let text = advice(&small, Cents::from_units(60_000), &all).join("\n");
        assert!(text.contains("less than half") && text.contains("three brokers idle"), "{text}");
        assert!(
            text.contains("To know: Google Cloud"),
            "what is cheaper may be another thing: {text}"
        );
        let large = Workload::steady(100_000_000, 2, 1000, 1024);
        let all = alternatives(&large, &CostOptions::default());
        assert!(advice(&large, Cents::from_units(1), &all).is_empty());
        let heavy = Workload { groups: 0, record_bytes_max: 5 << 20, ..large };
        assert_eq!(advice(&heavy, Cents::from_units(1), &all).len(), 2);
    }
}
