//! `timeline.csv` read back: a row per simulated second, columns by name.

use super::ExportError;
use std::collections::BTreeMap;

/// The timeline.
#[derive(Debug)]
pub(super) struct Timeline {
    columns: BTreeMap<String, usize>,
    rows: Vec<csv::StringRecord>,
}

const FILE: &str = "timeline.csv";

impl Timeline {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ExportError> {
        let broken = |error: csv::Error| ExportError::new(FILE, error.to_string());
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(broken)?.clone();
        let columns =
            (0..).zip(&header).map(|(at, name): (usize, _)| (name.to_owned(), at)).collect();
        let rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(broken)?;
        Ok(Self { columns, rows })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The text of a cell; empty when there is none.
    pub(super) fn text(&self, row: usize, column: &str) -> &str {
        let at = self.columns.get(column);
        at.and_then(|at| self.rows.get(row)?.get(*at)).unwrap_or_default()
    }

    /// The number in a cell; nothing when it is empty.
    pub(super) fn number(&self, row: usize, column: &str) -> Result<Option<f64>, ExportError> {
        let text = self.text(row, column);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        let line = row + 2;
        number.map(Some).ok_or_else(|| {
            ExportError::new(FILE, format!("line {line}, column {column}: not a number"))
        })
    }

    /// Columns whose name begins so.
    pub(super) fn columns<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.columns.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }
}
