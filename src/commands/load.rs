//! Scenarios, plans and results from where the arguments say they are.

use crate::args::Target;
use crate::exit::Exit;
use crate::failure::Failure;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_reports::result::RunResult;
use stormglass_scenarios::plan::Plan;
use stormglass_scenarios::{Source, load};

/// The plan of a scenario.
pub(super) fn plan_of(
    target: &Target,
    sets: &[(String, String)],
    seed: u64,
) -> Result<Plan, Failure> {
    Ok(load(&source(target)?, sets, seed)?)
}

/// The plan of a scenario that is text in the program.
pub(super) fn plan_of_text(
    name: &str,
    text: &str,
    sets: &[(String, String)],
) -> Result<Plan, Failure> {
    Ok(load(&Source::new(name, text), sets, 1)?)
}

pub(super) fn source(target: &Target) -> Result<Source, Failure> {
    match target {
        Target::Library(name) => Ok(Source::library(name)?),
        Target::File(path) => {
            let bytes = read(path).map_err(|failure| {
                failure.help("`stormglass scenarios` lists those that are built in")
            })?;
            Ok(Source::new(path.display().to_string(), bytes))
        }
    }
}

/// A plan, from its file or from a run's directory, and the directory that it lies in.
pub(super) fn plan_file(path: &Path) -> Result<(Plan, PathBuf), Failure> {
    let file = in_directory(path, "plan.json");
    let text = String::from_utf8(read(&file)?).map_err(|_| {
        Failure::new(Exit::InvalidScenario, format!("{}: not a text file", file.display()))
    })?;
    let plan = Plan::from_json(&text).map_err(|error| Failure::plan(&file, &error))?;
    Ok((plan, file.parent().unwrap_or(Path::new("")).to_owned()))
}

/// A result, from its file or from a run's directory.
pub(super) fn result_file(path: &Path) -> Result<RunResult, Failure> {
    let file = in_directory(path, "result.json");
    result_of_bytes(&read(&file)?, &file)
}

/// A result from its text; `file` is where it is from.
pub(super) fn result_of_bytes(bytes: &[u8], file: &Path) -> Result<RunResult, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("{}: not a result of this version: {error}", file.display());
        Failure::new(Exit::InvalidScenario, message)
            .help("give the directory of a run, such as stormglass-out/az-outage-1")
    })
}

fn in_directory(path: &Path, name: &str) -> PathBuf {
    if path.is_dir() { path.join(name) } else { path.to_owned() }
}

/// What is not there, or is no file, is a wrong name; anything else is the machine's fault.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        let failure = Failure::io("read", path, &error);
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidFilename => failure.with_exit(Exit::InvalidScenario),
            _ => failure,
        }
    })
}
