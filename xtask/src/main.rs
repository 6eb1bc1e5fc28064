//! Chores, one file each: `cargo xtask NAME`.

mod apis;
mod bench;
mod ci;
mod conformance;
mod fuzz;
mod planted;
mod planted_plans;
mod profile;
#[cfg(test)]
mod tidy;
mod validate;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask NAME

  apis         what is served against what Apache Kafka serves; writes docs/apis.md
  bench        speed and memory of the simulator; writes the table of docs/benchmarks.md
  ci           everything that must hold before a change is accepted: runs .ci/run
  conformance  real Kafka clients against `stormglass serve`; writes docs/conformance.md; or only
               those that are named; `--binary PATH` instead of a build. `--differential` compares
               answers with Apache Kafka's and writes docs/differential.md; `--bench` measures both
               and writes docs/against-kafka.md; `--bench 1` is a quick try of one round
  fuzz         frames that no client would send, through the codec and to a running broker;
               `fuzz dirs` starts brokers on damaged data directories
  planted      plants every bug of the past, hunts it, and writes docs/planted-bugs.md; or only
               those that are named. `planted plans` shows that most can be reached, by a plan of
               their own; `planted plans FILE` the same with a program that has the bugs already
  profile      makes the profile by which optimised builds are laid out, pgo/stormglass.profdata
  tidy         the style rules that no other tool checks
  validate     simulates published benchmarks and writes docs/validation.md
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["apis"] => apis::apis(),
        ["bench"] => bench::bench(),
        ["ci"] => ci::ci(),
        ["conformance", "--differential"] => conformance::differential(None),
        ["conformance", "--differential", binary] => conformance::differential(Some(binary)),
        ["conformance", "--bench"] => conformance::versus(conformance::ROUNDS),
        ["conformance", "--bench", rounds] => match rounds.parse() {
            Ok(rounds) => conformance::versus(rounds),
            Err(error) => Err(format!("`{rounds}` rounds: {error}")),
        },
        ["conformance", "--binary", binary, only @ ..] => {
            conformance::conformance(Some(binary), only)
        }
        ["conformance", only @ ..] => conformance::conformance(None, only),
        ["fuzz", words @ ..] => fuzz::fuzz(words),
        ["planted", "plans"] => planted_plans::plans(None),
        ["planted", "plans", binary] => planted_plans::plans(Some(binary)),
        ["planted", only @ ..] => planted::planted(only),
        ["profile"] => profile::profile(),
        ["tidy"] => ci::tidy(),
        ["validate"] => validate::validate(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => Err(format!("unknown chore `{}`\n{USAGE}", words.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
