//! Real clients against `stormglass serve`: `cargo xtask conformance` starts a cluster of one broker
//! and one of three, runs what is in xtask/conformance against them, and writes docs/conformance.md.
//! Words after the name choose clients (`conformance kcat java`), whose table is only printed.
//!
//! Every client checks its own answers. Here is who is asked what, for how long, and what is made of
//! it. A client that cannot be installed is skipped and never counts as passed.

mod apache;
mod clients;
pub(crate) mod cluster;
pub(crate) mod differential;
mod page;
mod versus;

use crate::ci::root;
use clients::{CLIENTS, Client, Installed};
use cluster::Cluster;
pub(crate) use differential::differential;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
pub(crate) use versus::{ROUNDS, versus};

/// What is asked of every client.
pub(crate) const FEATURES: [(&str, &str); 8] = [
    ("codecs", "every codec"),
    ("records", "keys, headers, times"),
    ("groups", "groups"),
    ("consumers", "consumer protocol"),
    ("admin", "administration"),
    ("large", "large records"),
    ("partitions", "10,000 partitions"),
    ("transactions", "transactions"),
];

/// Sizes of the clusters.
const CLUSTERS: [u16; 2] = [1, 3];
/// Longest run of one feature, s.
const SECONDS_MAX: &str = "300";
/// Exit code of a client that has no such feature.
const NOT_OFFERED: i32 = 3;
/// Exit code of `timeout` when the time was over.
const TIMED_OUT: i32 = 124;

/// What became of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With what was done.
    Passed(String),
    /// With what went wrong.
    Failed(String),
    /// It fails, and the reason is known.
    Explained(&'static str),
    /// The client has no such feature.
    NotOffered,
    /// The client could not be installed.
    Skipped,
}

/// A client and what became of it: per cluster, per feature.
pub(crate) struct Row {
    pub(crate) client: &'static Client,
    /// Version, or why it could not be installed.
    pub(crate) version: Result<String, String>,
    /// In the order of [`FEATURES`], by the brokers of the cluster.
    pub(crate) outcomes: Vec<(u16, Vec<Outcome>)>,
}

/// Failures that are known and why. An entry whose feature passes is an error: it is out of date.
const EXPLAINED: [(&str, &str, &str); 0] = [];

/// Runs all clients, or those that are named, against a build of its own or the given one.
pub(crate) fn conformance(given: Option<&str>, names: &[&str]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| CLIENTS.iter().all(|c| c.name != **name)) {
        let known: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        return Err(format!("no client `{unknown}`; there are {}", known.join(", ")));
    }
    let binary = given.map_or_else(cluster::build, |given| Ok(root().join(given)))?;
    let wanted = |client: &&Client| names.is_empty() || names.contains(&client.name);
    let mut rows: Vec<(Row, Option<Installed>)> =
        CLIENTS.iter().filter(wanted).map(install).collect();
    let installed: Vec<_> = rows.iter().map(|(row, how)| (row.client, how.as_ref())).collect();
    // clients wait more than they work, so the clusters are put to the test side by side
    let results = thread::scope(|scope| {
        let (binary, installed) = (binary.as_path(), installed.as_slice());
        CLUSTERS
            .map(|brokers| scope.spawn(move || put_to_the_test(binary, brokers, installed)))
            .map(|cluster| cluster.join().map_err(|_| "a cluster's thread panicked".to_owned())?)
    });
    for (brokers, result) in CLUSTERS.into_iter().zip(results) {
        for ((row, _), outcomes) in rows.iter_mut().zip(result?) {
            row.outcomes.push((brokers, outcomes));
        }
    }
    let rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
    let page = page::page(&rows, given);
    if names.is_empty() {
        fs::write(root().join("docs/conformance.md"), &page)
            .map_err(|error| format!("cannot write docs/conformance.md: {error}"))?;
    }
    print!("{page}");
    judge(&rows)
}

