//! `stormglass scenarios`: what is built in.

use super::load::in_library;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use serde::Serialize;
use stormglass_scenarios::{LibraryEntry, library, negative};

/// A scenario as `--json` lists it.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    question: &'a str,
    expect: &'a str,
    /// Must fail, perhaps with a planted bug: it keeps a checker honest.
    negative: bool,
}

/// Lists the library and, after it, what must fail.
pub(super) fn list(output: Output) -> Result<Exit, Failure> {
    let shown = if output.is_json() {
        let listed = |entry: &'static LibraryEntry, negative: bool| Listed {
            name: entry.name,
            question: &entry.question,
            expect: &entry.expect,
            negative,
        };
        let good = library().iter().map(|entry| listed(entry, false));
        output.json(
            &good.chain(negative().iter().map(|entry| listed(entry, true))).collect::<Vec<_>>(),
        )
    } else {
        output.text(&text())
    };
    shown?;
    Ok(Exit::Ok)
}

/// Prints a scenario's text.
pub(super) fn show(name: &str, output: Output) -> Result<Exit, Failure> {
    let source = in_library(name)?;
    let text = String::from_utf8(source.bytes).map_err(Failure::internal)?;
    let shown = if output.is_json() {
        output.json(&serde_json::json!({ "name": name, "text": text }))
    } else {
        output.text(&text)
    };
    shown?;
    Ok(Exit::Ok)
}

fn text() -> String {
    let width = library().iter().chain(negative()).map(|entry| entry.name.len()).max().unwrap_or(0);
    let line = |entry: &LibraryEntry| format!("  {:<width$}  {}\n", entry.name, entry.question);
    let good: String = library().iter().map(line).collect();
    let bad: String = negative().iter().map(line).collect();
    format!(
        "Run one with `stormglass run NAME`, read it with `stormglass scenarios show NAME`.\n\n\
         {good}\nThese keep the checkers honest: each must fail, the last four only with a bug of \
         Kafka's past\nthat a test build plants (`--plant`; see `stormglass run --help`).\n\n{bad}"
    )
}
