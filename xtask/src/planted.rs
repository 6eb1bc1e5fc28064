//! How good the hunter is: every bug that can be planted is planted, one at a time, and hunted with
//! the same seeds. Writes docs/planted-bugs.md, missed ones included.
//!
//! The binary is built optimised and with debug assertions (profile `hunt`): the feature
//! `planted-bugs` does not build without them. Nothing is asserted here: the page says what is found.

use crate::ci::root;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use stormglass_broker_core::plant::Plant;

/// Seeds that every bug is hunted with; `seeds=N` says otherwise.
const SEEDS_FIRST: u64 = 40;
/// Seeds for a bug that those did not show, and without a bug; `more=N` says otherwise.
const SEEDS_MORE: u64 = 400;
/// Ticks of the kernel's clock per second, as /proc counts CPU time.
const TICKS_PER_SECOND: f64 = 100.0;

const HEAD: &str = "# Planted bugs\n\n\
Bugs of Kafka's past (and a few of our own making), put back one at a time behind `--plant`, and \
hunted with `stormglass hunt`. Written by `cargo xtask planted`; the docs of \
`broker-core/src/plant.rs` say what each one does.\n\n";

/// What a hunt for one bug gave.
struct Row {
    name: &'static str,
    seeds: u64,
    failed: u64,
    first: Option<u64>,
    checker: String,
    shrunk: Option<u64>,
    /// CPU time of all seeds, s.
    cpu_s: f64,
}

/// What was asked for.
struct Request<'a> {
    names: Vec<&'a str>,
    seeds: u64,
    more: u64,
    shrink: bool,
}

/// Hunts all bugs and writes the page; with the names of some, hunts those and prints it. `seeds=N`
/// and `more=N` change how many seeds there are, `shrink=no` leaves out the small plans.
pub(crate) fn planted(words: &[&str]) -> Result<(), String> {
    let request = read(words)?;
    let binary = build()?;
    let out = std::env::temp_dir().join(format!("stormglass-planted-{}", std::process::id()));
    let sound = hunt(&binary, &out, None, 1..request.more.max(request.seeds) + 1)?;
    println!("no bug: {} of {} seeds failed", sound.failed, sound.seeds);
    let mut rows = Vec::new();
    let wanted = |name: &str| request.names.is_empty() || request.names.contains(&name);
    for (name, _) in Plant::ALL.into_iter().filter(|(name, _)| wanted(name)) {
        let mut row = hunt(&binary, &out, Some(name), 1..request.seeds + 1)?;
        if row.failed == 0 && request.more > request.seeds {
            row = hunt(&binary, &out, Some(name), 1..request.more + 1)?;
        }
        if let Some(first) = row.first.filter(|_| request.shrink) {
            row.shrunk = shrink(&binary, &out, name, first)?;
        }
        println!("{name}: {} of {} seeds, {}", row.failed, row.seeds, row.checker);
        rows.push(row);
    }
    let page = page(&sound, &rows);
    let _ = fs::remove_dir_all(&out);
    if request.names.is_empty() {
        let path = root().join("docs/planted-bugs.md");
        fs::write(&path, page).map_err(|error| format!("docs/planted-bugs.md: {error}"))?;
        println!("docs/planted-bugs.md is written");
    } else {
        print!("{page}");
    }
    Ok(())
}

