//! docs/apis.md: what `stormglass serve` answers, against what Apache Kafka's brokers answer. Ours
//! comes from the table that the codec dispatches with, theirs from kafka-apis.csv.

use crate::ci::root;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use stormglass_wire::{APIS, Api};

const KAFKA: &str = include_str!("../conformance/kafka-apis.csv");
const PAGE: &str = "docs/apis.md";
/// Versions of Apache Kafka, older first.
const RELEASES: [&str; 2] = ["3.9.1", "4.1.1"];

const HEAD: &str = "# APIs and versions\n\n\
What `stormglass serve` answers, and what brokers of Apache Kafka 3.9 and 4.1 answer to clients. \
Written by `cargo xtask apis` from the codec's own table and from Kafka's \
(xtask/conformance/kafka-apis.csv says how it was made). Versions that are served are served in \
full; what is not served is not announced, so that clients do without it or say so. Of Produce, \
v0 to v2 are announced and refused, as in Kafka: older librdkafka compresses only where it finds \
v0 (KAFKA-18659).\n\n\
Requests between brokers are not listed, but for WriteTxnMarkers, which tools send, too: nodes of a \
Stormglass cluster have a protocol of their own.\n";

/// Oldest and newest version.
type Range = (i16, i16);

/// An API as Apache Kafka has it.
#[derive(Debug, Default)]
struct Theirs {
    name: &'static str,
    /// In the order of [`RELEASES`].
    ranges: [Option<Range>; 2],
}

/// Writes the page.
pub(crate) fn apis() -> Result<(), String> {
    fs::write(root().join(PAGE), page()?).map_err(|error| format!("cannot write {PAGE}: {error}"))
}

fn page() -> Result<String, String> {
    let all = theirs()?;
    let mut page = String::from(HEAD);
    let served = all.keys().filter(|key| Api::find(**key).is_some()).count();
    let full = all.iter().filter(|(key, api)| gap(**key, api).is_empty()).count();
    let _ = writeln!(
        page,
        "\nServed: {served} of the {} APIs that either release has, {full} of them without a gap.\n\n\
         | key | API | Stormglass | Kafka 3.9 | Kafka 4.1 | gap |\n|---|---|---|---|---|---|",
        all.len(),
    );
    for (key, api) in &all {
        let ours = Api::find(*key).map(|api| (api.min, api.max));
        let _ = writeln!(
            page,
            "| {key} | {} | {} | {} | {} | {} |",
            api.name,
            shown(ours),
            shown(api.ranges[0]),
            shown(api.ranges[1]),
            gap(*key, api),
        );
    }
    Ok(page)
}

fn theirs() -> Result<BTreeMap<i16, Theirs>, String> {
    let mut all: BTreeMap<i16, Theirs> = BTreeMap::new();
    for line in KAFKA.lines().filter(|line| !line.starts_with('#')) {
        let (release, key, name, range) =
            parse(line).ok_or_else(|| format!("kafka-apis.csv: `{line}` makes no sense"))?;
        // what is still unstable is not served unless a broker is told to
        if range.0 <= range.1 {
            let api = all.entry(key).or_default();
            api.name = name;
            api.ranges[release] = Some(range);
        }
    }
    let unknown = APIS.iter().find(|api| !all.contains_key(&(api.key as i16)));
    match unknown {
        Some(api) => Err(format!("kafka-apis.csv lacks {:?}", api.key)),
        None => Ok(all),
    }
}

fn parse(line: &'static str) -> Option<(usize, i16, &'static str, Range)> {
    let [release, key, name, oldest, newest] = line.split(',').collect::<Vec<_>>()[..] else {
        return None;
    };
    let release = RELEASES.iter().position(|known| *known == release)?;
    Some((release, key.parse().ok()?, name, (oldest.parse().ok()?, newest.parse().ok()?)))
}

/// What clients of either release may choose and do not find here.
fn gap(key: i16, theirs: &Theirs) -> String {
    let Some(ours) = Api::find(key) else { return "not served".to_owned() };
    let mut lacking = Vec::new();
    for (release, range) in RELEASES.iter().zip(theirs.ranges) {
        let Some((oldest, newest)) = range else { continue };
        let missing: Vec<String> =
            (oldest..=newest).filter(|v| !ours.serves(*v)).map(|v| format!("v{v}")).collect();
        // the oldest versions of 3.9 went with Kafka 4 (KIP-896): clients of both have newer ones
        if !missing.is_empty() && (*release != RELEASES[0] || ours.max < newest) {
            lacking.push(missing.join(", "));
        }
    }
    lacking.dedup();
    lacking.join("; ")
}

fn shown(range: Option<Range>) -> String {
    match range {
        None => "-".to_owned(),
        Some((oldest, newest)) if oldest == newest => format!("{oldest}"),
        Some((oldest, newest)) => format!("{oldest}-{newest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_of_this_codec() {
        let written = fs::read_to_string(root().join(PAGE)).expect("docs/apis.md is there");
        assert!(written == page().expect("the table reads"), "run `cargo xtask apis`");
    }

    #[test]
    fn gaps_are_named() {
        let theirs = |ranges| Theirs { name: "x", ranges };
        assert_eq!(gap(51, &theirs([Some((0, 0)), Some((0, 0))])), "not served");
        let fetch = gap(1, &theirs([Some((0, 17)), Some((4, 99))]));
        assert!(fetch.starts_with("v19, ") && fetch.ends_with("v99"), "{fetch}");
        assert_eq!(gap(1, &theirs([Some((0, 17)), Some((4, 18))])), "", "KIP-896");
    }
}
