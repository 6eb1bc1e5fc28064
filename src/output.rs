//! Where results go: JSON or text on stdout, colours only on a terminal.

use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, Write as _};
use std::path::Path;
use stormglass_reports::summary::Style;

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
        let mut text = serde_json::to_string_pretty(document).map_err(Failure::internal)?;
        text.push('\n');
        self.text(&text)
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

/// Lines of cells as columns: the first column flush left, the others as `right` says.
pub(crate) fn columns(rows: &[Vec<String>], right: &[bool]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if right.get(column).copied().unwrap_or(false) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["seed", "p99", "verdict"]), row(["1", "12.5", "ok"])];
        assert_eq!(columns(&rows, &[false, true, false]), "seed   p99  verdict\n1     12.5  ok\n");
    }

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
