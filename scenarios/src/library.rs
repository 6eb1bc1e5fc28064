//! The library: scenarios that are compiled in.

use crate::text::tree::{self, Value};
use std::sync::OnceLock;

/// A scenario of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryEntry {
    /// Name, as `stormglass run` takes it.
    pub name: &'static str,
    /// The file's text.
    pub text: &'static str,
    /// The question that it answers.
    pub question: String,
    /// What to expect from a healthy cluster.
    pub expect: String,
}

macro_rules! files {
    ($directory:literal: $($name:literal),* $(,)?) => {
        &[$( ($name, include_str!(concat!("../", $directory, "/", $name, ".toml"))) ),*]
    };
}

const LIBRARY: &[(&str, &str)] = files!("library":
    "steady",
    "az-outage",
    "traffic-spike",
    "broker-crash",
    "rolling-restart",
    "slow-disk",
    "consumer-catch-up",
    "tiered-catch-up",
    "hot-partition",
    "credit-exhaustion",
    "reference",
    "swarm",
);

const NEGATIVE: &[(&str, &str)] = files!("negative":
    "unclean-loss",
    "min-isr-one-loss",
    "isr-power-loss",
    "ack-early",
    "truncate-to-hw",
    "join-below-epoch-start",
    "lost-answers",
);

/// The library, in the order in which a newcomer should read it.
#[must_use]
pub fn library() -> &'static [LibraryEntry] {
    static ENTRIES: OnceLock<Vec<LibraryEntry>> = OnceLock::new();
    ENTRIES.get_or_init(|| LIBRARY.iter().map(entry).collect())
}

/// Scenarios that lose records on purpose, or in which a planted bug does: a checker must fire.
#[must_use]
pub fn negative() -> &'static [LibraryEntry] {
    static ENTRIES: OnceLock<Vec<LibraryEntry>> = OnceLock::new();
    ENTRIES.get_or_init(|| NEGATIVE.iter().map(entry).collect())
}

fn entry(file: &(&'static str, &'static str)) -> LibraryEntry {
    let (name, text) = *file;
    let (root, _) = tree::parse(text, 0);
    let string = |key: &str| match &root.value {
        Value::Table(table) => match table.entry(key).map(|entry| &entry.node.value) {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    LibraryEntry { name, text, question: string("question"), expect: string("expect") }
}
