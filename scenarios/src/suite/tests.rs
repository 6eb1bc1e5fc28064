//! What suites say, and what is said about broken ones.

use super::*;

const SUITE: &str = r#"
name = "core"
base = "git:origin/main"
seeds = 4

[[scenarios]]
scenario = "steady"
set = ["phases.measure=20s", "producers.0.rate=5 MB/s"]
[scenarios.limits]
response_latency = ["p(99) < +5%", "p(99.9) < +2ms"]
"end_to_end_latency{phase:heal}" = ["med <= +250%"]
produce_throughput = ["avg > -1%"]
cpu_utilisation = ["avg < +1.5 points"]
monthly_cost = ["value <= +$0.50"]
recovery_leaders = ["max < +1500ms"]

[[scenarios]]
scenario = "storms/az.toml"
name = "az"
"#;

fn read(text: &str) -> Result<Suite, String> {
    load_suite(&Source::new("suite.toml", text)).map_err(|error| error.render(false))
}

#[test]
fn a_suite_has_its_scenarios_and_limits_with_their_lines() {
    let suite = read(SUITE).unwrap();
    assert_eq!((suite.name.as_str(), suite.seeds), ("core", 4));
    assert_eq!(suite.base, Base::Git("origin/main".to_owned()));
    let [steady, az] = suite.checks.as_slice() else { panic!("two") };
    assert_eq!((steady.name.as_str(), steady.line), ("steady", 7));
    assert_eq!((az.name.as_str(), az.scenario.as_str(), az.line), ("az", "storms/az.toml", 18));
    assert_eq!(steady.sets[1], ("producers.0.rate".to_owned(), "5 MB/s".to_owned()));
    let amounts: Vec<(Side, Amount, u32)> =
        steady.limits.iter().map(|limit| (limit.side, limit.amount, limit.line)).collect();
    assert_eq!(
        amounts,
        [
            (Side::Below, Amount::Percent(5_000), 10),
            (Side::Below, Amount::Absolute(2_000), 10),
            (Side::AtMost, Amount::Percent(250_000), 11),
            (Side::Above, Amount::Percent(-1_000), 12),
            (Side::Below, Amount::Absolute(1_500), 13),
            (Side::AtMost, Amount::Absolute(500), 14),
            (Side::Below, Amount::Absolute(1_500), 15),
        ]
    );
    assert_eq!(steady.limits[2].phase.as_deref(), Some("heal"));
}

#[test]
fn the_documented_suite_can_be_read() {
    let page = include_str!("../../../docs/gate.md");
    let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let suite = read(block).unwrap();
    assert_eq!((suite.checks.len(), suite.checks[0].limits.len()), (2, 5));
}

#[test]
fn what_is_not_said_has_defaults() {
    let suite = read("name = \"a\"\n[[scenarios]]\nscenario = \"steady\"\n").unwrap();
    assert_eq!((suite.base, suite.seeds), (Base::None, SEEDS_DEFAULT));
    assert_eq!(Base::parse("results/main.json"), Base::File("results/main.json".to_owned()));
}

#[test]
fn errors_name_the_place_and_what_to_write() {
    let limit = |line: &str| {
        format!("name = \"a\"\n[[scenarios]]\nscenario = \"steady\"\n[scenarios.limits]\n{line}\n")
    };
    for (text, words) in [
        (limit("response_latncy = [\"p(99) < +5%\"]"), "did you mean `response_latency`?"),
        (limit("response_latency = [\"p(98) < +5%\"]"), "one of avg, min, med"),
        (limit("response_latency = [\"p(99) < 5%\"]"), "it has no sign"),
        (limit("response_latency = [\"p(99) + 5%\"]"), "is not a limit"),
        (limit("response_latency = [\"p(99) < -5%\"]"), "a change the other way"),
        (limit("response_latency = [\"p(99) < +5\"]"), "has no unit"),
        (limit("cpu_utilisation = [\"avg < +5\"]"), "`+3 points`"),
        (limit("cpu_utilisation = \"avg < +5%\""), "expected an array of limits"),
        (limit("\"monthly_cost{phase:heal}\" = [\"value < +5%\"]"), "covers measure and heal"),
        (limit("\"response_latency{phase:drain}\" = [\"p(99) < +5%\"]"), "does not select a phase"),
        ("name = \"a\"".to_owned(), "the suite has no scenarios"),
        ("[[scenarios]]\nscenario = \"a\"".to_owned(), "needs the key `name`"),
        ("name = \"a\"\nbuild = \"make\"".to_owned(), "`binary` is missing"),
        (
            "name = \"a\"\n[[scenarios]]\nscenario = \"s\"\n[[scenarios]]\nscenario = \"s\""
                .to_owned(),
            "two scenarios are called `s`",
        ),
        (
            "name = \"a\"\n[[scenarios]]\nscenario = \"s\"\nset = [\"x\"]".to_owned(),
            "is not a pair",
        ),
        ("name = \"a\"\nbase = \"x\"\nbuild = \"b\"\nbinary = \"c\"".to_owned(), "only a base of"),
        ("name = ".to_owned(), "not valid TOML"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(words) && error.contains("suite.toml:"), "{text}\n{error}");
    }
}

#[test]
fn the_schema_knows_the_example() {
    let schema = suite_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good: serde_json::Value = toml::from_str(SUITE).unwrap();
    let errors: Vec<String> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let bad = SUITE.replace("p(99) < +5%", "p(99) < 5%");
    assert!(!validator.is_valid(&toml::from_str(&bad).unwrap()));
}
