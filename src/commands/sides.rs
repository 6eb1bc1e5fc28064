//! A side of a comparison: stored results, or a scenario that is run.

use super::load::{found_here, plan_file, result_file, source, tell_unread};
use crate::args::{SideArgs, Target};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stormglass_reports::result::RunResult;
use stormglass_scenarios::plan::Plan;
use stormglass_scenarios::{Document, Source, closest_scenario, library, load, negative};

/// A side before anything is run.
pub(super) enum Side {
    /// Results by seed, and the plan of the first of them where it lies beside it.
    Stored(Vec<Arc<RunResult>>, Option<Box<Plan>>),
    /// A scenario, as it was written and as a document.
    Scenario(Box<ScenarioSide>),
}

/// A scenario with what was laid over it.
pub(super) struct ScenarioSide {
    source: Source,
    sets: Vec<(String, String)>,
    /// The same as a document.
    pub(super) document: Document,
}

impl Side {
    /// Reads a side: a directory of a run, or of one directory per seed, a result file, or else a
    /// scenario. A name that the library has is the library's.
    pub(super) fn read(args: &SideArgs) -> Result<Self, Failure> {
        let path = Path::new(&args.text);
        let in_library = library().iter().chain(negative()).any(|entry| entry.name == args.text);
        let is_result = path.extension().is_some_and(|extension| extension == "json");
        let is_stored = path.is_dir() || (is_result && is_there(path));
        if !in_library && is_stored {
            if !args.sets.is_empty() {
                let message = format!("{} is a finished run: --set comes too late", args.text);
                return Err(Failure::usage(message).help("compare the scenarios instead"));
            }
            return stored(path);
        }
        if !in_library && !may_be_scenario(&args.target) && !is_there(path) {
            return Err(not_there(&args.text));
        }
        let source = source(&args.target)?;
        let document = Document::read(&source, &args.sets)?;
        let sets = args.sets.clone();
        Ok(Self::Scenario(Box::new(ScenarioSide { source, sets, document })))
    }

    /// Seeds that it has, if it is stored.
    pub(super) fn seeds(&self) -> Option<Vec<u64>> {
        match self {
            Self::Stored(results, _) => Some(results.iter().map(|result| result.seed).collect()),
            Self::Scenario(_) => None,
        }
    }

    /// Tells of configs that change nothing in a simulation.
    pub(super) fn tell_unread(&self, output: Output) {
        if let Self::Scenario(side) = self {
            tell_unread(&side.source, &[&side.sets], output);
        }
    }

    /// Its plan, if it is known, for the seed given if it is a scenario.
    pub(super) fn plan(&self, seed: u64) -> Result<Option<Plan>, Failure> {
        match self {
            Self::Stored(_, plan) => Ok(plan.as_deref().cloned()),
            Self::Scenario(side) => Ok(Some(side.plan(seed)?)),
        }
    }
}

impl ScenarioSide {
    /// The plan for a seed.
    pub(super) fn plan(&self, seed: u64) -> Result<Plan, Failure> {
        Ok(load(&self.source, &self.sets, seed)?)
    }
}

/// Whether there is something of that name. What cannot be looked at is: reading it says why.
fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// Whether something that is not there can only have been meant as a scenario: the file of one, also without
/// its ending, or a misspelt name of the library.
fn may_be_scenario(target: &Target) -> bool {
    match target {
        Target::File(path) => path.extension().is_some_and(|extension| extension == "toml"),
        Target::Library(name) => closest_scenario(name).is_some() || found_here(name).is_some(),
    }
}

/// Without a side there is nothing to compare with.
fn not_there(text: &str) -> Failure {
    let message = format!("there is no `{text}` to compare: neither a run nor a scenario");
    Failure::new(Exit::NotComparable, message).help(
        "give the directory of a run, a result.json, or a scenario that `stormglass scenarios` lists",
    )
}

fn stored(path: &Path) -> Result<Side, Failure> {
    if !path.is_dir() || path.join("result.json").is_file() {
        let result = Arc::new(result_file(path)?);
        let plan =
            if path.is_dir() { plan_file(path).ok().map(|(plan, _)| Box::new(plan)) } else { None };
        return Ok(Side::Stored(vec![result], plan));
    }
    let mut dirs = seed_dirs(path)?;
    dirs.sort();
    let mut results: Vec<Arc<RunResult>> =
        dirs.iter().map(|dir| result_file(dir).map(Arc::new)).collect::<Result<_, _>>()?;
    results.sort_by_key(|result| result.seed);
    results.dedup_by_key(|result| result.seed);
    if results.is_empty() {
        let message = format!("{} holds no result", path.display());
        let help = "give the directory of a run, or the one that `run --seeds --out` made";
        return Err(Failure::new(Exit::NotComparable, message).help(help));
    }
    let plan = dirs.first().and_then(|dir| plan_file(dir).ok()).map(|(plan, _)| Box::new(plan));
    Ok(Side::Stored(results, plan))
}

/// Directories of seeds within a directory.
fn seed_dirs(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failure = |error: &std::io::Error| Failure::io("read", path, error);
    let mut dirs = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| failure(&error))? {
        let dir = entry.map_err(|error| failure(&error))?.path();
        if dir.join("result.json").is_file() {
            dirs.push(dir);
        }
    }
    Ok(dirs)
}
