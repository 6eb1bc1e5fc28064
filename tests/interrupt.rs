//! Ctrl-C: what was simulated is written and marked, and the exit code is 130.
#![cfg(unix)]

use crate::common::{Called, Place, files, scenario};
use std::process::{Child, Command};
use std::time::Duration;

/// Far more simulated time than any machine gets through before the signal.
const LONG: &str = "phases.measure=4h";

/// Sends SIGINT once the process handles it and has simulated for a moment.
fn interrupt(child: &Child) {
    interrupt_at_once(child, 1);
}

/// The same with so many signals, one right after the other.
fn interrupt_at_once(child: &Child, signals: usize) {
    let id = child.id().to_string();
    for _ in 0..300 {
        if handles_interrupt(&id) {
            break;
        }
        wait(Duration::from_millis(100));
    }
    wait(Duration::from_millis(500));
    let ids = std::iter::repeat_n(&id, signals);
    assert!(Command::new("kill").arg("-INT").args(ids).status().unwrap().success());
}

/// Sends SIGINT once the process has worked for so long, however busy the machine is.
fn interrupt_after(child: &Child, cpu_seconds: u64) {
    /// Linux counts in hundredths, whatever its own tick is.
    const TICKS_PER_SECOND: u64 = 100;
    let id = child.id().to_string();
    for _ in 0..3_000 {
        if cpu_ticks(&id).is_none_or(|ticks| ticks > cpu_seconds * TICKS_PER_SECOND) {
            break;
        }
        wait(Duration::from_millis(100));
    }
    interrupt(child);
}

/// User time of a process; elsewhere than on Linux nobody knows.
fn cpu_ticks(id: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold spaces; user time is the 12th field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(11)?.parse().ok()
}

/// Whether a handler is installed, by the mask of caught signals; elsewhere than on Linux the 30 s
/// of asking must do.
fn handles_interrupt(id: &str) -> bool {
    const SIGINT_BIT: u64 = 1 << 1;
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & SIGINT_BIT != 0)
}

#[expect(clippy::disallowed_methods, reason = "a signal comes while the simulation runs")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn the_first_signal_writes_what_there_is() {
    let place = Place::new();
    let short = scenario("short");
    let child = place.command(&["run", &short, "--set", LONG, "--out", "a"]).spawn().unwrap();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stdout.contains("INTERRUPTED"), "{}", called.stdout);
    let last = Called::last_line(&called.stdout);
    assert_eq!(last, format!("stormglass run {short} --seed 1 --set {LONG}"));
    let result: serde_json::Value = serde_json::from_str(&place.read("a/result.json")).unwrap();
    assert_eq!(result["verdict"]["status"], "interrupted");
    assert_eq!(result["verdict"]["exit_code"], 130);
    assert!(result["simulated"]["seconds"].as_f64().unwrap() < 14_000.0);
    assert!(place.path("a/index.html").exists() && place.path("a/plan.json").exists());
}

/// As `timeout -s INT` does, which signals the program and then its group.
#[test]
fn signals_at_once_are_one() {
    let place = Place::new();
    let short = scenario("short");
    let child = place.command(&["run", &short, "--set", LONG, "--out", "a"]).spawn().unwrap();
    interrupt_at_once(&child, 3);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stdout.contains("INTERRUPTED"), "{}", called.stdout);
    assert!(place.path("a/result.json").exists());
}

