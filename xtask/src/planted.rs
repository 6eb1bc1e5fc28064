//! How good the hunter is: every bug that can be planted is planted, one at a time, and hunted with
//! the same seeds. Writes docs/planted-bugs.md, missed ones included.
//!
//! The binary is built optimised and with debug assertions (profile `hunt`): the feature
//! `planted-bugs` does not build without them. Nothing is asserted here: the page says what is found.

use crate::ci::root;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use stormglass_broker_core::plant::Plant;

/// Seeds that every bug is hunted with.
const SEEDS_FIRST: u64 = 24;
/// Seeds for a bug that those did not show.
const SEEDS_MORE: u64 = 240;

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
    /// Wall time of all seeds, ms, with one job.
    wall_ms: u64,
}

/// Hunts all bugs and writes the page. `only`: names of bugs, all if there are none.
pub(crate) fn planted(only: &[&str]) -> Result<(), String> {
    let binary = build()?;
    let out = std::env::temp_dir().join(format!("stormglass-planted-{}", std::process::id()));
    let sound = hunt(&binary, &out, None, SEEDS_MORE)?;
    println!("no bug: {} of {} seeds failed", sound.failed, sound.seeds);
    let mut rows = Vec::new();
    let wanted = |name: &str| only.is_empty() || only.contains(&name);
    for (name, _) in Plant::ALL.into_iter().filter(|(name, _)| wanted(name)) {
        let mut row = hunt(&binary, &out, Some(name), SEEDS_FIRST)?;
        if row.failed == 0 {
            row = hunt(&binary, &out, Some(name), SEEDS_MORE)?;
        }
        println!("{name}: {} of {} seeds, {}", row.failed, row.seeds, row.checker);
        rows.push(row);
    }
    let page = page(&sound, &rows);
    let _ = fs::remove_dir_all(&out);
    if only.is_empty() {
        let path = root().join("docs/planted-bugs.md");
        fs::write(&path, page).map_err(|error| format!("docs/planted-bugs.md: {error}"))?;
        println!("docs/planted-bugs.md is written");
    } else {
        print!("{page}");
    }
    Ok(())
}

fn build() -> Result<PathBuf, String> {
    let words = ["build", "--quiet", "--profile", "hunt", "--features", "planted-bugs"];
    let status = Command::new(env!("CARGO")).args(words).current_dir(root()).status();
    match status {
        Ok(status) if status.success() => Ok(root().join("target/hunt/stormglass")),
        Ok(status) => Err(format!("the build failed: {status}")),
        Err(error) => Err(format!("cannot run cargo: {error}")),
    }
}

fn hunt(binary: &Path, out: &Path, plant: Option<&'static str>, seeds: u64) -> Result<Row, String> {
    let dir = out.join(plant.unwrap_or("none"));
    let mut command = Command::new(binary);
    command.args([
        "hunt",
        "swarm",
        "--jobs",
        "1",
        "--json",
        "--seeds",
        &format!("1..{}", seeds + 1),
    ]);
    command.arg("--out").arg(&dir);
    if let Some(plant) = plant {
        command.args(["--shrink", "--plant", plant]);
    }
    let output = command.output().map_err(|error| format!("cannot hunt: {error}"))?;
    let error = |what: &str| format!("{what}: {}", String::from_utf8_lossy(&output.stderr));
    let found: Value =
        serde_json::from_slice(&output.stdout).map_err(|_| error("the hunt said nothing"))?;
    let speed = fs::read_to_string(dir.join("speed.json")).map_err(|_| error("no speed.json"))?;
    let speed: Value = serde_json::from_str(&speed).map_err(|_| error("no speed"))?;
    let count = |of: &Value, key: &str| of[key].as_u64().unwrap_or(0);
    let failures = found["failures"].as_array().cloned().unwrap_or_default();
    let top =
        failures.iter().max_by_key(|row| (count(row, "count"), u64::MAX - count(row, "seed")));
    Ok(Row {
        name: plant.unwrap_or("none"),
        seeds: count(&found, "seeds"),
        failed: count(&found, "failed"),
        first: failures.iter().map(|row| count(row, "seed")).min(),
        checker: checkers(&failures),
        shrunk: top.and_then(|row| row["shrunk_events"].as_u64()),
        wall_ms: count(&speed, "wall_ms"),
    })
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
    let share = row.failed as f64 / row.seeds as f64;
    match row.failed {
        0 => None,
        _ if share >= 0.5 => Some(1),
        _ => Some((0.5_f64.ln() / (1.0 - share).ln()).ceil() as u64),
    }
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
        "| bug | seeds that show it | first | median seeds | wall s to find | checkers that fired | \
         events after shrinking |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let or_none = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let per_seed_s = row.wall_ms as f64 / 1_000.0 / row.seeds.max(1) as f64;
        let wall = median_seeds(row).map(|seeds| format!("{:.1}", seeds as f64 * per_seed_s));
        let _ = writeln!(
            page,
            "| {} | {} of {} | {} | {} | {} | {} | {} |",
            row.name,
            row.failed,
            row.seeds,
            or_none(row.first),
            or_none(median_seeds(row)),
            wall.unwrap_or("-".to_owned()),
            if row.checker.is_empty() { "**missed**" } else { &row.checker },
            or_none(row.shrunk)
        );
    }
    page
}
