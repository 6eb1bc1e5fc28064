//! How good the hunter is: every bug that can be planted is planted, one at a time, and hunted with
//! the same seeds until enough of them show it. Writes the table of docs/planted-bugs.md, missed ones
//! included.
//!
//! The binary is built optimised and with debug assertions (profile `hunt`): the feature
//! `planted-bugs` does not build without them. Nothing is asserted here: the page says what is found.

mod page;
mod rows;

use crate::ci::root;
use rows::{Row, Rows};
use serde_json::Value;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use stormglass_broker_core::plant::Plant;

/// Seeds that a bug is hunted with at most; `seeds=N` says otherwise.
const SEEDS: u64 = 2_000;
/// Seeds that show a bug are enough to know how often it shows; `enough=N` says otherwise.
const ENOUGH: u64 = 3;
/// Seeds of the first hunt for a bug; each one after it is as long as all before.
const STEP_FIRST: u64 = 10;
/// Seeds of a hunt at most: what is found in one that is longer is found late.
const STEP_MAX: u64 = 200;
/// Ticks of the kernel's clock per second, as /proc counts CPU time.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was asked for.
struct Request<'a> {
    names: Vec<&'a str>,
    seeds: u64,
    enough: u64,
    shrink: bool,
    binary: Option<&'a str>,
    rows: Option<&'a str>,
}

/// Hunts all bugs, or those that are named, and writes the page. `seeds=N` and `enough=N` change when
/// a hunt ends, `shrink=yes` makes a small plan for each bug; `rows=FILE` keeps what was measured, so
/// that a measurement that was cut short, or wants more seeds, goes on where it was; `binary=FILE` has
/// the bugs already.
pub(crate) fn planted(words: &[&str]) -> Result<(), String> {
    let request = read(words)?;
    let binary = request.binary.map_or_else(build, |path| Ok(PathBuf::from(path)))?;
    let out = std::env::temp_dir().join(format!("stormglass-planted-{}", std::process::id()));
    let mut rows = Rows::read(request.rows.map(PathBuf::from))?;
    let hunter = Hunter { binary: &binary, out: &out };
    let wanted = |name: &str| request.names.is_empty() || request.names.contains(&name);
    for (name, _) in Plant::ALL.into_iter().filter(|(name, _)| wanted(name)) {
        let mut row = rows.row(name);
        while row.seeds < request.seeds && row.shown < request.enough {
            let step = row.seeds.clamp(STEP_FIRST, STEP_MAX);
            let upto = (row.seeds + step).min(request.seeds);
            hunter.hunt(&mut row, upto, &mut rows)?;
            rows.put(row.clone())?;
        }
        if let Some(first) = row.first.filter(|_| request.shrink && row.shrunk.is_none()) {
            row.shrunk = hunter.shrink(name, first)?;
        }
        println!("{name}: {} of {} seeds, {}", row.shown, row.seeds, row.checkers());
        rows.put(row)?;
    }
    let _ = fs::remove_dir_all(&out);
    let command = format!("cargo xtask planted {}", words.join(" "));
    let table = page::table(&rows, command.trim());
    if request.names.is_empty() {
        page::write(&table)
    } else {
        print!("{table}");
        Ok(())
    }
}

fn read<'a>(words: &[&'a str]) -> Result<Request<'a>, String> {
    let mut request = Request {
        names: Vec::new(),
        seeds: SEEDS,
        enough: ENOUGH,
        shrink: false,
        binary: None,
        rows: None,
    };
    for word in words {
        let number = |text: &str| text.parse().map_err(|_| format!("`{word}` has no number"));
        match word.split_once('=') {
            Some(("seeds", text)) => request.seeds = number(text)?,
            Some(("enough", text)) => request.enough = number(text)?,
            Some(("shrink", text)) => request.shrink = text != "no",
            Some(("binary", text)) => request.binary = Some(text),
            Some(("rows", text)) => request.rows = Some(text),
            _ if Plant::by_name(word).is_some() => request.names.push(word),
            _ => {
                let known = "seeds=, enough=, shrink=, rows=, binary=";
                return Err(format!("`{word}` is no planted bug, and none of {known}"));
            }
        }
    }
    Ok(request)
}

/// A program with the bugs, optimised and with debug assertions.
pub(crate) fn build() -> Result<PathBuf, String> {
    let words = ["build", "--quiet", "--profile", "hunt", "--features", "planted-bugs"];
    let status = Command::new(env!("CARGO")).args(words).current_dir(root()).status();
    match status {
        Ok(status) if status.success() => Ok(root().join("target").join("hunt").join("stormglass")),
        Ok(status) => Err(format!("the build failed: {status}")),
        Err(error) => Err(format!("cannot run cargo: {error}")),
    }
}

/// Runs hunts.
struct Hunter<'a> {
    binary: &'a Path,
    out: &'a Path,
}

impl Hunter<'_> {
    /// Hunts a bug with more seeds. A seed that fails without it, too, does not show it.
    fn hunt(&self, row: &mut Row, upto: u64, rows: &mut Rows) -> Result<(), String> {
        let before = children_cpu_s();
        let found = self.call(Some(&row.name), row.seeds + 1..upto + 1, false)?;
        row.cpu_s += children_cpu_s() - before;
        row.seeds = upto;
        for failure in found["failures"].as_array().into_iter().flatten() {
            let seeds = failure["seeds"].as_array().cloned().unwrap_or_default();
            let mut count = failure["count"].as_u64().unwrap_or(0);
            let checker = failure["checker"].as_str().unwrap_or("?");
            for seed in seeds.iter().filter_map(Value::as_u64) {
                if self.is_sound(seed, rows)? {
                    row.first = Some(row.first.map_or(seed, |first| first.min(seed)));
                } else {
                    count -= 1;
                }
            }
            row.showed(checker, count);
        }
        Ok(())
    }

    /// Whether a seed keeps every promise without a bug.
    fn is_sound(&self, seed: u64, rows: &mut Rows) -> Result<bool, String> {
        if let Some(known) = rows.sound.get(&seed) {
            return Ok(*known);
        }
        let found = self.call(None, seed..seed + 1, false)?;
        let sound = found["failed"].as_u64() == Some(0);
        rows.sound.insert(seed, sound);
        Ok(sound)
    }

    /// Events that are left of the plan of a seed.
    fn shrink(&self, plant: &str, seed: u64) -> Result<Option<u64>, String> {
        let found = self.call(Some(plant), seed..seed + 1, true)?;
        Ok(found["failures"][0]["shrunk_events"].as_u64())
    }

    fn call(&self, plant: Option<&str>, seeds: Range<u64>, shrink: bool) -> Result<Value, String> {
        let mut command = Command::new(self.binary);
        let seeds = format!("{}..{}", seeds.start, seeds.end);
        command.args(["hunt", "swarm", "--json", "--jobs", "1", "--seeds", &seeds]);
        command.arg("--out").arg(self.out);
        if let Some(plant) = plant {
            command.args(["--plant", plant]);
        }
        if shrink {
            command.arg("--shrink");
        }
        let output = command.output().map_err(|error| format!("cannot hunt: {error}"))?;
        serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("no findings: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// CPU time of all processes that this one has waited for, s; 0 where /proc does not tell.
fn children_cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // the name may hold spaces; after it come state and numbers, the children's times 14th and 15th
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks =
        |at: usize| rest.split_whitespace().nth(at).and_then(|text| text.parse::<u64>().ok());
    (ticks(13).unwrap_or(0) + ticks(14).unwrap_or(0)) as f64 / TICKS_PER_SECOND
}
