//! From the process's words to a command, or to what is printed instead of one.

use super::high::{Command, Context};
use super::low::Low;
use crate::failure::Failure;
use crate::invocation::quoted;
use crate::output::{Format, Output, Terminals};
use clap::Parser as _;
use std::ffi::OsString;
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
    match Low::try_parse_from(&words) {
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

fn output(json: bool) -> Output {
    let format = if json { Format::Json } else { Format::Text };
    let colourless = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let terminals =
        Terminals { stdout: stdout().is_terminal(), stderr: stderr().is_terminal(), colourless };
    Output::new(format, terminals)
}
