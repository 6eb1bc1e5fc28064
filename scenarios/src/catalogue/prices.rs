//! Prices: `prices.toml`, and the hours of instances.

use super::provenance::{Provenance, read};
use crate::plan::Price;
use crate::units::scaled_decimal;
use serde::Deserialize;
use std::collections::BTreeSet;
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
        self.find(meter).unwrap_or_else(|| panic!("prices.toml has the meter `{meter}`"))
    }

    /// The price of a meter, if this file has it.
    pub(crate) fn find(&self, meter: &str) -> Option<Price> {
        let row = self.prices.iter().find(|row| row.meter == meter)?;
        Some(price(meter, &row.usd, &row.unit, &row.provenance))
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

/// A price file of a user: the catalogue's shape, with less that must be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPrices {
    prices: Vec<OwnPrice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPrice {
    meter: String,
    usd: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    date: String,
    #[serde(default)]
    confidence: String,
}

/// Prices of a user's file.
///
/// # Errors
/// What is wrong, after `:LINE: ` where the line is known.
pub fn read_prices(text: &str) -> Result<Vec<Price>, String> {
    let file: OwnPrices = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().lines().count().max(1);
        format!(":{line}: {}", error.message())
    })?;
    let price = |row: OwnPrice| {
        let nano =
            scaled_decimal(&row.usd, 1_000_000_000).and_then(|nano| i64::try_from(nano).ok());
        let nano_usd = nano.ok_or_else(|| {
            format!(": the price of `{}`, `{}`, is not an amount in US dollars", row.meter, row.usd)
        })?;
        let (meter, unit, source, date) = (row.meter, row.unit, row.source, row.date);
        let confidence = if row.confidence.is_empty() { "U".to_owned() } else { row.confidence };
        Ok(Price { meter, nano_usd, unit, source, date, confidence })
    };
    let prices = file.prices.into_iter().map(price).collect::<Result<Vec<_>, String>>()?;
    match repeated(&prices) {
        Some(meter) => Err(format!(": two prices of `{meter}`, and one of them would do nothing")),
        None => Ok(prices),
    }
}

/// A meter that stands there more than once.
fn repeated(prices: &[Price]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    prices.iter().map(|price| price.meter.as_str()).find(|meter| !seen.insert(*meter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::hardware;

    #[test]
    fn a_users_prices_need_no_more_than_meter_and_amount() {
        let text = "[[prices]]\nmeter = \"broker-hour\"\nusd = \"0.05\"\nsource = \"contract\"\n";
        let prices = read_prices(text).unwrap();
        assert_eq!((prices[0].nano_usd, prices[0].confidence.as_str()), (50_000_000, "U"));
        for (text, place) in [
            ("[[prices]]\nmeter = \"a\"\nusd = 5\n", ":3: "),
            ("[[prices]]\nmeter = \"a\"\nusd = \"x\"\n", ": the price of `a`"),
            ("[[prices]\n", ":1: "),
            ("[[prices]]\nmeter = \"a\"\nusd = \"-1\"\n", ": the price of `a`"),
            (
                "prices = [{ meter = \"a\", usd = \"1\" }, { meter = \"a\", usd = \"2\" }]",
                ": two prices of `a`",
            ),
            ("[[prices]]\nmeter = \"a\"\nusd = \"1\"\nusb = 1", ":"),
        ] {
            let error = read_prices(text).unwrap_err();
            assert!(error.starts_with(place), "{error}");
        }
    }

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
