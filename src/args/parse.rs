//! From the process's words to a command, or to what is printed instead of one.

use super::high::{Command, Context};
use super::low::Low;
use crate::failure::Failure;
use crate::invocation::quoted;
use crate::output::{Format, Output, Terminals};
use clap::Parser as _;
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal as _, stderr, stdout};

/// Outcome of parsing.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A command.
    Command(Context, Box<Command>),
    /// Help or the version was asked for.
    Page(clap::Error),
    /// The words make no sense; the error is clap's own text.
    Refused(Context, clap::Error),
    /// The words are known but their values make no sense.
    Senseless(Context, Failure),
}

/// Parses the process's words, program name first.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Parsed {
    let words: Vec<OsString> = words.into_iter().collect();
    let rest = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    let invocation = quoted(std::iter::once("stormglass".to_owned()).chain(rest));
    let typed = words.clone();
    let context = |json: bool| Context { output: output(json), invocation, words: typed };
    match Low::try_parse_from(with_negative_values(&words)) {
        Ok(low) => {
            let context = context(low.json);
            match Command::new(low.command) {
                Ok(command) => Parsed::Command(context, Box::new(command)),
                Err(failure) => Parsed::Senseless(context, failure),
            }
        }
        Err(error) if error.use_stderr() => {
            let json = words.iter().any(|word| word == "--json");
            Parsed::Refused(context(json), error)
        }
        Err(error) => Parsed::Page(error),
    }
}

/// The words, with what looks like a negative number made the value of the flag before it: no flag
/// begins with a digit, but clap would take it for one, and not say what is wrong with the value.
/// (Its `allow_hyphen_values` would swallow the next flag where a value was forgotten.)
fn with_negative_values(words: &[OsString]) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    for word in words {
        match joined.last_mut().filter(|flag| is_negative(word) && awaits_value(flag)) {
            Some(flag) => {
                flag.push("=");
                flag.push(word);
            }
            None => joined.push(word.clone()),
        }
    }
    joined
}

/// Whether a word begins like `-1` or `-.5 MB/s`.
fn is_negative(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9' | b'.', ..])
}

/// Whether a word is a long flag without its value.
fn awaits_value(word: &OsStr) -> bool {
    word.to_str()
        .is_some_and(|word| word.len() > 2 && word.starts_with("--") && !word.contains('='))
}

fn output(json: bool) -> Output {
    let format = if json { Format::Json } else { Format::Text };
    let colourless = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let terminals =
        Terminals { stdout: stdout().is_terminal(), stderr: stderr().is_terminal(), colourless };
    Output::new(format, terminals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_number_is_the_value_of_the_flag_before_it() {
        for (typed, parsed) in [
            (&["run", "a", "--seed", "-1"][..], &["run", "a", "--seed=-1"][..]),
            (&["plan", "--ingress", "-5 MB/s"], &["plan", "--ingress=-5 MB/s"]),
            (&["--peak", "-.5", "-2"], &["--peak=-.5", "-2"]),
            (&["--seed=1", "-2"], &["--seed=1", "-2"]),
            (&["--", "-5"], &["--", "-5"]),
            (&["-X", "-5", "x", "-5"], &["-X", "-5", "x", "-5"]),
            (&["--ingress", "--peak", "2"], &["--ingress", "--peak", "2"]),
        ] {
            let words: Vec<OsString> = typed.iter().map(OsString::from).collect();
            assert_eq!(with_negative_values(&words), parsed, "{typed:?}");
        }
    }
}
