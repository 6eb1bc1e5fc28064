//! The profile that optimised builds are laid out by: `cargo xtask profile` builds a program that counts
//! its branches, lets it do what users do, and writes `pgo/stormglass.profdata`. `pgo/rustc` hands that to
//! the compiler.
//!
//! What is not run here counts as never run, and is compiled for size: a new command that must be fast
//! belongs in [`WORK`].

use crate::ci::root;
use crate::conformance::cluster::Cluster;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What the program does meanwhile, most of it for as long as it takes to be typical.
const WORK: [&[&str]; 6] = [
    &["run", "reference", "--set", "phases.measure=20s"],
    &["run", "az-outage"],
    &["run", "consumer-catch-up"],
    &["run", "tiered-catch-up"],
    &["hunt", "--seeds", "1..61", "--jobs", "1"],
    &[
        "plan",
        "--ingress",
        "20 MB/s",
        "--egress",
        "40 MB/s",
        "--survive",
        "none,az-at-peak",
        "--top",
        "1",
    ],
];
/// What clients ask of brokers that `serve` runs, in groups of several brokers.
const SERVED: [(u16, &str); 2] = [(1, "reference"), (3, "steady")];

/// Makes the profile anew.
pub(crate) fn profile() -> Result<(), String> {
    let profdata = profdata()?; // before what takes minutes
    let target = root().join("target/profile");
    let counts = target.join("counts");
    if counts.exists() {
        fs::remove_dir_all(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;
    }
    let binary = build(&target, &counts)?;
    let out = target.join("out");
    for words in WORK {
        work(&binary, words, &out)?;
    }
    for (brokers, scenario) in SERVED {
        let cluster = Cluster::start(&binary, brokers)?;
        let words = ["bench", scenario, "--bootstrap", &cluster.bootstrap, "--no-prediction"];
        work(&binary, &[&words[..], &["--set", "phases.measure=10s"]].concat(), &out)?;
        cluster.stop()?;
    }
    merge(&profdata, &counts)
}

fn build(target: &Path, counts: &Path) -> Result<PathBuf, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--package", "stormglass", "--target-dir"]).arg(target);
    // RUSTFLAGS would replace the flags of .cargo/config.toml.
    cargo.current_dir(root()).env_remove("RUSTFLAGS").env("STORMGLASS_PROFILE_INTO", counts);
    well("the build", cargo.status().map_err(|error| format!("cannot run cargo: {error}"))?)?;
    Ok(target.join("release/stormglass"))
}

/// A threshold that is missed, or a plan that nothing fits, is work all the same.
fn work(binary: &Path, words: &[&str], out: &Path) -> Result<(), String> {
    let name = words.join(" ");
    eprintln!("stormglass {name}");
    let mut command = Command::new(binary);
    command.args(words).arg("--out").arg(out).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    if matches!(status.code(), Some(0 | 4 | 7 | 8)) { Ok(()) } else { well(&name, status) }
}

/// One file out of the counts of all processes.
fn merge(profdata: &Path, counts: &Path) -> Result<(), String> {
    let path = root().join("pgo/stormglass.profdata");
    let mut command = Command::new(profdata);
    command.args(["merge", "--sparse", "--output"]).arg(&path).arg(counts);
    well("llvm-profdata", command.status().map_err(|error| format!("llvm-profdata: {error}"))?)?;
    eprintln!("wrote {}: the next optimised build reads it", path.display());
    Ok(())
}

/// The tool of the toolchain that compiles this: another version's may write another format.
fn profdata() -> Result<PathBuf, String> {
    let output =
        Command::new("rustc").args(["--print", "target-libdir"]).current_dir(root()).output();
    let output = output.map_err(|error| format!("cannot run rustc: {error}"))?;
    let lib = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let tool = lib.with_file_name("bin").join("llvm-profdata");
    if tool.exists() { Ok(tool) } else { Err("`rustup component add llvm-tools` first".to_owned()) }
}

fn well(name: &str, status: ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(format!("{name} failed: {status}")) }
}