fn read<'a>(words: &[&'a str]) -> Result<Request<'a>, String> {
    let (seeds, more) = (SEEDS_FIRST, SEEDS_MORE);
    let mut request = Request { names: Vec::new(), seeds, more, shrink: true };
    for word in words {
        let number = |text: &str| text.parse().map_err(|_| format!("`{word}` has no number"));
        match word.split_once('=') {
            Some(("seeds", text)) => request.seeds = number(text)?,
            Some(("more", text)) => request.more = number(text)?,
            Some(("shrink", text)) => request.shrink = text != "no",
            _ if Plant::by_name(word).is_some() => request.names.push(word),
            _ => {
                return Err(format!(
                    "`{word}` is no planted bug, and none of seeds=, more=, shrink="
                ));
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

fn hunt(
    binary: &Path,
    out: &Path,
    plant: Option<&'static str>,
    seeds: Range<u64>,
) -> Result<Row, String> {
    let dir = out.join(plant.unwrap_or("none"));
    let before = children_cpu_s();
    let found = call(binary, &dir, plant, seeds, false)?;
    let failures = found["failures"].as_array().cloned().unwrap_or_default();
    Ok(Row {
        name: plant.unwrap_or("none"),
        seeds: count(&found, "seeds"),
        failed: count(&found, "failed"),
        first: failures.iter().map(|row| count(row, "seed")).min(),
        checker: checkers(&failures),
        shrunk: None,
        cpu_s: children_cpu_s() - before,
    })
}

/// Events that are left of the plan of a seed.
fn shrink(
    binary: &Path,
    out: &Path,
    plant: &'static str,
    seed: u64,
) -> Result<Option<u64>, String> {
    let found = call(binary, &out.join("shrunk"), Some(plant), seed..seed + 1, true)?;
    Ok(found["failures"][0]["shrunk_events"].as_u64())
}

fn call(
    binary: &Path,
    dir: &Path,
    plant: Option<&'static str>,
    seeds: Range<u64>,
    shrink: bool,
) -> Result<Value, String> {
    let mut command = Command::new(binary);
    let seeds = format!("{}..{}", seeds.start, seeds.end);
    command.args(["hunt", "swarm", "--json", "--seeds", &seeds]).arg("--out").arg(dir);
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

fn count(of: &Value, key: &str) -> u64 {
    of[key].as_u64().unwrap_or(0)
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

/// Checkers that fired, the one that did so most often first.
fn checkers(failures: &[Value]) -> String {
    let mut counts: Vec<(u64, String)> = Vec::new();
    for row in failures {
        let name = row["checker"].as_str().unwrap_or("?").to_owned();
        let count = row["count"].as_u64().unwrap_or(0);
        match counts.iter_mut().find(|(_, known)| *known == name) {
            Some((sum, _)) => *sum += count,
            None => counts.push((count, name)),
        }
    }
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    counts.into_iter().take(3).map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

/// Seeds after which half of all hunts have found it, from the share of seeds that show it.
fn median_seeds(row: &Row) -> Option<u64> {
    let missed = 1.0 - row.failed as f64 / row.seeds as f64;
    let mut still_hidden = 1.0;
    // at most some seven tenths of the seeds that were run
    (1..=row.seeds).find(|_| {
        still_hidden *= missed;
        still_hidden <= 0.5
    })
}

fn page(sound: &Row, rows: &[Row]) -> String {
    let mut page = String::from(HEAD);
    let found = rows.iter().filter(|row| row.failed > 0).count();
    let mut medians: Vec<u64> = rows.iter().filter_map(median_seeds).collect();
    medians.sort_unstable();
    let _ = writeln!(
        page,
        "Found: **{found} of {}**. Median over the bugs found of the median number of seeds to find \
         one: {}. Without a bug, {} of {} seeds failed.\n",
        rows.len(),
        medians.get(medians.len() / 2).map_or("-".to_owned(), u64::to_string),
        sound.failed,
        sound.seeds
    );
    page.push_str(
        "| bug | seeds that show it | first | median seeds | CPU s to find | checkers that fired | \
         events after shrinking |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let or_none = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let per_seed_s = row.cpu_s / row.seeds.max(1) as f64;
        let cpu = median_seeds(row).map(|seeds| format!("{:.1}", seeds as f64 * per_seed_s));
        let _ = writeln!(
            page,
            "| {} | {} of {} | {} | {} | {} | {} | {} |",
            row.name,
            row.failed,
            row.seeds,
            or_none(row.first),
            or_none(median_seeds(row)),
            cpu.unwrap_or("-".to_owned()),
            if row.checker.is_empty() { "**missed**" } else { &row.checker },
            or_none(row.shrunk)
        );
    }
    page
}
