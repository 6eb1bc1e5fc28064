//! `cargo xtask conformance --differential`: the same requests to `stormglass serve` and to an Apache
//! Kafka, each in every version that both serve, and the answers compared field by field. What may
//! differ is in `accepted`, with its reason; everything else is an error. Writes docs/differential.md.

mod accepted;
mod cases;
mod page;
pub(crate) mod peer;
mod script;
mod tree;

use super::apache::Apache;
use super::cluster::{self, Cluster};
use crate::ci::root;
use accepted::{ACCEPTED, Accepted};
use peer::Peer;
use script::Script;
use std::fs;

/// Compares and writes the page. Builds the binary unless one is named.
///
/// # Errors
/// One of the brokers cannot be started or asked, or they differ where they must not.
pub(crate) fn differential(binary: Option<&str>) -> Result<(), String> {
    let binary = binary.map_or_else(cluster::build, |path| Ok(path.into()))?;
    let cluster = Cluster::start(&binary, 1)?;
    let apache = Apache::start(None, &[])?;
    let mut script =
        Script::new(Peer::connect(&cluster.bootstrap)?, Peer::connect(&apache.bootstrap)?);
    cases::all(&mut script)?;
    cluster.stop()?;
    let page = page::page(&script);
    fs::write(root().join("docs/differential.md"), &page)
        .map_err(|error| format!("cannot write docs/differential.md: {error}"))?;
    print!("{page}");
    judge(&script)
}

fn judge(script: &Script) -> Result<(), String> {
    let unknown = script.found.keys().filter(|found| accepted(found).is_none()).count();
    let unused = ACCEPTED.iter().find(|entry| !script.found.keys().any(|it| entry.covers(it)));
    match (unknown, unused) {
        (0, None) => Ok(()),
        (0, Some(entry)) => {
            Err(format!("no longer a difference: {} {}", entry.question, entry.field))
        }
        _ => Err(format!("{unknown} fields differ that must not; see docs/differential.md")),
    }
}

/// Why a difference is none to mind.
fn accepted(found: &script::Difference) -> Option<&'static Accepted> {
    ACCEPTED.iter().find(|entry| entry.covers(found))
}
