//! Most planted bugs have a hand-written plan that shows that they can be reached: scenarios in
//! `scenarios/planted` and `scenarios/negative`, each with the bugs that it shows in its first line.
//! Without a bug each keeps every promise; with one it must not.

use crate::ci::root;
use crate::planted::build;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use stormglass_broker_core::plant::Plant;

/// Begin of the line that names the bugs.
const TRIPS: &str = "# Trips: ";
/// A broken promise, and a failed assertion.
const FOUND: [i32; 2] = [8, 1];

/// A file, and the bug to run it with.
type Trial = (PathBuf, Option<String>);

/// Runs all plans with and without their bugs; what does not do as it says is an error. `binary` is a
/// program that has the bugs already, as CI has one anyway; without it one is built.
pub(crate) fn plans(binary: Option<&str>) -> Result<(), String> {
    let binary = binary.map_or_else(build, |path| Ok(PathBuf::from(path)))?;
    let trials = trials()?;
    let mut wrong = Vec::new();
    let mut tripped = BTreeSet::new();
    for ((file, plant), code) in trials.iter().zip(run_all(&binary, &trials)?) {
        match plant {
            Some(name) if FOUND.contains(&code) => {
                tripped.insert(name.as_str());
            }
            Some(name) => {
                wrong.push(format!("{}: {name} is not seen (exit {code})", file.display()));
            }
            None if code != 0 => {
                wrong.push(format!("{}: exit {code} without a bug", file.display()));
            }
            None => {}
        }
    }
    let without = Plant::ALL.iter().filter(|(name, _)| !tripped.contains(name));
    let without: Vec<&str> = without.map(|(name, _)| *name).collect();
    println!("{} of {} bugs are seen in a plan", tripped.len(), Plant::ALL.len());
    println!("without one: {}", without.join(", "));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Every plan without a bug, and with each of those that it names.
fn trials() -> Result<Vec<Trial>, String> {
    let mut trials = Vec::new();
    for file in files()? {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let names = text.lines().next().and_then(|line| line.strip_prefix(TRIPS));
        let names = names.unwrap_or_default().split(", ").filter(|name| !name.is_empty());
        let planted = names.map(|name| Some(name.to_owned()));
        trials.extend([None].into_iter().chain(planted).map(|plant| (file.clone(), plant)));
    }
    Ok(trials)
}

/// Exit codes in the order of the trials, which run side by side.
fn run_all(binary: &Path, trials: &[Trial]) -> Result<Vec<i32>, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut codes = Vec::new();
    for together in trials.chunks(jobs) {
        let begun = together.iter().map(|(file, plant)| begin(binary, file, plant.as_deref()));
        for child in begun.collect::<Result<Vec<_>, _>>()? {
            codes.push(end(child)?);
        }
    }
    Ok(codes)
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

/// A run under way, and where it writes.
type Run = (Child, PathBuf);

fn begin(binary: &Path, file: &Path, plant: Option<&str>) -> Result<Run, String> {
    let label = plant.unwrap_or("sound");
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let out = format!("stormglass-plans-{}-{name}-{label}", std::process::id());
    let out = std::env::temp_dir().join(out);
    let mut command = Command::new(binary);
    command.arg("run").arg(file).args(["--seed", "1", "--json"]).arg("--out").arg(&out);
    if let Some(plant) = plant {
        command.args(["--plant", plant]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| format!("cannot run: {error}"))?;
    Ok((child, out))
}

fn end((mut child, out): Run) -> Result<i32, String> {
    let status = child.wait().map_err(|error| format!("cannot run: {error}"))?;
    let _ = fs::remove_dir_all(&out);
    Ok(status.code().unwrap_or(-1))
}