/// What becomes of every client's features with a cluster of that many brokers.
fn put_to_the_test(
    binary: &Path,
    brokers: u16,
    clients: &[(&'static Client, Option<&Installed>)],
) -> Result<Vec<Vec<Outcome>>, String> {
    let cluster = Cluster::start(binary, brokers)?;
    let outcomes = clients.iter().map(|(client, installed)| {
        let outcome = |(feature, _): &(&str, &str)| match installed {
            None => Outcome::Skipped,
            Some(installed) => run(client, installed, &cluster, feature),
        };
        FEATURES.iter().map(outcome).collect()
    });
    let outcomes = outcomes.collect();
    cluster.stop()?;
    Ok(outcomes)
}

fn install(client: &'static Client) -> (Row, Option<Installed>) {
    eprintln!("installing {}", client.name);
    let installed = (client.install)().and_then(|installed| {
        let version = installed.command(SECONDS_MAX, "-", 0, "version", "-");
        let output = output(version)?;
        if !output.status.success() {
            return Err(last_line(&output.stderr));
        }
        Ok((installed, last_line(&output.stdout)))
    });
    let (installed, version) = match installed {
        Ok((installed, version)) => (Some(installed), Ok(version)),
        Err(reason) => (None, Err(reason)),
    };
    (Row { client, version, outcomes: Vec::new() }, installed)
}

fn run(client: &Client, installed: &Installed, cluster: &Cluster, feature: &str) -> Outcome {
    // two clusters' clients may keep files of that name at the same time
    let topic = format!("{}-{feature}-{}", client.name, cluster.brokers);
    let mut command =
        installed.command(SECONDS_MAX, &cluster.bootstrap, cluster.brokers, feature, &topic);
    command.env("DATA_DIR", &cluster.data_dir);
    let outcome = match output(command) {
        Err(error) => Outcome::Failed(error),
        Ok(output) => match output.status.code() {
            Some(0) => Outcome::Passed(last_line(&output.stdout)),
            Some(NOT_OFFERED) => Outcome::NotOffered,
            Some(TIMED_OUT) => Outcome::Failed(format!("no end within {SECONDS_MAX} s")),
            _ => Outcome::Failed(last_line(&output.stderr)),
        },
    };
    let known = EXPLAINED.iter().find(|(c, f, _)| (*c, *f) == (client.name, feature));
    let outcome = match (known, outcome) {
        (Some((_, _, reason)), Outcome::Failed(_)) => Outcome::Explained(reason),
        (_, outcome) => outcome,
    };
    eprintln!("{} brokers, {} {feature}: {outcome:?}", cluster.brokers, client.name);
    outcome
}

fn judge(rows: &[Row]) -> Result<(), String> {
    let all = || rows.iter().flat_map(|row| row.outcomes.iter().flat_map(|(_, list)| list));
    let failed = all().filter(|outcome| matches!(outcome, Outcome::Failed(_))).count();
    let passed = |row: &Row, feature: &str| {
        let at = FEATURES.iter().position(|(name, _)| *name == feature);
        at.is_some_and(|at| {
            row.outcomes.iter().all(|(_, list)| matches!(list[at], Outcome::Passed(_)))
        })
    };
    for (client, feature, _) in EXPLAINED {
        if rows.iter().any(|row| row.client.name == client && passed(row, feature)) {
            return Err(format!("{client} passes {feature}: take it out of EXPLAINED"));
        }
    }
    match failed {
        0 if !all().any(|outcome| matches!(outcome, Outcome::Passed(_))) => {
            Err("nothing was put to the test".to_owned())
        }
        0 => Ok(()),
        _ => Err(format!("{failed} of {} failed", all().count())),
    }
}

/// Where clients are installed and clusters keep their data.
fn work_dir() -> PathBuf {
    root().join("target/conformance")
}

fn output(mut command: Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("cannot run {command:?}: {error}"))
}

/// The last line that says something, not too long for a table.
fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().take(160).collect()
}
