//! `stormglass hunt merge`: the directories of shards as one.

use super::folder::{self, FILES};
use super::gaps::{Gap, gaps};
use super::show::{self, Findings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_reports::hunt::{FailureRow, HuntResult, SeedShare};

const DEFAULT_DIR: &str = "stormglass-out/hunt-merged";

/// Adds up numbers, and keeps the folder of the lowest seed for each failure. Without some of the
/// shards the merge says what it lacks, and ends as a hunt that was cut short.
pub(in crate::commands) fn merge(
    dirs: &[PathBuf],
    out: Option<PathBuf>,
    output: Output,
) -> Result<Exit, Failure> {
    let out = out.unwrap_or_else(|| PathBuf::from(DEFAULT_DIR));
    let mut merged: Option<HuntResult> = None;
    let mut failures: BTreeMap<String, (FailureRow, &Path)> = BTreeMap::new();
    for dir in dirs {
        let Some(shard) = folder::read(dir)? else {
            let message = format!("{}: no hunt.json there", dir.display());
            return Err(Failure::new(Exit::InvalidScenario, message)
                .help("give the directories that `stormglass hunt --out` wrote"));
        };
        if let Some(merged) = &merged {
            check_seeds(merged, &shard, dir)?;
        }
        for row in &shard.failures {
            match failures.get_mut(&row.signature) {
                Some((known, from)) => {
                    if known.absorb(row) {
                        *from = dir;
                    }
                }
                None => drop(failures.insert(row.signature.clone(), (row.clone(), dir))),
            }
        }
        match &mut merged {
            Some(merged) => merged.absorb_numbers(&shard).map_err(|why| {
                let message = format!("{} is of another hunt: {why}", dir.display());
                Failure::new(Exit::InvalidScenario, message).help("merge shards of one hunt")
            })?,
            None => merged = Some(shard),
        }
    }
    let Some(mut merged) = merged else { return Err(Failure::usage("nothing to merge")) };
    folder::clear(&out)?;
    for (row, from) in failures.values() {
        copy(&from.join(&row.folder), &out.join(&row.folder))?;
    }
    merged.failures = failures.into_values().map(|(row, _)| row).collect();
    // what a merge before this one lacked may be here now
    merged.missing = gaps(&merged.shares).iter().map(Gap::to_string).collect();
    folder::write_result(&out, &merged)?;
    let exit = show::show(&Findings { result: &merged, took: None, dir: &out }, output)?;
    warn(&merged.missing, output);
    Ok(exit)
}

/// On stderr, too: whoever reads only numbers, or JSON, would take what is there for all of it.
fn warn(missing: &[String], output: Output) {
    for line in missing {
        output.note(&format!("warning: {line}"));
    }
    if !missing.is_empty() {
        output
            .note("  = help: run them with the --shard that they had, and merge all of them again");
    }
}

/// A seed of two hunts would count twice. Hunts of earlier versions do not say their seeds: two with the
/// same hash are taken for the same.
fn check_seeds(merged: &HuntResult, shard: &HuntResult, dir: &Path) -> Result<(), Failure> {
    let hunted =
        |one: &HuntResult| (one.version.clone(), one.scenario_digest.clone(), one.plant.clone());
    if hunted(merged) != hunted(shard) {
        // that they are hunts of something else is said as they are added up
        return Ok(());
    }
    let twice = |seeds: String| {
        let message =
            format!("{}: {seeds} in a hunt before it, and would count twice", dir.display());
        let help = "merge hunts that have no seed in common, such as the shards of one";
        Err(Failure::new(Exit::InvalidScenario, message).help(help))
    };
    if let Some((share, seed)) = merged.overlap(shard) {
        let SeedShare { from, to, .. } = share;
        return twice(format!("of its seeds {from}..{to}, {seed} is"));
    }
    let is_silent = merged.shares.is_empty() || shard.shares.is_empty();
    if is_silent && shard.seeds > 0 && merged.hash == shard.hash {
        return twice("its seeds are".to_owned());
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    for name in FILES {
        let file = from.join(name);
        match fs::read(&file) {
            Ok(bytes) => folder::whole(&to.join(name), &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::io("read", &file, &error)),
        }
    }
    Ok(())
}
