//! The bill's types and its CSV form.

use crate::result::{Cents, Decimal, Milli};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;

/// A month's bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostReport {
    /// Hours in the month that is billed.
    pub month_hours: u32,
    /// Lines in order of brokers, storage, transfer.
    pub lines: Vec<CostLine>,
    /// Sum of the lines.
    pub total_usd: Cents,
    /// Whether every meter had a price; if not, `notes` names what is missing.
    pub complete: bool,
    /// What is counted how, and what is free.
    pub notes: Vec<String>,
}

/// One line of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostLine {
    /// What is billed.
    pub item: String,
    /// How much of it, in `unit`.
    pub quantity: Milli,
    /// Unit of the quantity.
    pub unit: String,
    /// Price of one unit, US dollars.
    pub unit_price_usd: Decimal<9>,
    /// Quantity times price, rounded half up to the cent.
    pub amount_usd: Cents,
    /// Where the price comes from.
    pub source: String,
    /// Date of the source.
    pub date: String,
    /// Confidence tag of the price.
    pub confidence: String,
}

/// Length of the month that is billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Month {
    /// 730 hours, a twelfth of a year: AWS's own habit.
    #[default]
    Average,
    /// 30 days of 24 hours.
    ThirtyDays,
}

impl Month {
    /// Hours in the month.
    #[must_use]
    pub const fn hours(self) -> u32 {
        match self {
            Self::Average => 730,
            Self::ThirtyDays => 720,
        }
    }
}

/// A price that replaces the catalogue's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceOverride {
    /// The meter, such as `broker-hour`.
    pub meter: String,
    /// US dollars in billionths per unit of the meter.
    pub nano_usd: i64,
    /// Where it is from.
    pub source: String,
    /// Date of the source; empty if there is none.
    pub date: String,
    /// Confidence tag, as in the catalogue.
    pub confidence: String,
}

impl PriceOverride {
    /// A price of the command line.
    #[must_use]
    pub fn typed(meter: &str, nano_usd: i64) -> Self {
        Self {
            meter: meter.to_owned(),
            nano_usd,
            source: "given on the command line".to_owned(),
            date: String::new(),
            confidence: "U".to_owned(),
        }
    }
}

/// How to bill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CostOptions {
    /// Length of the month.
    pub month: Month,
    /// Prices that replace the catalogue's.
    pub prices: Vec<PriceOverride>,
}

impl CostReport {
    /// Writes the bill as CSV: a header, the lines, and the total.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_csv<W: io::Write>(&self, out: W) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record([
            "item",
            "quantity",
            "unit",
            "unit_price_usd",
            "amount_usd",
            "source",
            "date",
            "confidence",
        ])?;
        for line in &self.lines {
            csv.write_record([
                &line.item,
                &line.quantity.to_string(),
                &line.unit,
                &line.unit_price_usd.to_string(),
                &line.amount_usd.to_string(),
                &line.source,
                &line.date,
                &line.confidence,
            ])?;
        }
        let total = self.total_usd.to_string();
        csv.write_record(["Total", "", "", "", &total, "", "", ""])?;
        csv.flush()
    }
}
