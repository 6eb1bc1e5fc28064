//! `stormglass gate`: fails when a suite of scenarios got worse.
//!
//! Both sides are run with the same seeds and compared pair by pair. Where this side's scenario is
//! the base's to the byte and the program is the same, one run serves both.

use super::compare::side;
use super::compare_keys::{self, Question};
use super::gate_base::{BaseOfCheck, Bases, Setting};
use super::load::read;
use crate::args::{Context, Gate};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::invocation::quoted;
use crate::output::json_text;
use crate::trials::{Sameness, Trials};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use stormglass_reports::compare::{
    COMPARISON_SCHEMA_VERSION, Comparison, Delta, deltas, incomparable, path_shifts, work_shift,
};
use stormglass_reports::gate::{
    self as report, CheckReport, GATE_SCHEMA_VERSION, GateReport, Judged, Outcome, StoredBase,
    StoredCheck,
};
use stormglass_reports::result::RunResult;
use stormglass_scenarios::plan::Plan;
use stormglass_scenarios::suite::{Check, Suite, load_suite};
use stormglass_scenarios::{Document, Source, load};

/// Seeds that suffice to say what a key explains; the verdict has them all.
const SEEDS_FOR_KEYS: usize = 3;

/// Runs of a scenario.
type Runs = Vec<Arc<RunResult>>;

/// Prints the verdict and writes its files.
pub(super) fn gate(args: &Gate, context: &Context) -> Result<Exit, Failure> {
    let name = args.suite.display().to_string();
    let suite = load_suite(&Source::new(name, read(&args.suite)?))?;
    let dir = args.suite.parent().unwrap_or(Path::new(""));
    let count = args.seeds.unwrap_or(suite.seeds);
    let seeds: Vec<u64> = (0..count).filter_map(|at| args.seed.checked_add(at)).collect();
    let base = args.base.as_ref().unwrap_or(&suite.base);
    let trials = Trials::new(args.jobs, context.output)?;
    let interrupt = trials.interrupt();
    let setting = Setting { suite: &suite, dir, seeds: &seeds, jobs: args.jobs, interrupt };
    let gate = Running { args, suite: &suite, seeds: &seeds, trials: &trials };
    let here = gate.here(&setting)?;
    files::ready(&args.out)?;
    if let Some(path) = &args.save {
        files::ready(path.parent().unwrap_or(Path::new("")))?;
    }
    let bases = if args.noise { gate.noise(&here) } else { setting.bases(base)? };
    let checks = gate.judge(&here, &bases)?;
    let report = GateReport {
        schema_version: GATE_SCHEMA_VERSION,
        suite: suite.name.clone(),
        file: args.suite.display().to_string(),
        base: bases.description.clone(),
        exit_code: checks
            .iter()
            .map(|check| Exit::of_verdict(check.outcome.exit_code()))
            .fold(Exit::Ok, Exit::worst)
            .code(),
        seeds: seeds.clone(),
        runs: trials.runs(),
        checks,
        command: context.invocation.clone(),
    };
    write(args, &report)?;
    if context.output.is_json() {
        context.output.json(&report)?;
    } else {
        let page = args.out.join("index.html");
        let text = report::table(&report, args.verbose);
        context.output.text(&format!("{text}Page: {}\n", page.display()))?;
    }
    let exit = Exit::of_verdict(report.exit_code);
    if exit != Exit::Ok {
        context.output.note(&context.invocation);
    }
    Ok(exit)
}

/// This side of a scenario.
struct Here {
    /// As the suite has it, without `--set`.
    source: Source,
    sets: Vec<(String, String)>,
    document: Document,
}

struct Running<'a> {
    args: &'a Gate,
    suite: &'a Suite,
    seeds: &'a [u64],
    trials: &'a Trials,
}

