//! Arguments that make no sense end in exit 2, with the command as the last line.

use crate::common::{Called, Place};

#[test]
fn what_makes_no_sense_is_refused_and_repeated() {
    let cases: [(&[&str], &str); 18] = [
        (&[], "Usage:"),
        (&["rnu", "steady"], "unrecognized subcommand 'rnu'"),
        (&["run"], "<SCENARIO>"),
        (&["run", "steady", "--sed", "1"], "unexpected argument '--sed'"),
        (&["run", "steady", "--seed", "x"], "invalid value 'x'"),
        (&["run", "steady", "--seed", "-1"], "invalid value '-1' for '--seed <N>'"),
        (&["run", "steady", "--seeds", "-2"], "invalid value '-2' for '--seeds <K>'"),
        (&["run", "steady", "--seeds", "0"], "0 is not in 1..=1000000"),
        (&["run", "steady", "--jobs", "2"], "--seeds"),
        (&["run", "steady", "--set", "x"], "--set `x` is not a pair"),
        (&["run", "steady", "--seed", "18446744073709551615", "--seeds", "2"], "go past"),
        (&["schema", "nothing"], "possible values: scenario, plan, result, suite"),
        (&["compare", "a"], "<B>"),
        (&["compare", "a", "b", "--figure", "p99"], "`p99` is not a figure"),
        (&["hunt", "--for", "-5m"], "a duration cannot be negative"),
        (&["cost"], "--instance"),
        (&["cost", "steady", "--price", "broker-hour=cheap"], "`cheap` is not an amount"),
        (&["cost", "steady", "--price", "broker-our=1"], "no meter `broker-our`"),
    ];
    let place = Place::new();
    for (words, expected) in cases {
        let called = place.expect(2, words);
        assert!(called.stderr.contains(expected), "{words:?}\n{}", called.stderr);
        let command = format!("stormglass {}", words.join(" "));
        assert_eq!(Called::last_line(&called.stderr), command.trim_end());
        assert_eq!(called.stdout, "");
    }
}

#[test]
fn every_command_is_in_the_help() {
    let help = Place::new().expect(0, &["--help"]).stdout;
    for command in [
        "run", "replay", "explain", "compare", "gate", "sweep", "plan", "hunt", "import", "export",
        "bench",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}\n{help}");
    }
    assert!(help.contains("Exit codes:") && help.contains("130"));
}

#[test]
#[cfg(not(feature = "planted-bugs"))]
fn bugs_cannot_be_planted_in_an_ordinary_build() {
    let place = Place::new();
    let words = ["run", "truncate-to-hw", "--seed", "2", "--plant", "REP-01"];
    let called = place.expect(2, &words);
    assert!(called.stderr.contains("this build has no planted bugs"), "{}", called.stderr);
    let command = words.join(" ");
    let cargo = format!("cargo run --features planted-bugs -- {command}");
    assert!(called.stderr.contains(&cargo), "{}", called.stderr);
    assert_eq!(Called::last_line(&called.stderr), format!("stormglass {command}"));
    assert!(!place.path("stormglass-out").exists(), "nothing may be written");
    assert!(place.expect(0, &["run", "--help"]).stdout.contains("planted-bugs"));
}

#[test]
fn help_and_version_are_no_errors() {
    let place = Place::new();
    let version = place.expect(0, &["--version"]).stdout;
    assert_eq!(version, format!("stormglass {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["run", "replay", "explain", "cost", "scenarios", "schema", "completions"] {
        assert!(place.expect(0, &[command, "--help"]).stdout.contains("Usage: stormglass"));
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_of_the_machine() {
    let place = Place::new();
    place.write("taken", "a file");
    let short = crate::common::scenario("short");
    let called = place.expect(1, &["run", &short, "--out", "taken"]);
    assert!(called.stderr.contains("cannot write into taken"), "{}", called.stderr);
    assert!(called.stderr.contains("--out DIR"), "{}", called.stderr);
    assert!(Called::last_line(&called.stderr).ends_with("--out taken"));
}
