//! Prices: `prices.toml`, and the hours of instances.

use super::provenance::{Provenance, read};
use crate::plan::Price;
use crate::units::scaled_decimal;
use serde::Deserialize;
use std::sync::OnceLock;

/// `prices.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    /// Regions whose prices these are.
    pub(crate) regions: Vec<String>,
    prices: Vec<PriceRow>,
}

#[derive(Debug, Deserialize)]
struct PriceRow {
    meter: String,
    usd: String,
    unit: String,
    #[serde(flatten)]
    provenance: Provenance,
}

/// The price list.
pub(crate) fn prices() -> &'static Prices {
    static FILE: OnceLock<Prices> = OnceLock::new();
    FILE.get_or_init(|| read("prices.toml", include_str!("../../catalogue/prices.toml")))
}

impl Prices {
    /// The price of a meter of this file.
    ///
    /// # Panics
    /// If the file has no such meter: callers name meters that a test looks up.
    pub(crate) fn meter(&self, meter: &str) -> Price {
        let row = self.prices.iter().find(|row| row.meter == meter);
        let row = row.unwrap_or_else(|| panic!("prices.toml has the meter `{meter}`"));
        price(meter, &row.usd, &row.unit, &row.provenance)
    }
}

/// A price from decimal dollars.
pub(crate) fn price(meter: &str, usd: &str, unit: &str, provenance: &Provenance) -> Price {
    let nano_usd = scaled_decimal(usd, 1_000_000_000).and_then(|nano| i64::try_from(nano).ok());
    Price {
        meter: meter.to_owned(),
        nano_usd: nano_usd.expect("prices in the catalogue are decimals that a test reads"),
        unit: unit.to_owned(),
        source: provenance.source.clone(),
        date: provenance.date.clone(),
        confidence: provenance.confidence.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::hardware;

    #[test]
    fn every_price_is_a_sourced_decimal() {
        for row in &prices().prices {
            row.provenance.check(&row.meter);
            let price = prices().meter(&row.meter);
            assert!(price.nano_usd >= 0 && price.unit.starts_with("USD per"), "{price:?}");
        }
        assert_eq!(prices().meter("s3-get-request").nano_usd, 400);
        for row in &hardware::msk().instances {
            let price = price("x", &row.usd_per_hour, "x", &hardware::msk().provenance.price);
            assert!(price.nano_usd > 0);
        }
    }
}
