//! A bill of a service that is written line by line from meters of the catalogue.

use super::types::{CostLine, CostOptions, CostReport};
use crate::result::{Cents, Decimal, Milli, div_half_up};
use stormglass_scenarios::list_price;
use stormglass_scenarios::plan::Price;

const GB: i128 = 1_000_000_000;

/// A bill under way.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    options: &'a CostOptions,
    lines: Vec<CostLine>,
    missing: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Sheet<'a> {
    pub(super) const fn new(options: &'a CostOptions) -> Self {
        Self { options, lines: Vec::new(), missing: Vec::new(), notes: Vec::new() }
    }

    pub(super) const fn hours(&self) -> i128 {
        self.options.month.hours() as i128
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A part of the bill whose price nobody knows.
    pub(super) fn unknown(&mut self, what: &str) {
        self.missing.push(what.to_owned());
    }

    /// Units for the whole month.
    pub(super) fn hourly(&mut self, item: &str, meter: &str, count: u64) {
        self.meter(item, meter, i128::from(count) * self.hours() * 1000);
    }

    /// A month of a rate in bytes per second, in GB.
    pub(super) fn flow(&mut self, item: &str, meter: &str, bytes_per_sec: u64) {
        let milli = self.month(bytes_per_sec) * 1000;
        self.meter(item, meter, div_half_up(milli, GB));
    }

    /// Bytes that are kept all month, in GB.
    pub(super) fn kept(&mut self, item: &str, meter: &str, bytes: u64) {
        self.meter(item, meter, div_half_up(i128::from(bytes) * 1000, GB));
    }

    /// A rate per second over the month.
    pub(super) fn month(&self, per_sec: u64) -> i128 {
        i128::from(per_sec) * self.hours() * 3600
    }

    /// A line of thousandths of a unit; nothing when there is nothing to bill.
    pub(super) fn meter(&mut self, item: &str, meter: &str, quantity_milli: i128) {
        match list_price(meter) {
            Some(price) => self.line(item, quantity_milli, price),
            None => self.unknown(item),
        }
    }

    /// A line at this price, unless it is overridden.
    pub(super) fn line(&mut self, item: &str, quantity_milli: i128, mut price: Price) {
        if quantity_milli <= 0 {
            return;
        }
        let general = price.meter.split(':').next().unwrap_or_default();
        let mut all = self.options.prices.iter();
        if let Some(given) = all.find(|one| one.meter == price.meter || one.meter == general) {
            price.nano_usd = given.nano_usd;
            given.source.clone_into(&mut price.source);
            given.date.clone_into(&mut price.date);
            given.confidence.clone_into(&mut price.confidence);
        }
        let nano = div_half_up(quantity_milli * i128::from(price.nano_usd), 1000);
        let saturated = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
        self.lines.push(CostLine {
            item: item.to_owned(),
            quantity: Milli::from_units(saturated(quantity_milli)),
            unit: price.unit.strip_prefix("USD per ").unwrap_or(&price.unit).to_owned(),
            unit_price_usd: Decimal::from_units(price.nano_usd),
            amount_usd: Cents::from_units(saturated(div_half_up(nano, 10_000_000))),
            source: price.source,
            date: price.date,
            confidence: price.confidence,
        });
    }

    pub(super) fn finish(mut self) -> CostReport {
        for missing in &self.missing {
            self.notes.push(format!("No price is known for {missing}: the total is without it."));
        }
        let total =
            self.lines.iter().map(|line| line.amount_usd.units()).fold(0, i64::saturating_add);
        CostReport {
            month_hours: self.options.month.hours(),
            lines: self.lines,
            total_usd: Cents::from_units(total),
            complete: self.missing.is_empty(),
            notes: self.notes,
        }
    }
}
