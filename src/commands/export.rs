//! `stormglass export`: a run's results in another tool's format.

use super::load::{plan_file, result_file};
use crate::args::Export;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use stormglass_reports::export::{RunFiles, export as export_run};

/// Files of a run that formats are made from.
const PARTS: [&str; 3] = ["timeline.csv", "cost.csv", "events.jsonl"];

#[derive(Debug, Serialize)]
struct Document {
    files: Vec<String>,
}

/// Writes the files and prints their names.
pub(super) fn export(args: &Export, output: Output) -> Result<Exit, Failure> {
    if !args.run.is_dir() {
        let message = format!("{} is not the directory of a run", args.run.display());
        return Err(Failure::new(Exit::InvalidScenario, message)
            .help("give one that `stormglass run` wrote, such as stormglass-out/steady-1"));
    }
    let run = RunFiles {
        result: result_file(&args.run)?,
        plan: plan_file(&args.run)?.0,
        files: parts(&args.run)?,
    };
    let made = export_run(args.format, &run).map_err(|error| {
        let message = format!("{}: {error}", args.run.display());
        Failure::new(Exit::InvalidScenario, message).help("run the scenario again")
    })?;
    let list: Vec<(&str, &[u8])> =
        made.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    files::write(&args.out, &list)?;
    let names: Vec<String> =
        list.iter().map(|(name, _)| args.out.join(name).display().to_string()).collect();
    if output.is_json() {
        output.json(&Document { files: names })?;
    } else {
        output.text(&format!("{}\n", names.join("\n")))?;
    }
    Ok(Exit::Ok)
}

/// What is there of the run's files; a format says what it misses.
fn parts(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut names: Vec<String> = PARTS.map(str::to_owned).to_vec();
    if let Ok(entries) = fs::read_dir(dir.join("latency")) {
        for entry in entries.flatten() {
            names.push(format!("latency/{}", entry.file_name().to_string_lossy()));
        }
    }
    let mut files = BTreeMap::new();
    for name in names {
        let path = dir.join(&name);
        if path.is_file() {
            let bytes = fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
            files.insert(name, bytes);
        }
    }
    Ok(files)
}