#[test]
fn a_run_that_is_killed_leaves_its_plan() {
    let place = Place::new();
    let short = scenario("short");
    let words = ["run", &short, "--set", LONG, "--out", "a"];
    let mut child = place.command(&words).spawn().unwrap();
    for _ in 0..300 {
        if place.path("a/plan.json").exists() {
            break;
        }
        wait(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(files(&place.path("a")), ["plan.json"]);
    place.expect(0, &["cost", "a/plan.json"]);
    place.expect(6, &["compare", "a", "a"]);
    // What was left of it is in nobody's way.
    place.expect(0, &["run", &short, "--out", "a"]);
    let found = files(&place.path("a"));
    assert!(found.iter().any(|name| name == "result.json"), "{found:?}");
    assert!(!found.iter().any(|name| name == "unfinished.json"), "{found:?}");
}

#[test]
fn seeds_not_begun_are_left_out_and_said_so() {
    let place = Place::new();
    let short = scenario("short");
    let words = ["run", &short, "--set", LONG, "--seeds", "4", "--jobs", "1"];
    let child = place.command(&words).spawn().unwrap();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stdout.contains("3 seeds were not run"), "{}", called.stdout);
    assert!(place.path("stormglass-out/short-1/result.json").exists());
    assert!(!place.path("stormglass-out/short-2").exists());
}

#[test]
fn an_audit_that_is_cut_short_compares_nothing() {
    let place = Place::new();
    let short = scenario("short");
    place.expect(0, &["run", &short, "--out", "a"]);
    let mut plan: serde_json::Value = serde_json::from_str(&place.read("a/plan.json")).unwrap();
    plan["phases"]["measure_ns"] = 14_400_000_000_000_u64.into();
    place.write("long.json", plan.to_string());
    let child = place.command(&["replay", "long.json", "--check"]).spawn().unwrap();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stderr.contains("nothing was compared"), "{}", called.stderr);
}

#[test]
fn a_sweep_shows_the_points_that_were_finished() {
    let place = Place::new();
    let short = scenario("short");
    let vary = "phases.measure=2s,3s,4h,5h";
    let words = ["sweep", &short, "--vary", vary, "--jobs", "1", "--out", "s"];
    let child = place.command(&words).spawn().unwrap();
    // The first two points take less than one second of a CPU, the third one hours.
    interrupt_after(&child, 3);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}\n{}", called.stdout, called.stderr);
    assert!(called.stdout.contains("INTERRUPTED: 2 of 4 points are there"), "{}", called.stdout);
    assert!(
        Called::last_line(&called.stderr).starts_with("stormglass sweep "),
        "{}",
        called.stderr
    );
    let sweep: serde_json::Value = serde_json::from_str(&place.read("s/sweep.json")).unwrap();
    assert_eq!((&sweep["left_out"], sweep["points"].as_array().unwrap().len()), (&2.into(), 2));
    assert!(place.read("s/index.html").contains("INTERRUPTED: 2 of 4 points"));
    assert!(place.path("s/charts/sweep-latency.svg").is_file());
}

#[test]
fn a_plan_shows_what_was_found_and_says_that_it_was_cut_short() {
    let place = Place::new();
    let words = ["plan", "--ingress", "400 MB/s", "--record-size", "100 B", "--jobs", "1"];
    let child = place.command(&words).spawn().unwrap();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stdout.contains("INTERRUPTED"), "{}", called.stdout);
    let plan: serde_json::Value =
        serde_json::from_str(&place.read("stormglass-out/plan/plan.json")).unwrap();
    assert_eq!((&plan["interrupted"], &plan["exit_code"]), (&true.into(), &130.into()));
}

#[test]
fn a_gate_that_is_cut_short_decides_nothing_and_leaves_no_checkout() {
    let place = Place::new();
    std::fs::copy(scenario("short"), place.path("day.toml")).unwrap();
    // The base's build never ends by itself.
    place.write(
        "suite.toml",
        "name = \"core\"\nbase = \"git:HEAD\"\nbuild = \"exec sleep 3600\"\nbinary = \"x\"\n\n\
         [[scenarios]]\nscenario = \"./day.toml\"\n",
    );
    let git = |words: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let mut command = Command::new("git");
        command.args(identity).args(words).current_dir(place.path("."));
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "base"]);
    let child = place.command(&["gate", "suite.toml"]).spawn().unwrap();
    interrupt(&child);
    let called = Called::new(child.wait_with_output().unwrap());
    assert_eq!(called.code, Some(130), "{}", called.stderr);
    assert!(called.stderr.contains("nothing is written"), "{}", called.stderr);
    assert!(!place.path("stormglass-out").exists());
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
}
