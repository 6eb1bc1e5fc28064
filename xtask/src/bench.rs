//! Speed of the simulator on the library's `reference`: `cargo xtask bench` runs the release binary
//! and writes docs/benchmarks.md. Micro-benchmarks are criterion's: `cargo bench`.
//!
//! Leaves out judgement: no target is asserted here, a slow machine is no error.

use crate::ci::root;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Times each run is repeated; the fastest counts, because noise only adds.
const REPEATS: usize = 3;
const MIB: f64 = 1_048_576.0;

/// One line of the table: what is asked, and how `reference` is changed for it.
struct Case {
    name: &'static str,
    sets: &'static [&'static str],
    repeats: usize,
}

const CASES: [Case; 7] = [
    Case { name: "reference", sets: &[], repeats: REPEATS },
    Case { name: "10 minutes", sets: &["phases.measure=10 min"], repeats: 1 },
    Case { name: "an hour", sets: &["phases.measure=60 min"], repeats: 1 },
    Case {
        name: "12 brokers, 4 times the load",
        sets: &[
            "cluster.brokers=12",
            "topics.0.partitions=240",
            "producers.0.count=24",
            "producers.0.rate=400 MB/s",
            "consumers.0.count=24",
            "consumers.1.count=24",
            "phases.measure=10s",
        ],
        repeats: 1,
    },
    Case {
        name: "60 brokers, 20 times the load",
        sets: &[
            "cluster.brokers=60",
            "topics.0.partitions=1200",
            "producers.0.count=120",
            "producers.0.rate=2000 MB/s",
            "consumers.0.count=120",
            "consumers.1.count=120",
            "phases.measure=5s",
        ],
        repeats: 1,
    },
    Case {
        name: "6,000 partitions",
        sets: &["topics.0.partitions=6000", "phases.measure=10s"],
        repeats: 1,
    },
    Case {
        name: "60,000 partitions on 60 brokers",
        sets: &["cluster.brokers=60", "topics.0.partitions=60000", "phases.measure=5s"],
        repeats: 1,
    },
];

/// What `run.json` says.
struct Measured {
    wall_s: f64,
    sim_s: f64,
    events: f64,
    rss_mib: f64,
}

/// Runs every case and writes the table.
pub(crate) fn bench() -> Result<(), String> {
    let binary = build()?;
    let mut table = String::from(
        "| case | simulated s | wall s | simulated s per wall s | events/s | events per simulated s \
         | wall ns per event | peak RSS, MiB |\n|---|---|---|---|---|---|---|---|\n",
    );
    for case in &CASES {
        eprintln!("{} ...", case.name);
        let best = fastest(&binary, case)?;
        let row = row(case.name, &best);
        println!("{row}");
        table.push_str(&row);
        table.push('\n');
    }
    let path = root().join("docs/benchmarks.md");
    replace_table(&path, &table)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn build() -> Result<PathBuf, String> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "stormglass"])
        .current_dir(root())
        .env_remove("RUSTFLAGS")
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the release build failed: {status}"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release").join("stormglass"))
}

fn fastest(binary: &Path, case: &Case) -> Result<Measured, String> {
    let mut best: Option<Measured> = None;
    for _ in 0..case.repeats {
        let measured = run(binary, case)?;
        if best.as_ref().is_none_or(|best| measured.wall_s < best.wall_s) {
            best = Some(measured);
        }
    }
    best.ok_or_else(|| "a case without a run".to_owned())
}

fn run(binary: &Path, case: &Case) -> Result<Measured, String> {
    let out = std::env::temp_dir().join(format!("stormglass-bench-{}", std::process::id()));
    let mut command = Command::new(binary);
    command.args(["run", "reference", "--out"]).arg(&out);
    for set in case.sets {
        command.args(["--set", set]);
    }
    let output = command.output().map_err(|error| format!("{}: {error}", binary.display()))?;
    // A missed threshold (4) is a measurement all the same.
    if !matches!(output.status.code(), Some(0 | 4)) {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{}: {}\n{text}", case.name, output.status));
    }
    let path = out.join("run.json");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| format!("run.json: {e}"))?;
    fs::remove_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let field = |name: &str| json[name].as_f64().ok_or_else(|| format!("run.json has no {name}"));
    Ok(Measured {
        wall_s: field("wall_seconds")?,
        sim_s: field("sim_seconds")?,
        events: field("events")?,
        rss_mib: field("peak_rss_bytes")? / MIB,
    })
}

fn row(name: &str, m: &Measured) -> String {
    format!(
        "| {name} | {:.0} | {:.2} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} |",
        m.sim_s,
        m.wall_s,
        m.sim_s / m.wall_s,
        m.events / m.wall_s,
        m.events / m.sim_s,
        m.wall_s * 1e9 / m.events,
        m.rss_mib,
    )
}

const BEGIN: &str = "<!-- table: cargo xtask bench -->\n";
const END: &str = "<!-- end of table -->\n";

/// Replaces the page's table; what people wrote around it stays.
fn replace_table(path: &Path, table: &str) -> Result<(), String> {
    let page = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (before, rest) = page.split_once(BEGIN).ok_or("docs/benchmarks.md has no table mark")?;
    let (_, after) = rest.split_once(END).ok_or("docs/benchmarks.md has no end mark")?;
    let mut fresh = String::new();
    let _ = write!(fresh, "{before}{BEGIN}{table}{END}{after}");
    fs::write(path, fresh).map_err(|e| format!("{}: {e}", path.display()))
}
