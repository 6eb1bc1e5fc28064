//! Frames that no client would send: `cargo xtask fuzz [frames=N] [seed=N] [live=N]`. Frames of real
//! clients (fuzz/corpus/frames) are damaged, cut, joined and stretched, a million of them by default,
//! and decoded as the broker decodes them; what a node of the cluster would say is put through the
//! same. Then some thousands (`live=N`) go to a running `stormglass serve`.
//!
//! `cargo xtask fuzz dirs [dirs=N] [seed=N]` damages data directories instead, see `dirs`.
//!
//! Nothing may panic, memory may not grow with what a length claims, and the broker must serve a
//! well-behaved client afterwards. Needs no special compiler, and knows nothing of coverage.

mod asker;
mod damage;
mod dirs;
mod disk;
mod fill;
mod live;
mod mutate;
mod tree;
mod written;

use crate::ci::root;
use mutate::Mutator;
use std::fs;
use stormglass_fuzz::Frame;

/// Frames by default.
const FRAMES: u64 = 1_000_000;
/// Frames to a running broker by default.
const LIVE: u64 = 20_000;
/// Resident memory that decoding small frames may take in all, KiB.
const PEAK_KIB_MAX: u64 = 512 << 10;

/// What became of the frames.
#[derive(Debug, Default)]
struct Tally {
    asked: u64,
    answered: u64,
    refused: u64,
}

/// Runs all of it.
pub(crate) fn fuzz(words: &[&str]) -> Result<(), String> {
    if let ["dirs", words @ ..] = words {
        return dirs::dirs(words);
    }
    let (mut frames, mut seed, mut live) = (FRAMES, 1, LIVE);
    for setting in settings(words) {
        let (key, value) = setting?;
        match key {
            "frames" => frames = value,
            "seed" => seed = value,
            "live" => live = value,
            _ => return Err(format!("`{key}`: there are frames, seed and live")),
        }
    }
    let corpus = corpus()?;
    let mut mutator = Mutator::new(seed);
    let mut tally = Tally::default();
    for _ in 0..frames {
        decode(&mutator.frame(&corpus), &mut tally);
    }
    let peak = peak_kib("self")?;
    println!("{frames} frames (seed {seed}): {tally:?}, peak memory {} MiB", peak >> 10);
    if peak > PEAK_KIB_MAX {
        return Err(format!("decoding took {peak} KiB: a length was believed"));
    }
    if live == 0 { Ok(()) } else { live::live(&corpus, &mut mutator, live) }
}

/// Words of the form `KEY=N`.
fn settings<'a>(words: &'a [&str]) -> impl Iterator<Item = Result<(&'a str, u64), String>> {
    words.iter().map(|word| {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not KEY=N"))?;
        Ok((key, value.parse().map_err(|_| format!("`{word}`: not a number"))?))
    })
}

/// Frames of real clients, in order of name.
fn corpus() -> Result<Vec<Vec<u8>>, String> {
    let dir = root().join("fuzz/corpus/frames");
    let failed = |error: std::io::Error| format!("no corpus in {}: {error}", dir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(&dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    paths.iter().map(|path| fs::read(path).map_err(failed)).collect()
}

fn decode(frame: &[u8], tally: &mut Tally) {
    match stormglass_fuzz::frames(frame) {
        Frame::Asks => tally.asked += 1,
        Frame::Answered => tally.answered += 1,
        Frame::Refused => tally.refused += 1,
    }
    stormglass_fuzz::nodes(frame);
    stormglass_fuzz::batches(frame);
}

/// Largest resident memory of a process so far, KiB.
fn peak_kib(process: &str) -> Result<u64, String> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("{path} does not tell the peak"))
}