impl Running<'_> {
    fn here(&self, setting: &Setting<'_>) -> Result<Vec<Here>, Failure> {
        let here = |check: &Check| {
            let source = setting.source(check)?;
            let sets: Vec<(String, String)> =
                check.sets.iter().chain(&self.args.sets).cloned().collect();
            let document = Document::read(&source, &sets)?;
            Ok(Here { source, sets, document })
        };
        self.suite.checks.iter().map(here).collect()
    }

    /// The same scenarios: other seeds are dealt when plans are made.
    fn noise(&self, here: &[Here]) -> Bases {
        let check = |here: &Here| {
            Some(BaseOfCheck { document: Some(here.document.clone()), results: None })
        };
        Bases {
            description: "itself with other seeds: noise".to_owned(),
            checks: here.iter().map(check).collect(),
        }
    }

    /// Runs everything, side by side, and judges each scenario.
    fn judge(&self, here: &[Here], bases: &Bases) -> Result<Vec<CheckReport>, Failure> {
        let mut plans: Vec<Plan> = Vec::new();
        for here in here {
            for seed in self.seeds {
                plans.push(load(&here.source, &here.sets, *seed)?);
            }
        }
        let ours = plans.len();
        let mut of_base: Vec<Option<usize>> = Vec::new();
        for (here, base) in here.iter().zip(&bases.checks) {
            of_base.push(self.base_plans(here, base.as_ref(), &mut plans)?);
        }
        let results = self.trials.run(&plans, Sameness::Plan, &self.suite.name)?;
        self.save(here, &results[..ours])?;
        let count = self.seeds.len();
        let mut checks = Vec::new();
        for (at, check) in self.suite.checks.iter().enumerate() {
            let runs = results[at * count..(at + 1) * count].to_vec();
            let rerun: Option<Runs> = of_base[at].map(|from| results[from..from + count].to_vec());
            let base = bases.checks[at].as_ref();
            let sides = Sides { runs, rerun, base, here: &here[at], name: &bases.description };
            checks.push(self.check(check, &sides)?);
        }
        Ok(checks)
    }

    /// Adds the plans of a base that this program runs; where they begin.
    fn base_plans(
        &self,
        here: &Here,
        base: Option<&BaseOfCheck>,
        plans: &mut Vec<Plan>,
    ) -> Result<Option<usize>, Failure> {
        let Some(base) = base else { return Ok(None) };
        let Some(document) = &base.document else { return Ok(None) };
        if base.results.is_some() && !self.args.rebaseline {
            return Ok(None);
        }
        let from = plans.len();
        // The same text is the same plan to the byte, which a document's rewriting would hide.
        let is_same = document.changes(&here.document).is_empty();
        let source = document.source();
        let shift = if self.args.noise { self.seeds.len() as u64 } else { 0 };
        for seed in self.seeds {
            let seed = seed.wrapping_add(shift);
            plans.push(if is_same {
                load(&here.source, &here.sets, seed)?
            } else {
                load(&source, &[], seed)?
            });
        }
        Ok(Some(from))
    }

    fn check(&self, check: &Check, sides: &Sides<'_>) -> Result<CheckReport, Failure> {
        let stored = sides.base.and_then(|base| base.results.as_ref());
        let base: Option<&Runs> = if self.args.rebaseline {
            sides.rerun.as_ref().or(stored)
        } else {
            stored.or(sides.rerun.as_ref())
        };
        let rebased = match (self.args.rebaseline, stored, &sides.rerun) {
            (true, Some(stored), Some(rerun)) => Some(changes(stored, rerun)),
            _ => None,
        };
        let mut reason = None;
        let mut comparison = None;
        if let Some(base) = base {
            let why = pairs(base, &sides.runs).iter().find_map(|(a, b)| incomparable(a, b));
            reason = why.map(|why| why.reason);
            if reason.is_none() {
                comparison = Some(comparison_of(base, sides, self.seeds));
            }
        }
        if let Some(reason) = &mut reason {
            reason.push_str("; with --rebaseline both effects are shown apart");
        }
        let borrowed: Vec<&RunResult> = sides.runs.iter().map(AsRef::as_ref).collect();
        let of_base: Vec<&RunResult> = base.into_iter().flatten().map(AsRef::as_ref).collect();
        let mut judged = report::check(Judged {
            check,
            runs: &borrowed,
            base: &of_base,
            comparison,
            rebased,
            not_comparable: reason,
            command: command(check, sides.here, self.seeds[0]),
        });
        self.explain(&mut judged, sides)?;
        Ok(judged)
    }

    /// Which changed key explains the first figure that got worse.
    fn explain(&self, check: &mut CheckReport, sides: &Sides<'_>) -> Result<(), Failure> {
        let worse = check.limits.iter().find(|limit| limit.outcome == Outcome::Regression);
        let document = sides.base.and_then(|base| base.document.as_ref());
        let (Some(worse), Some(document)) = (worse, document) else { return Ok(()) };
        let seeds = &self.seeds[..self.seeds.len().min(SEEDS_FOR_KEYS)];
        let question = Question { figure: &worse.figure, seeds, trials: self.trials };
        let keys = compare_keys::attribution(&question, document, &sides.here.document)?;
        if let Some(comparison) = &mut check.comparison {
            comparison.keys = keys;
        }
        Ok(())
    }

    fn save(&self, here: &[Here], results: &[Arc<RunResult>]) -> Result<(), Failure> {
        let Some(path) = &self.args.save else { return Ok(()) };
        let stored = |(at, check): (usize, &Check)| StoredCheck {
            name: check.name.clone(),
            scenario: here[at].document.text(),
            results: results[at * self.seeds.len()..(at + 1) * self.seeds.len()]
                .iter()
                .map(|result| RunResult::clone(result))
                .collect(),
        };
        let base = StoredBase {
            schema_version: GATE_SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            suite: self.suite.name.clone(),
            checks: self.suite.checks.iter().enumerate().map(stored).collect(),
        };
        let json = json_text(&base)?;
        let dir = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        files::write(dir, &[(&name, json.as_bytes())])
    }
}

