//! The base of a gate: scenarios of another revision, results of its own program, stored results,
//! or other seeds.

use super::gate_worktree::Worktree;
use super::load::{read, source};
use crate::args::Target;
use crate::child;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::trials::interrupted;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stormglass_reports::gate::{GATE_SCHEMA_VERSION, StoredBase};
use stormglass_reports::result::RunResult;
use stormglass_scenarios::suite::{Base, Check, Suite};
use stormglass_scenarios::{Document, Source};

/// What a scenario is compared with.
#[derive(Debug, Default)]
pub(super) struct BaseOfCheck {
    /// The base's scenario with the suite's changes.
    pub(super) document: Option<Document>,
    /// Finished runs, by seed; without, this program runs the document.
    pub(super) results: Option<Vec<Arc<RunResult>>>,
}

/// The base of every scenario of a suite, in its order.
#[derive(Debug)]
pub(super) struct Bases {
    /// In words.
    pub(super) description: String,
    /// One for each scenario; nothing where the base does not have it.
    pub(super) checks: Vec<Option<BaseOfCheck>>,
}

/// What `run --seeds --json` prints, as far as it is needed.
#[derive(Deserialize)]
struct SeedRuns {
    runs: Vec<SeedRun>,
}

#[derive(Deserialize)]
struct SeedRun {
    result: RunResult,
}

/// Where a suite lies, and how its base is run.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    /// The suite.
    pub(super) suite: &'a Suite,
    /// Its directory.
    pub(super) dir: &'a Path,
    /// Seeds.
    pub(super) seeds: &'a [u64],
    /// Runs at a time.
    pub(super) jobs: usize,
    /// Set by the first Ctrl-C.
    pub(super) interrupt: &'a AtomicBool,
}

