//! Where results go: JSON or text on stdout, colours only on a terminal.

use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, Write as _};
use std::path::Path;
use stormglass_reports::summary::Style;

pub(crate) use stormglass_reports::columns::columns;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    results: Style,
    errors: Style,
    live: bool,
}

/// Form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What stdout and stderr are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminals {
    /// stdout is a terminal.
    pub(crate) stdout: bool,
    /// stderr is a terminal.
    pub(crate) stderr: bool,
    /// The user wants no colours (`NO_COLOR`).
    pub(crate) colourless: bool,
}

impl Output {
    /// Of this format on these terminals.
    pub(crate) fn new(format: Format, terminals: Terminals) -> Self {
        let style = |terminal: bool| {
            if terminal && !terminals.colourless { Style::Ansi } else { Style::Plain }
        };
        Self {
            format,
            results: style(terminals.stdout),
            errors: style(terminals.stderr),
            live: terminals.stderr,
        }
    }

    /// Whether results are printed as JSON.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Style of text on stdout.
    pub(crate) const fn style(self) -> Style {
        self.results
    }

    /// Whether messages on stderr are coloured.
    pub(crate) fn errors_coloured(self) -> bool {
        self.errors == Style::Ansi
    }

    /// Whether stderr can show a line that changes in place.
    pub(crate) const fn is_live(self) -> bool {
        self.live
    }

    /// Prints a document as JSON.
    pub(crate) fn json(self, document: &impl Serialize) -> Result<(), Failure> {
        self.text(&json_text(document)?)
    }

    /// A line on stderr beside a result on stdout.
    pub(crate) fn note(self, line: &str) {
        // Nobody is left to tell if stderr is closed.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Prints text as it is. A reader that went away (`stormglass ... | head`) is no error.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => {
                outcome.map_err(|error| Failure::io("write to", Path::new("stdout"), &error))
            }
        }
    }
}

/// A document as indented JSON.
pub(crate) fn json_text(document: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(document).map_err(Failure::internal)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_need_a_terminal_that_wants_them() {
        let output = |stdout, colourless| {
            Output::new(Format::Text, Terminals { stdout, stderr: false, colourless })
        };
        assert_eq!(output(true, false).style(), Style::Ansi);
        assert_eq!(output(true, true).style(), Style::Plain);
        assert_eq!(output(false, false).style(), Style::Plain);
        assert!(!output(true, false).errors_coloured() && !output(true, false).is_live());
    }
}
