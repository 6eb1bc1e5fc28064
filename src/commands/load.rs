//! Scenarios, plans and results from where the arguments say they are.

use crate::args::Target;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::quoted;
use crate::output::Output;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_reports::result::RunResult;
use stormglass_scenarios::plan::Plan;
use stormglass_scenarios::{Source, json_words, load, unread_configs};

/// The plan of a scenario.
pub(super) fn plan_of(
    target: &Target,
    sets: &[(String, String)],
    seed: u64,
) -> Result<Plan, Failure> {
    Ok(load(&source(target)?, sets, seed)?)
}

/// Tells of the configs of a scenario that change nothing in a simulation.
pub(super) fn tell_unread(source: &Source, all_sets: &[&[(String, String)]], output: Output) {
    let mut told: Vec<String> = Vec::new();
    for line in all_sets.iter().flat_map(|sets| unread_configs(source, sets)) {
        if !told.contains(&line) {
            output.note(&format!("note: {line}"));
            told.push(line);
        }
    }
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
        Target::Library(name) => in_library(name),
        Target::File(path) => {
            let bytes = read(path).map_err(|failure| {
                failure.help("`stormglass scenarios` lists those that are built in")
            })?;
            Ok(Source::new(path.display().to_string(), bytes))
        }
    }
}

/// A scenario of the library. Of one that is not there, the message names what else may be meant.
pub(super) fn in_library(name: &str) -> Result<Source, Failure> {
    Source::library(name).map_err(|error| match found_here(name) {
        Some(help) => error.help(help).into(),
        None => error.into(),
    })
}

/// What of this name is in the working directory, and how to write that it is meant: a file is one only
/// with a slash or an ending.
pub(super) fn found_here(name: &str) -> Option<String> {
    let path = Path::new(name);
    let with_ending = format!("{name}.toml");
    if path.is_file() {
        Some(format!("it is a file here: write `./{name}`"))
    } else if Path::new(&with_ending).is_file() {
        Some(format!("there is a file `{with_ending}` here: write `./{with_ending}`"))
    } else if path.is_dir() {
        let write = format!("write `./{name}/FILE.toml`");
        Some(format!("it is a directory here, and a scenario is a file: {write}"))
    } else {
        None
    }
}

/// A plan, from its file or from a run's directory, and the directory that it lies in.
pub(super) fn plan_file(path: &Path) -> Result<(Plan, PathBuf), Failure> {
    let file = in_directory(path, "plan.json");
    let text = String::from_utf8(read(&file)?).map_err(|_| {
        Failure::new(Exit::InvalidScenario, format!("{}: not a text file", file.display()))
    })?;
    if let Some(failure) = found_by_plan(&text, &file) {
        return Err(failure);
    }
    let plan = Plan::from_json(&text).map_err(|error| Failure::plan(&file, &error))?;
    Ok((plan, file.parent().unwrap_or(Path::new("")).to_owned()))
}

/// A result, from its file or from a run's directory.
pub(super) fn result_file(path: &Path) -> Result<RunResult, Failure> {
    let file = in_directory(path, "result.json");
    if path.is_dir() && !file.exists() {
        let plan = path.join("plan.json");
        let found = fs::read_to_string(&plan).ok().and_then(|text| found_by_plan(&text, &plan));
        if let Some(failure) = found {
            return Err(failure);
        }
    }
    result_of_bytes(&read(&file)?, &file)
}

/// What `stormglass plan` writes is a plan.json, too, and no run's: it has bills, which is what to say.
fn found_by_plan(text: &str, file: &Path) -> Option<Failure> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let (fits, misses) = (document.get("fits")?.as_array()?, document.get("misses")?.as_array()?);
    document.get("requirements")?;
    let page = file.with_file_name("index.html");
    let bills =
        format!("the bill of each cluster is in it, line by line, and in {}", page.display());
    let first = fits.iter().chain(misses).find_map(|one| price_of(one.get("cluster")?));
    let help = match first {
        Some(command) => format!("{bills}; `{command}` prices the first without its traffic"),
        None => bills,
    };
    let message = format!(
        "{} is what `stormglass plan` has found, and not the plan of a run",
        file.display()
    );
    Some(Failure::new(Exit::InvalidScenario, message).help(help))
}

/// The command that prices a cluster of `stormglass plan`, if flags can describe it.
fn price_of(cluster: &serde_json::Value) -> Option<String> {
    let kind = cluster.get("kind")?.as_str()?;
    if kind == "msk-serverless" {
        return None;
    }
    let instance = cluster.get("instance")?.as_str()?;
    let brokers = cluster.get("brokers")?.as_u64()?;
    let storage_gib = cluster.get("storage_gib")?.as_u64()?.checked_mul(brokers)?;
    let words = ["stormglass", "cost", "--instance", instance, "--brokers"].map(str::to_owned);
    let more = [brokers.to_string(), "--storage".to_owned(), format!("{storage_gib} GiB")];
    Some(quoted(words.into_iter().chain(more)))
}

/// A result from its text; `file` is where it is from.
pub(super) fn result_of_bytes(bytes: &[u8], file: &Path) -> Result<RunResult, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let why = json_words(&error);
        let message = format!("{}: not a result of this version: {why}", file.display());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests run in the directory of the crate.
    #[test]
    fn a_name_that_is_here_is_no_name_of_the_library() {
        let found = |name: &str| found_here(name).unwrap();
        assert_eq!(found("Cargo.toml"), "it is a file here: write `./Cargo.toml`");
        assert_eq!(found("Cargo"), "there is a file `Cargo.toml` here: write `./Cargo.toml`");
        let directory = "it is a directory here, and a scenario is a file: write `./src/FILE.toml`";
        assert_eq!(found("src"), directory);
        assert_eq!(found_here("nowhere"), None);
    }
}
