//! `stormglass hunt merge`: the directories of shards as one.

use super::folder::{self, FILES};
use super::show;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use stormglass_reports::hunt::{FailureRow, HuntResult};

const DEFAULT_DIR: &str = "stormglass-out/hunt-merged";

/// Adds up numbers, and keeps the folder of the lowest seed for each failure.
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
    folder::write_result(&out, &merged)?;
    show::show(&merged, None, &out, output)
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
