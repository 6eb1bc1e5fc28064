//! Checks of how many records a producer group sends at most: those of its rate or curve, and what load changes make
//! of them.

use crate::bounds::LOAD_PERMILLE_MAX;
use crate::plan::ProducerPlan;
use crate::resolve::{mean_half_bytes, milli_records};
use crate::schema::decode::{At, Errors};
use crate::schema::events::{Action, Load};
use crate::schema::scalar::{Rate, RateValue};
use crate::schema::scenario::Scenario;
use crate::schema::workload::{Arrival, Producer};
use crate::text::diagnostic::Diagnostic;

/// Thousandths of a record per second.
const MAX: u64 = ProducerPlan::MILLI_RECORDS_PER_SEC_MAX;
const MESSAGE: &str = "more records per second than can be simulated";

/// Reports a rate that is too high.
pub(super) fn check_rate(producer: &Producer, rate: &At<Rate>, errors: &mut Errors) {
    let half_bytes = mean_half_bytes(producer);
    let milli_records = milli_records(rate.value.0, producer);
    // That records have no size is said where it is written.
    if milli_records <= MAX || half_bytes == 0 {
        return;
    }
    let label = format!("{} records/s", milli_records / 1_000);
    let diagnostic = Diagnostic::new(rate.span, MESSAGE, label);
    let most = format!("at most {} records/s for each producer group", MAX / 1_000);
    errors.push(match (rate.value.0, &producer.record_size) {
        (RateValue::MilliRecords(_), _) => diagnostic.help(most),
        (RateValue::Bytes(bytes), size) => {
            let least = bytes.div_ceil(MAX / 1_000);
            let help = format!(
                "{most}: lower the rate, or let records have at least {least} B on average"
            );
            let diagnostic = diagnostic.help(help);
            match size {
                Some(size) => diagnostic.related(size.span, "in records of this size"),
                None => diagnostic,
            }
        }
    });
}

/// Reports load changes that make a rate too high which is not by itself.
pub(super) fn check_loads(scenario: &Scenario, errors: &mut Errors) {
    for event in &scenario.events.items {
        let Action::Load(load) = &event.value.action else { continue };
        // More is refused whatever the rate is.
        if load.load.value.0 > u64::from(LOAD_PERMILLE_MAX) * 1_000 {
            continue;
        }
        let producers = scenario.producers.items.iter().map(|item| &item.value);
        let raised = producers.filter(|producer| is_meant(load, producer)).find_map(|producer| {
            let (rate, milli_records) = highest(producer)?;
            let raised = milli_records.checked_mul(load.load.value.0)? / 1_000_000;
            (milli_records <= MAX && raised > MAX).then_some((rate, raised))
        });
        if let Some((rate, raised)) = raised {
            let label = format!("{} records/s", raised / 1_000);
            let most = format!("at most {} records/s for each producer group", MAX / 1_000);
            errors.push(
                Diagnostic::new(load.load.span, MESSAGE, label)
                    .related(rate.span, "of this rate")
                    .help(format!("{most}: raise the load less, or lower the rate")),
            );
        }
    }
}

fn is_meant(load: &Load, producer: &Producer) -> bool {
    load.producer.as_ref().is_none_or(|name| name.value == producer.name.value)
}

/// The highest rate of a group, thousandths of a record per second; none in a closed loop, which has no rate.
fn highest(producer: &Producer) -> Option<(&At<Rate>, u64)> {
    if matches!(producer.arrival.as_ref().map(|arrival| &arrival.value), Some(Arrival::Closed(_))) {
        return None;
    }
    let points = producer.curve.iter().flat_map(|curve| &curve.value.items);
    let rates = producer.rate.iter().chain(points.map(|point| &point.value.rate));
    rates
        .map(|rate| (rate, milli_records(rate.value.0, producer)))
        .max_by_key(|(_, milli_records)| *milli_records)
}

#[cfg(test)]
mod tests {
    use crate::text::diagnostic::DiagnosticRecord;
    use crate::{Source, load};

    /// What is wrong with `steady` after some changes.
    fn records(sets: &[(&str, &str)]) -> Vec<DiagnosticRecord> {
        let pair = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
        let sets: Vec<_> = sets.iter().map(pair).collect();
        let loaded = load(&Source::library("steady").unwrap(), &sets, 1);
        loaded.err().map(|error| error.records()).unwrap_or_default()
    }

    fn is_sound(sets: &[(&str, &str)]) -> bool {
        records(sets).is_empty()
    }

    /// The only message, and what to do about it.
    fn refusal(sets: &[(&str, &str)]) -> (String, String) {
        let records = records(sets);
        let [record] = records.as_slice() else { panic!("one message: {records:?}") };
        (record.message.clone(), record.help.clone().unwrap_or_default())
    }

    #[test]
    fn a_rate_of_bytes_is_refused_where_its_records_are_too_many() {
        let (message, help) = refusal(&[("producers.0.record_size", "1 B")]);
        assert!(message.contains("more records per second"), "{message}");
        assert!(help.contains("at most 10000000 records/s"), "{help}");
        assert!(help.contains("at least 2 B on average"), "{help}");
        assert!(is_sound(&[("producers.0.record_size", "2 B")]));
        // The mean size counts, as in the plan.
        let sizes = r#"{ min = "1 B", max = "3 B" }"#;
        assert!(is_sound(&[("producers.0.record_size", sizes)]));
    }

    #[test]
    fn the_limit_is_that_of_simulations() {
        assert!(is_sound(&[("producers.0.rate", "10000000 records/s")]));
        let (_, help) = refusal(&[("producers.0.rate", "10000000.001 records/s")]);
        assert_eq!(help, "at most 10000000 records/s for each producer group");
    }

    #[test]
    fn a_load_change_is_refused_where_it_raises_a_rate_too_far() {
        let event = r#"[{ at = "1s", for = "1s", load = "300%", producer = "checkout" }]"#;
        let sets = |rate| [("producers.0.rate", rate), ("events", event)];
        assert!(is_sound(&sets("3333333 records/s")));
        let (message, help) = refusal(&sets("3333334 records/s"));
        assert!(message.contains("more records per second"), "{message}");
        assert!(help.contains("raise the load less"), "{help}");
        // What is too high by itself is said once.
        assert_eq!(records(&sets("20000000 records/s")).len(), 1);
    }
}
