//! Damaged data directories: `cargo xtask fuzz dirs [dirs=N] [seed=N] [first=N] [jobs=N]`. A broker
//! is filled (see `fill`) and stopped, or killed; copies of its directory are damaged, and a broker
//! starts on each.
//!
//! It may refuse to start, with a message. If it serves, everything it returns is what was written
//! at that offset, and all is there that the damage has not touched: what lies before it in the same
//! log, and every other log, positions and transactions included. Afterwards it takes records again.
//! In either case every batch that the damage has not touched is on the disk as it was, in its log or
//! where that was set aside.
//!
//! One directory in eight has a torn tail: a log file, cut after every byte in turn.

use super::damage::{Damage, content, copy, files, torn_tail};
use super::disk::{self, Logs};
use super::fill::{Filled, check_orders, fill, is_cleaned};
use super::mutate::Mutator;
use super::tree::{is_readable, tree};
use super::written::{Aborted, TRIES, Truth, aborted, pause};
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stormglass_server::{Options, Server, Stopper};

/// Directories by default.
const DIRS: u64 = 10_000;
/// How many brokers run side by side by default: they wait more than they work.
const JOBS: u64 = 8;
/// A start that takes longer hangs.
const START_MAX: Duration = Duration::from_secs(60);
/// Most files that are damaged in one directory.
const FILES_MAX: u64 = 3;
/// Of so many directories one has a torn tail.
const TORN_EVERY: u64 = 8;
/// Bytes that a torn tail has lost at most: more than the newest batch has.
const TORN_MAX: u64 = 2500;
/// Few partitions of the coordinators' topics: each start loads them all.
const FEW: &str = "2";

static PANICS: AtomicU64 = AtomicU64::new(0);

/// A directory to damage copies of.
struct Template {
    dir: PathBuf,
    filled: Filled,
    logs: Logs,
    aborted: Aborted,
    clean: bool,
}

/// What became of a broker on a damaged directory.
#[derive(Debug)]
enum Outcome {
    Refused(String),
    Served,
    /// It serves, but has forgotten topics: its metadata was damaged.
    Forgotten,
}

/// What became of all directories.
#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<String, u64>,
    wrong: u64,
}

/// Runs all of it.
pub(super) fn dirs(words: &[&str]) -> Result<(), String> {
    let (mut first, mut count, mut seed, mut jobs) = (0, DIRS, 1, JOBS);
    for setting in super::settings(words) {
        let (key, value) = setting?;
        match key {
            "first" => first = value,
            "dirs" => count = value,
            "seed" => seed = value,
            "jobs" => jobs = value,
            _ => return Err(format!("`{key}`: there are first, dirs, seed and jobs")),
        }
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
    let work = std::env::temp_dir().join(format!("stormglass-fuzz-{}", std::process::id()));
    let templates = [template(&work.join("clean"), true)?, template(&work.join("killed"), false)?];
    let (next, tally) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    let outcome = thread::scope(|scope| {
        let run = || work_off(&work, &templates, seed, (&next, first + count), &tally);
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(run)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err("a worker has panicked".to_owned()))
        })
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let done: u64 = tally.outcomes.values().sum();
    println!("{done} damaged directories from {first} on (seed {seed}):");
    for (outcome, count) in &tally.outcomes {
        println!("{count:8}  {outcome}");
    }
    outcome?;
    match (tally.wrong, PANICS.load(Ordering::Relaxed)) {
        (0, 0) => fs::remove_dir_all(&work).map_err(|error| error.to_string()),
        (wrong, panics) => {
            Err(format!("{wrong} are wrong, {panics} panics; see {}", work.display()))
        }
    }
}

/// Takes one directory after the other. Each has random numbers of its own, so that it can be had
/// again by its number alone.
fn work_off(
    work: &Path,
    templates: &[Template; 2],
    seed: u64,
    (next, end): (&AtomicU64, u64),
    tally: &Mutex<Tally>,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", work.display());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return Ok(());
        }
        let mut random = Mutator::new(seed.wrapping_mul(1 << 32).wrapping_add(number));
        let template = &templates[random.below(2)];
        let dir = work.join(format!("damaged-{number}"));
        copy(&template.dir, &dir).map_err(failed)?;
        let damages = damage_some(&dir, number, &mut random).map_err(failed)?;
        let panics = PANICS.load(Ordering::Relaxed);
        let mut outcome = judge(template, &dir, &damages);
        if outcome.is_ok() && PANICS.load(Ordering::Relaxed) > panics {
            outcome = Err("a broker has panicked: this one, or one beside it".to_owned());
        }
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let word = outcome.as_ref().map_or_else(|_| "wrong".to_owned(), short);
        *tally.outcomes.entry(word).or_insert(0) += 1;
        let Err(message) = outcome else {
            drop(tally);
            fs::remove_dir_all(&dir).map_err(failed)?;
            continue;
        };
        tally.wrong += 1;
        let clean = if template.clean { "stopped" } else { "killed" };
        println!("directory {number} ({clean}): {message}");
        for Damage { path, from, kind, .. } in &damages {
            println!("  {} from {from}: {kind}", path.display());
        }
    }
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Served => "served".to_owned(),
        Outcome::Forgotten => "served, without all topics; their files are there".to_owned(),
        Outcome::Refused(message) => {
            let words: Vec<&str> = message.split(' ').filter(|word| !word.contains('/')).collect();
            format!("refused: {}", words.join(" "))
        }
    }
}

