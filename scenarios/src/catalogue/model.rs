//! Model constants and latency distributions: `model.toml`, `latency.toml`.

use super::provenance::{Provenance, read};
use crate::plan::{Constant, Quantiles};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// `model.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// Name of the CPU cost profile.
    pub(crate) cpu_profile: String,
    /// Version of this set.
    pub(crate) version: String,
    /// Date of every constant.
    pub(crate) date: String,
    /// Constants by name.
    pub(crate) constants: BTreeMap<String, Constant>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct QuantilesRow {
    points: Vec<(u32, u64)>,
    #[serde(flatten)]
    provenance: Provenance,
}

/// The constants.
pub(crate) fn model() -> &'static Model {
    static FILE: OnceLock<Model> = OnceLock::new();
    FILE.get_or_init(|| read("model.toml", include_str!("../../catalogue/model.toml")))
}

/// All latency tables by name.
pub(crate) fn latencies() -> &'static BTreeMap<String, QuantilesRow> {
    static FILE: OnceLock<BTreeMap<String, QuantilesRow>> = OnceLock::new();
    FILE.get_or_init(|| read("latency.toml", include_str!("../../catalogue/latency.toml")))
}

/// A latency distribution.
///
/// # Panics
/// If `latency.toml` has no such table: callers name tables that a test looks up.
pub(crate) fn latency(name: &str) -> Quantiles {
    let row = latencies().get(name);
    let row = row.unwrap_or_else(|| panic!("latency.toml has the table `{name}`"));
    Quantiles {
        points: row.points.clone(),
        source: row.provenance.source.clone(),
        confidence: row.provenance.confidence.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_sourced_and_named_by_its_unit() {
        let model = model();
        for (name, constant) in &model.constants {
            let Constant { source, confidence, .. } = constant.clone();
            Provenance { source, date: model.date.clone(), confidence }.check(name);
            assert!(constant.value >= 0, "{name}");
            let in_ns = name.ends_with("_ns") || name.contains("_ns_per_");
            assert_eq!(in_ns, constant.unit.starts_with("ns"), "{name}");
        }
        assert!(model.constants.len() >= 40);
    }

    #[test]
    fn distributions_rise_from_nought_to_one_million() {
        for (name, row) in latencies() {
            row.provenance.check(name);
            assert_eq!(row.points.first().map(|point| point.0), Some(0), "{name}");
            assert_eq!(row.points.last().map(|point| point.0), Some(1_000_000), "{name}");
            for pair in row.points.windows(2) {
                assert!(pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1, "{name}: {pair:?}");
            }
        }
    }
}
