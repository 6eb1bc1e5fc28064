//! What is simulated of remote storage: `remote.toml`. Only plans with a topic that has remote storage
//! have it, so that other plans, and what they are compared by, do not change with it.

use super::configs::KeySet;
use super::provenance::{Provenance, read};
use crate::digest::sha256_hex;
use crate::plan::{Constant, Quantiles};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// `remote.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remote {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "shown to readers of the file; tests check it")
    )]
    date: String,
    constants: BTreeMap<String, Constant>,
    request: Request,
    server: KeySet,
}

#[derive(Debug, Deserialize)]
struct Request {
    points: Vec<(u32, u64)>,
    #[serde(flatten)]
    provenance: Provenance,
}

fn file() -> &'static Remote {
    static FILE: OnceLock<Remote> = OnceLock::new();
    FILE.get_or_init(|| read("remote.toml", include_str!("../../catalogue/remote.toml")))
}

/// Constants of remote storage, all of which a scenario can set.
pub(crate) fn constants() -> &'static BTreeMap<String, Constant> {
    &file().constants
}

/// Broker configs that only brokers with remote storage have.
pub(crate) fn server_keys() -> &'static KeySet {
    &file().server
}

/// Time to the first byte of an answer.
pub(crate) fn latency() -> Quantiles {
    let Request { points, provenance } = &file().request;
    Quantiles {
        points: points.clone(),
        source: provenance.source.clone(),
        confidence: provenance.confidence.clone(),
    }
}

/// The digest of a plan's catalogue, with what remote storage adds to it.
pub(crate) fn digest(base: &str) -> String {
    let mut text = String::new();
    for (name, constant) in constants() {
        text.push_str(&format!("{name}={};", constant.value));
    }
    text.push_str(&format!("{:?}", file().request.points));
    for (name, spec) in &server_keys().keys {
        text.push_str(&format!("{name}={:?};", spec.default));
    }
    format!("{base}+remote:{}", sha256_hex(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_sourced_and_named_by_its_unit() {
        let file = file();
        for (name, constant) in &file.constants {
            let Constant { source, confidence, .. } = constant.clone();
            Provenance { source, date: file.date.clone(), confidence }.check(name);
            assert!(constant.value > 0, "{name}");
            assert_eq!(name.ends_with("_ns"), constant.unit == "ns", "{name}");
        }
        file.request.provenance.check("the latency of requests");
        let ends = (file.request.points.first(), file.request.points.last());
        assert!(matches!(ends, (Some((0, _)), Some((1_000_000, _)))));
        assert!(file.request.points.is_sorted());
    }

    #[test]
    fn defaults_satisfy_their_own_rules() {
        server_keys().provenance.check("the server keys of remote.toml");
        for (name, spec) in &server_keys().keys {
            let default = spec.default.as_deref().expect("every key has a default");
            assert_eq!(spec.refusal(default), None, "{name}");
        }
    }
}
