//! Damaged data directories: `cargo xtask fuzz dirs [dirs=N] [seed=N]`. A broker is filled and
//! stopped, or killed; files of copies of its directory are damaged, and a broker starts on each.
//!
//! It may refuse to start, with a message. If it serves, everything it returns is what was written
//! at that offset, and all is there that the damage has not touched: what lies before it in the same
//! log, and every other log. Afterwards it takes records again. A log whose name or metadata is lost
//! is set aside, and a refusal changes no log.

use super::asker::Topic;
use super::damage::{Damage, copy, damage, files};
use super::mutate::Mutator;
use super::written::{Written, fill, look};
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

static PANICS: AtomicU64 = AtomicU64::new(0);

/// A directory to damage copies of.
struct Template {
    dir: PathBuf,
    topic: Topic,
    written: Written,
    clean: bool,
}

/// What became of a broker on a damaged directory.
#[derive(Debug)]
enum Outcome {
    Refused(String),
    Served,
    /// It serves, but has forgotten the topic: its metadata was damaged.
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
        let damages = damage_some(&dir, &mut random).map_err(failed)?;
        let outcome = judge(template, &dir, &damages);
        let word = match &outcome {
            Ok(outcome) => short(outcome),
            Err(_) => "wrong".to_owned(),
        };
        *tally.entry(word).or_insert(0_u64) += 1;
        if let Err(message) = outcome {
            let clean = if template.clean { "stopped" } else { "killed" };
            println!("directory {number} ({clean}): {message}");
            for Damage { path, from, kind } in &damages {
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
        Outcome::Forgotten => "served, without the topic; its files are there".to_owned(),
        Outcome::Refused(message) => {
            let words: Vec<&str> = message.split(' ').filter(|word| !word.contains('/')).collect();
            format!("refused: {}", words.join(" "))
        }
    }
}

fn damage_some(dir: &Path, random: &mut Mutator) -> std::io::Result<Vec<Damage>> {
    let files = files(dir)?;
    let mut damages = Vec::new();
    for _ in 0..=random.below(FILES_MAX) {
        let file = &files[random.below(files.len() as u64)];
        // one of them may be gone by now
        if file.exists() {
            damages.extend(damage(dir, file, random)?);
        }
    }
    Ok(damages)
}

fn template(dir: &Path, clean: bool) -> Result<Template, String> {
    let live = dir.join("live");
    let (server, stopper) = start(&live).map_err(|error| format!("no template: {error}"))?;
    let (topic, written) = fill(server.addresses()[0])?;
    let kept = dir.join("kept");
    let keep = || copy(&live, &kept).map_err(|error| format!("{}: {error}", kept.display()));
    // what is copied while it runs is what a kill would leave
    if !clean {
        keep()?;
    }
    stopper.stop();
    server.wait().map_err(|error| error.to_string())?;
    if clean {
        keep()?;
    }
    Ok(Template { dir: kept, topic, written, clean })
}

/// Starts a broker and waits until it serves.
fn start(dir: &Path) -> Result<(Server, Stopper), String> {
    let options = Options {
        data_dir: dir.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        advertised_host: None,
        brokers: 1,
        cluster_id: None,
        properties: BTreeMap::new(),
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
    let outcome = match start(dir) {
        Err(message) if message.contains("HANGS") => Err(message),
        Err(message) => unchanged(template, dir, damages, true).map(|()| Outcome::Refused(message)),
        Ok((server, stopper)) => {
            let seen = look(server.addresses()[0], &template.topic, &template.written, damages);
            stopper.stop();
            let stopped = server.wait().map_err(|error| format!("does not stop: {error}"));
            match (seen, stopped) {
                (Ok(true), Ok(())) => {
                    unchanged(template, dir, damages, false).map(|()| Outcome::Served)
                }
                (Ok(false), Ok(())) => {
                    unchanged(template, dir, damages, true).map(|()| Outcome::Forgotten)
                }
                (Err(wrong), _) | (_, Err(wrong)) => Err(wrong),
            }
        }
    };
    if PANICS.load(Ordering::Relaxed) > panics { Err("panicked".to_owned()) } else { outcome }
}

/// The topic's logs are there, byte for byte, aside if not in their place; or only those of the
/// partitions whose names were damaged. Logs that were damaged themselves are not looked at: recovery
/// cuts them.
fn unchanged(template: &Template, dir: &Path, damages: &[Damage], all: bool) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let now = files(dir).map_err(text)?;
    for file in files(&template.dir).map_err(text)? {
        let path = file.strip_prefix(&template.dir).unwrap_or(&file);
        let Some(log) = path.parent().and_then(Path::to_str) else { continue };
        let of_log = || damages.iter().filter(|damage| damage.path.starts_with(log));
        let nameless = of_log().any(|damage| damage.path.ends_with("partition.metadata"));
        let wanted = log.starts_with("orders-") && is_log(path) && (all || nameless);
        if !wanted || of_log().any(|damage| is_log(&damage.path)) {
            continue;
        }
        let before = fs::read(&file).map_err(text)?;
        let same = |found: &&PathBuf| {
            let its = found.parent().and_then(|dir| dir.file_name()).and_then(|dir| dir.to_str());
            let is_its = |its: &str| its == log || its.starts_with(&format!("{log}."));
            found.file_name() == path.file_name()
                && its.is_some_and(is_its)
                && fs::read(found).is_ok_and(|now| now.starts_with(&before))
        };
        if !now.iter().any(|found| same(&found)) {
            return Err(format!("{} was changed or deleted", path.display()));
        }
    }
    Ok(())
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "log")
}
