//! Damaged data directories: `cargo xtask fuzz dirs [dirs=N] [seed=N]`. A broker is filled (see
//! `fill`) and stopped, or killed; copies of its directory are damaged, and a broker starts on each.
//!
//! It may refuse to start, with a message. If it serves, everything it returns is what was written
//! at that offset, and all is there that the damage has not touched: what lies before it in the same
//! log, and every other log, positions and transactions included. Afterwards it takes records again.
//! In either case every batch that the damage has not touched is on the disk as it was, in its log or
//! where that was set aside.
//!
//! One directory in eight has a torn tail: the newest log files, cut after every byte in turn.

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
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stormglass_server::{Options, Server, Stopper};

/// Directories by default.
const DIRS: u64 = 10_000;
/// A start that takes longer hangs.
const START_MAX: Duration = Duration::from_secs(20);
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

/// Runs all of it.
pub(super) fn dirs(words: &[&str]) -> Result<(), String> {
    let (mut count, mut seed) = (DIRS, 1);
    for setting in super::settings(words) {
        let (key, value) = setting?;
        match key {
            "dirs" => count = value,
            "seed" => seed = value,
            _ => return Err(format!("`{key}`: there are dirs and seed")),
        }
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
    let work = std::env::temp_dir().join(format!("stormglass-fuzz-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("{}: {error}", work.display());
    let templates = [template(&work.join("clean"), true)?, template(&work.join("killed"), false)?];
    let mut random = Mutator::new(seed);
    let (mut tally, mut wrong) = (BTreeMap::new(), Vec::new());
    for number in 0..count {
        let template = &templates[random.below(2)];
        let dir = work.join("damaged");
        copy(&template.dir, &dir).map_err(failed)?;
        let damages = damage_some(&dir, number, &mut random).map_err(failed)?;
        let outcome = judge(template, &dir, &damages);
        let word = match &outcome {
            Ok(outcome) => short(outcome),
            Err(_) => "wrong".to_owned(),
        };
        *tally.entry(word).or_insert(0_u64) += 1;
        if let Err(message) = outcome {
            let clean = if template.clean { "stopped" } else { "killed" };
            println!("directory {number} ({clean}): {message}");
            for Damage { path, from, kind, .. } in &damages {
                println!("  {} from {from}: {kind}", path.display());
            }
            let kept = work.join(format!("wrong-{number}"));
            fs::rename(&dir, &kept).map_err(failed)?;
            wrong.push(number);
        } else {
            fs::remove_dir_all(&dir).map_err(failed)?;
        }
    }
    println!("{count} damaged directories (seed {seed}):");
    for (outcome, count) in tally {
        println!("{count:8}  {outcome}");
    }
    match (wrong.len(), PANICS.load(Ordering::Relaxed)) {
        (0, 0) => fs::remove_dir_all(&work).map_err(failed),
        (wrong, panics) => {
            Err(format!("{wrong} are wrong, {panics} panics; see {}", work.display()))
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
    let (payments, _) = filled.topics.last().ok_or("no topics")?;
    let aborted = aborted(address, payments)?;
    let kept = dir.join("kept");
    let failed = |error: std::io::Error| format!("{}: {error}", kept.display());
    // what is copied while it runs is what a kill would leave; not while segments are replaced
    let logs = keep(&live, &kept)?;
    let logs = if clean {
        stopper.stop();
        server.wait().map_err(|error| error.to_string())?;
        fs::remove_dir_all(&kept).map_err(failed)?;
        copy(&live, &kept).map_err(failed)?;
        disk::logs(&kept).map_err(failed)?
    } else {
        stopper.stop();
        server.wait().map_err(|error| error.to_string())?;
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
    let few =
        [("offsets.topic.num.partitions", FEW), ("transaction.state.log.num.partitions", FEW)];
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
    let panics = PANICS.load(Ordering::Relaxed);
    let Template { filled, logs, aborted, .. } = template;
    // nothing may change but by recovery
    let outcome = match start(dir, &[("log.cleaner.enable", "false")]) {
        Err(message) if message.contains("HANGS") => Err(message),
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
    if PANICS.load(Ordering::Relaxed) > panics {
        return Err("panicked".to_owned());
    }
    let outcome = outcome?;
    disk::check_kept(logs, dir, damages)?;
    Ok(outcome)
}