fn damage_some(dir: &Path, number: u64, random: &mut Mutator) -> std::io::Result<Vec<Damage>> {
    let files = files(dir)?;
    if number.is_multiple_of(TORN_EVERY) {
        let is_log = |file: &&PathBuf| file.extension().is_some_and(|e| e == "log");
        let logs: Vec<_> = files.iter().filter(is_log).collect();
        let bytes = 1 + (number / TORN_EVERY) % TORN_MAX;
        let log = logs[random.below(logs.len() as u64)];
        return Ok(torn_tail(dir, log, bytes as usize)?.into_iter().collect());
    }
    let mut damages = Vec::new();
    for _ in 0..=random.below(FILES_MAX) {
        let file = &files[random.below(files.len() as u64)];
        if random.below(4) == 0 {
            damages.extend(tree(dir, &files, random)?);
        } else if is_readable(file) {
            damages.extend(content(dir, file, random)?);
        }
    }
    Ok(damages)
}

fn template(dir: &Path, clean: bool) -> Result<Template, String> {
    let live = dir.join("live");
    let busy = [
        ("log.cleaner.backoff.ms", "50"),
        ("log.flush.offset.checkpoint.interval.ms", "100"),
        ("replica.high.watermark.checkpoint.interval.ms", "100"),
    ];
    let (server, stopper) = start(&live, &busy).map_err(|error| format!("no template: {error}"))?;
    let address = server.addresses()[0];
    let filled = fill(address)?;
    let [.., (payments, _)] = &filled.topics;
    let aborted = aborted(address, payments)?;
    let kept = dir.join("kept");
    let failed = |error: std::io::Error| format!("{}: {error}", kept.display());
    // what is copied while it runs is what a kill would leave; not while segments are replaced
    let logs = keep(&live, &kept)?;
    stopper.stop();
    server.wait().map_err(|error| error.to_string())?;
    let logs = if clean {
        fs::remove_dir_all(&kept).map_err(failed)?;
        copy(&live, &kept).map_err(failed)?;
        disk::logs(&kept).map_err(failed)?
    } else {
        logs
    };
    check_orders(&logs)?;
    Ok(Template { dir: kept, filled, logs, aborted, clean })
}

/// Copies a directory that is in use, once it has been cleaned and its checkpoints are written.
fn keep(live: &Path, kept: &Path) -> Result<Logs, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", live.display());
    let mut tries = 0;
    loop {
        // files come and go meanwhile
        let copied = copy(live, kept).and_then(|()| Ok((disk::logs(kept)?, files(kept)?)));
        if let Ok((logs, files)) = copied {
            let is_open =
                |name: &str| [".cleaned", ".swap", ".tmp"].iter().any(|e| name.ends_with(e));
            let is_whole = !files.iter().any(|file| file.to_str().is_some_and(is_open));
            let has = |name: &str| kept.join(name).exists();
            let has_all =
                has("recovery-point-offset-checkpoint") && has("cleaner-offset-checkpoint");
            if is_cleaned(&logs) && is_whole && has_all {
                return Ok(logs);
            }
        }
        if tries > TRIES / 10 {
            return Err(format!("{} is not cleaned", live.display()));
        }
        pause(&mut tries);
        fs::remove_dir_all(kept).map_err(failed)?;
    }
}

/// Starts a broker and waits until it serves.
fn start(dir: &Path, properties: &[(&str, &str)]) -> Result<(Server, Stopper), String> {
    let few = [
        ("offsets.topic.num.partitions", FEW),
        ("transaction.state.log.num.partitions", FEW),
        // the records are old, and a machine may be slow
        ("log.retention.ms", "-1"),
    ];
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let options = Options {
        data_dir: dir.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        advertised_host: None,
        brokers: 1,
        cluster_id: None,
        properties: properties.iter().chain(&few).map(owned).collect::<BTreeMap<_, _>>(),
    };
    let mut server = Server::start(&options, None).map_err(|error| error.to_string())?;
    let stopper = server.stopper();
    let (done, waiting) = channel::<()>();
    let watch = watch(stopper.clone(), waiting);
    let ready = server.ready().map_err(|error| error.to_string());
    drop(done);
    // it has nothing to say
    let _ = watch.join();
    match ready {
        Ok(true) => Ok((server, stopper)),
        Ok(false) => Err("HANGS: it does not get ready".to_owned()),
        Err(error) => Err(error),
    }
}

/// Stops a broker that does not get ready in time.
#[expect(clippy::disallowed_methods, reason = "`ready` waits as long as it takes")]
fn watch(stopper: Stopper, done: Receiver<()>) -> JoinHandle<()> {
    thread::spawn(move || {
        if done.recv_timeout(START_MAX) == Err(RecvTimeoutError::Timeout) {
            stopper.stop();
        }
    })
}

/// Starts a broker on a damaged directory and holds what it says against what was written.
fn judge(template: &Template, dir: &Path, damages: &[Damage]) -> Result<Outcome, String> {
    let Template { filled, logs, aborted, .. } = template;
    // nothing may change but by recovery
    let outcome = match start(dir, &[("log.cleaner.enable", "false")]) {
        Err(message) if message.contains("HANGS") => Err(message),
        Err(message) if !message.contains('/') && !message.contains("__cluster_metadata-0") => {
            Err(format!("does not say which file stops the start: {message}"))
        }
        Err(message) => Ok(Outcome::Refused(message)),
        Ok((server, stopper)) => {
            let truth = Truth { filled, logs, aborted, damages };
            let seen = truth.look(server.addresses()[0]);
            stopper.stop();
            let stopped = server.wait().map_err(|error| format!("does not stop: {error}"));
            match (seen, stopped) {
                (Ok(true), Ok(())) => Ok(Outcome::Served),
                (Ok(false), Ok(())) => Ok(Outcome::Forgotten),
                (Err(wrong), _) | (_, Err(wrong)) => Err(wrong),
            }
        }
    };
    let outcome = outcome?;
    disk::check_kept(logs, dir, damages)?;
    Ok(outcome)
}
