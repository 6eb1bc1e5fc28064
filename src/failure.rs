//! A command that could not do what was asked: what is wrong, where, and what to do about it.
//!
//! A run with a bad verdict is no failure: it did what was asked, and says so in its result.

use crate::exit::Exit;
use crate::output::Output;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;
use stormglass_scenarios::{DiagnosticRecord, PlanError, ScenarioError};

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
    scenario: Option<ScenarioError>,
    rendered: Option<String>,
}

/// The failure as `--json` prints it.
#[derive(Debug, Serialize)]
struct FailureDocument<'a> {
    exit_code: u8,
    error: &'a str,
    help: Option<&'a str>,
    diagnostics: Vec<DiagnosticRecord>,
    command: &'a str,
}

impl Failure {
    /// A failure with a message: a sentence without a full stop.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None, scenario: None, rendered: None }
    }

    /// An argument that makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file that cannot be read or written.
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(Exit::Internal, format!("cannot {what} {}: {error}", path.display()))
    }

    /// A plan file that is none.
    pub(crate) fn plan(path: &Path, error: &PlanError) -> Self {
        let help = "give the plan.json of a run's directory; its shape: `stormglass schema plan`";
        Self::new(Exit::InvalidScenario, format!("{}: {error}", path.display())).help(help)
    }

    /// Stormglass itself is at fault.
    pub(crate) fn internal(error: impl Display) -> Self {
        Self::new(Exit::Internal, format!("internal error: {error}"))
            .help("this is a bug of Stormglass: please report it with the command below")
    }

    /// The same with a next step.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with the file that it is about.
    #[must_use]
    pub(crate) fn in_file(mut self, path: &Path) -> Self {
        self.message = format!("{}: {}", path.display(), self.message);
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub(crate) const fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The same with a text for people that was made elsewhere.
    #[must_use]
    pub(crate) fn rendered(mut self, text: String) -> Self {
        self.rendered = Some(text);
        self
    }

    /// What is wrong, in a sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// How the process ends.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints the failure: for people on stderr with `command` as the last line, and as JSON on
    /// stdout when that was asked for.
    pub(crate) fn report(&self, output: Output, command: &str) {
        let mut text = self.text(output.errors_coloured());
        text.push_str(command);
        text.push('\n');
        // Nobody is left to tell if stderr is closed.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        if output.is_json() {
            let _ = output.json(&self.document(command));
        }
    }

    fn text(&self, coloured: bool) -> String {
        let word = if coloured { "\u{1b}[31;1merror\u{1b}[0m" } else { "error" };
        let mut text = match (&self.rendered, &self.scenario) {
            (Some(text), _) => text.clone(),
            (None, Some(scenario)) => scenario.render(coloured),
            (None, None) => format!("{word}: {}\n", self.message),
        };
        if let Some(help) = &self.help {
            text.push_str(&format!("  = help: {help}\n"));
        }
        text
    }

    fn document<'a>(&'a self, command: &'a str) -> FailureDocument<'a> {
        FailureDocument {
            exit_code: self.exit.code(),
            error: &self.message,
            help: self.help.as_deref(),
            diagnostics: self.scenario.as_ref().map(ScenarioError::records).unwrap_or_default(),
            command,
        }
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        let records = error.records();
        let message = records.first().map_or_else(String::new, |record| record.message.clone());
        Self { scenario: Some(error), ..Self::new(Exit::InvalidScenario, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_scenarios::Source;

    #[test]
    fn the_text_names_the_problem_and_the_next_step() {
        let failure = Failure::usage("`x` is no number").help("write digits");
        assert_eq!(failure.text(false), "error: `x` is no number\n  = help: write digits\n");
        assert!(failure.text(true).contains("\u{1b}[31;1m"));
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn a_scenario_error_keeps_its_places() {
        let error = Source::library("az-outge").unwrap_err();
        let failure = Failure::from(error);
        let document = failure.document("stormglass run az-outge");
        assert_eq!((document.exit_code, document.diagnostics.len()), (5, 1));
        assert!(document.diagnostics[0].help.as_deref().unwrap().contains("az-outage"));
    }
}
