//! Every planted bug has a hand-written plan that shows that it can be reached: scenarios in
//! `scenarios/planted`, each with the bugs that it shows in its first line. Without a bug each keeps
//! every promise; with one it must not.

use crate::ci::root;
use crate::planted::build;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use stormglass_broker_core::plant::Plant;

/// Begin of the line that names the bugs.
const TRIPS: &str = "# Trips: ";
/// A broken promise, and a failed assertion.
const FOUND: [i32; 2] = [8, 1];

/// Runs all plans with and without their bugs; what does not do as it says, and bugs without a plan
/// that are not said to have none, are errors.
pub(crate) fn plans() -> Result<(), String> {
    let binary = build()?;
    let mut wrong = Vec::new();
    let mut tripped = BTreeSet::new();
    for file in files()? {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let names = text.lines().next().and_then(|line| line.strip_prefix(TRIPS));
        let names: Vec<&str> = names.unwrap_or_default().split(", ").collect();
        if run(&binary, &file, None)? != 0 {
            wrong.push(format!("{}: breaks a promise without a bug", file.display()));
        }
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let code = run(&binary, &file, Some(name))?;
            if FOUND.contains(&code) {
                tripped.insert(name.to_owned());
            } else {
                wrong.push(format!("{}: {name} is not seen (exit {code})", file.display()));
            }
        }
    }
    let without = Plant::ALL.iter().filter(|(name, _)| !tripped.contains(*name));
    let without: Vec<&str> = without.map(|(name, _)| *name).collect();
    println!("{} of {} bugs are seen in a plan", tripped.len(), Plant::ALL.len());
    println!("without one: {}", without.join(", "));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn files() -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for directory in ["scenarios/planted", "scenarios/negative"] {
        let entries = fs::read_dir(root().join(directory)).map_err(|error| error.to_string())?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            files.extend(text.starts_with(TRIPS).then_some(path));
        }
    }
    files.sort();
    Ok(files)
}

fn run(binary: &Path, file: &Path, plant: Option<&str>) -> Result<i32, String> {
    let out = std::env::temp_dir().join(format!("stormglass-plans-{}", std::process::id()));
    let mut command = Command::new(binary);
    command.arg("run").arg(file).args(["--seed", "1", "--json"]).arg("--out").arg(&out);
    if let Some(plant) = plant {
        command.args(["--plant", plant]);
    }
    let output = command.output().map_err(|error| format!("cannot run: {error}"))?;
    let _ = fs::remove_dir_all(&out);
    Ok(output.status.code().unwrap_or(-1))
}
