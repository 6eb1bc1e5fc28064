//! Black-box tests of the scenario language, in one binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests; the lint only excuses tests themselves")]

mod format; // docs/scenario-format.md is current
mod import; // files of other tools, whole and broken
mod malformed; // what is wrong is reported at its line, and nothing panics
mod plans; // every default, recipe and constant is resolved
mod schemas; // the JSON Schemas are the committed ones