/// Both sides of a scenario.
struct Sides<'a> {
    runs: Runs,
    /// The base's scenario, run by this program.
    rerun: Option<Runs>,
    base: Option<&'a BaseOfCheck>,
    here: &'a Here,
    name: &'a str,
}

fn pairs<'a>(base: &'a Runs, runs: &'a Runs) -> Vec<(&'a RunResult, &'a RunResult)> {
    base.iter().zip(runs).map(|(a, b)| (a.as_ref(), b.as_ref())).collect()
}

fn changes(base: &Runs, runs: &Runs) -> Vec<Delta> {
    deltas(&pairs(base, runs))
}

fn comparison_of(base: &Runs, sides: &Sides<'_>, seeds: &[u64]) -> Comparison {
    let pairs = pairs(base, &sides.runs);
    Comparison {
        schema_version: COMPARISON_SCHEMA_VERSION,
        a: side(sides.name, &base[0]),
        b: side("this side", &sides.runs[0]),
        seeds: seeds.to_vec(),
        deltas: deltas(&pairs),
        path: path_shifts(&pairs),
        work: work_shift(&pairs),
        plan_changes: Vec::new(),
        keys: None,
        notes: Vec::new(),
    }
}

/// The command that runs this side of a scenario.
fn command(check: &Check, here: &Here, seed: u64) -> String {
    let scenario = match crate::args::Target::new(&check.scenario) {
        crate::args::Target::Library(name) => name,
        crate::args::Target::File(_) => here.source.name.clone(),
    };
    let mut words = vec!["stormglass".to_owned(), "run".to_owned(), scenario];
    words.extend(["--seed".to_owned(), seed.to_string()]);
    for (path, value) in &here.sets {
        words.extend(["--set".to_owned(), format!("{path}={value}")]);
    }
    quoted(words)
}

fn write(args: &Gate, report: &GateReport) -> Result<(), Failure> {
    let (json, junit) = (json_text(report)?, report::junit(report));
    let (metrics, summary) = (report::open_metrics(report), report::summary(report));
    let page = report::page(report);
    files::write(
        &args.out,
        &[
            ("gate.json", json.as_bytes()),
            ("junit.xml", junit.as_bytes()),
            ("metrics.txt", metrics.as_bytes()),
            ("summary.md", summary.as_bytes()),
            ("index.html", page.as_bytes()),
        ],
    )?;
    if args.github {
        // Stdout may hold the JSON; the runner reads commands on either stream.
        eprint!("{}", report::annotations(report));
    }
    if let Some(path) = &args.github_summary {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(summary.as_bytes()))
            .map_err(|error| Failure::io("add to", path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcomes_codes_are_the_programs() {
        for outcome in [
            Outcome::Passed,
            Outcome::Regression,
            Outcome::ThresholdMissed,
            Outcome::NotComparable,
            Outcome::PromiseBroken,
        ] {
            assert_eq!(Exit::of_verdict(outcome.exit_code()).code(), outcome.exit_code());
        }
    }
}
