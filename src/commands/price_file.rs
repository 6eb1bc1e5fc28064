//! Prices of a file: TOML in the shape of the catalogue's own.
//!
//! ```toml
//! [[prices]]
//! meter = "broker-hour:kafka.m7g.large"
//! usd = "0.18"
//! source = "our contract"
//! date = "2026-10-01"
//! ```

use super::load::read;
use crate::exit::Exit;
use crate::failure::Failure;
use std::path::Path;
use stormglass_reports::cost::PriceOverride;
use stormglass_scenarios::read_prices;

/// The file's prices, in its order.
pub(super) fn read_file(path: &Path) -> Result<Vec<PriceOverride>, Failure> {
    let bytes = read(path)?;
    let refused = |message: String| {
        Failure::new(Exit::InvalidScenario, format!("{}{message}", path.display()))
            .help("[[prices]] with meter and usd in quotes, and if known source, date, confidence")
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| refused(": not a text file".to_owned()))?;
    let prices = read_prices(text).map_err(refused)?;
    let own = format!("{}, without a source", path.display());
    let of = |price: stormglass_scenarios::plan::Price| PriceOverride {
        source: if price.source.is_empty() { own.clone() } else { price.source },
        meter: price.meter,
        nano_usd: price.nano_usd,
        date: price.date,
        confidence: price.confidence,
    };
    Ok(prices.into_iter().map(of).collect())
}