impl Setting<'_> {
    /// Finds the base and, where it has a program of its own, runs it.
    pub(super) fn bases(&self, base: &Base) -> Result<Bases, Failure> {
        match base {
            Base::None => Ok(Bases {
                description: "nothing: thresholds only".to_owned(),
                checks: self.suite.checks.iter().map(|_| None).collect(),
            }),
            Base::Git(revision) => self.of_git(revision),
            Base::File(file) => self.of_file(file),
        }
    }

    /// This side's source of a scenario.
    pub(super) fn source(&self, check: &Check) -> Result<Source, Failure> {
        source(&target(check, |path| self.dir.join(path)))
    }

    fn of_git(&self, revision: &str) -> Result<Bases, Failure> {
        let worktree = Worktree::new(self.dir, revision)?;
        let program = match (&self.suite.build, &self.suite.binary) {
            (Some(build), Some(binary)) => Some(worktree.build(build, binary, self.interrupt)?),
            _ => None,
        };
        let mut checks = Vec::new();
        for check in &self.suite.checks {
            let target = target(check, |path| worktree.file(path));
            if let Target::File(path) = &target
                && !path.is_file()
            {
                checks.push(None);
                continue;
            }
            // A library scenario of another program may not be known here.
            let document = match (source(&target), &program) {
                (Ok(source), _) => Some(Document::read(&source, &check.sets)?),
                (Err(_), Some(_)) => None,
                (Err(failure), None) => return Err(failure),
            };
            let results = match &program {
                Some(program) => Some(self.run_program(program, &target, check)?),
                None => None,
            };
            checks.push(Some(BaseOfCheck { document, results }));
        }
        let by = if program.is_some() { ", by its own program" } else { "" };
        Ok(Bases { description: format!("git:{revision} ({}{by})", worktree.commit), checks })
    }

    /// The base's program prints its results as JSON; its directories are not wanted.
    fn run_program(
        &self,
        program: &Path,
        target: &Target,
        check: &Check,
    ) -> Result<Vec<Arc<RunResult>>, Failure> {
        let scenario = match target {
            Target::File(path) => path.display().to_string(),
            Target::Library(name) => name.clone(),
        };
        let out = std::env::temp_dir().join(format!("stormglass-runs-{}", std::process::id()));
        let mut command = Command::new(program);
        command.args(["run", &scenario, "--json", "--seed", &self.seeds[0].to_string()]);
        command.args(["--seeds", &self.seeds.len().to_string(), "--jobs", &self.jobs.to_string()]);
        command.arg("--out").arg(&out);
        for (path, value) in &check.sets {
            command.arg("--set").arg(format!("{path}={value}"));
        }
        let output = child::output(&mut command, self.interrupt).map_err(|error| {
            let message = format!("cannot run the base's {}: {error}", program.display());
            Failure::new(Exit::NotComparable, message)
        });
        let _ = std::fs::remove_dir_all(&out);
        let output = output?.ok_or_else(interrupted)?;
        let runs: SeedRuns = serde_json::from_slice(&output.stdout).map_err(|error| {
            let text = String::from_utf8_lossy(&output.stderr);
            let first = text.lines().next().unwrap_or_default();
            let message = format!(
                "the base's program gives no result of {} that this one reads: {error} {first}",
                check.name
            );
            Failure::new(Exit::NotComparable, message).help(
                "the form of results changed: leave `build` out, to run the base's scenarios \
                       with this program",
            )
        })?;
        Ok(runs.runs.into_iter().map(|run| Arc::new(run.result)).collect())
    }

    fn of_file(&self, file: &str) -> Result<Bases, Failure> {
        let stored = stored(&self.dir.join(file))?;
        let mut checks = Vec::new();
        for check in &self.suite.checks {
            let Some(found) = stored.checks.iter().find(|stored| stored.name == check.name) else {
                checks.push(None);
                continue;
            };
            let results: Vec<Arc<RunResult>> = self
                .seeds
                .iter()
                .filter_map(|seed| found.results.iter().find(|result| result.seed == *seed))
                .map(|result| Arc::new(result.clone()))
                .collect();
            if results.len() < self.seeds.len() {
                let has: Vec<String> =
                    found.results.iter().map(|result| result.seed.to_string()).collect();
                let message = format!(
                    "the base of {} has seeds {}, not all of {} to {}",
                    check.name,
                    has.join(", "),
                    self.seeds[0],
                    self.seeds[self.seeds.len() - 1]
                );
                let help = "choose others with --seed and --seeds, or store the base anew";
                return Err(Failure::new(Exit::NotComparable, message).help(help));
            }
            let source = Source::new(format!("{file}, {}", check.name), found.scenario.as_str());
            let document = Document::read(&source, &[]).ok();
            checks.push(Some(BaseOfCheck { document, results: Some(results) }));
        }
        Ok(Bases { description: format!("{file} (version {})", stored.version), checks })
    }
}

/// A scenario's place: names of the library stay, paths are relative to the suite.
fn target(check: &Check, place: impl Fn(&str) -> PathBuf) -> Target {
    match Target::new(&check.scenario) {
        Target::Library(name) => Target::Library(name),
        Target::File(_) => Target::File(place(&check.scenario)),
    }
}

fn stored(path: &Path) -> Result<StoredBase, Failure> {
    let bytes = read(path).map_err(|failure| {
        failure
            .with_exit(Exit::NotComparable)
            .help("store one first: stormglass gate SUITE --base none --save FILE")
    })?;
    let failure = |reason: String| {
        let message = format!("{} is no base of this version: {reason}", path.display());
        Failure::new(Exit::NotComparable, message)
            .help("store it anew: stormglass gate SUITE --base none --save FILE")
    };
    let stored: StoredBase =
        serde_json::from_slice(&bytes).map_err(|error| failure(error.to_string()))?;
    if stored.schema_version != GATE_SCHEMA_VERSION {
        return Err(failure(format!("schema {}", stored.schema_version)));
    }
    Ok(stored)
}
