//! Where a figure comes from, and how the catalogue's files are read.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Source, date and confidence of a figure or a column of figures.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provenance {
    /// Where from.
    pub(crate) source: String,
    /// `YYYY-MM` or `YYYY-MM-DD`.
    pub(crate) date: String,
    /// As in [`crate::plan::Constant::confidence`].
    pub(crate) confidence: String,
}

/// Reads a compiled-in file.
///
/// # Panics
/// If the file is malformed: it is part of the program, and a test reads each.
pub(crate) fn read<T: DeserializeOwned>(name: &str, text: &str) -> T {
    match toml::from_str(text) {
        Ok(value) => value,
        Err(error) => panic!("catalogue file {name} is part of the program: {error}"),
    }
}

#[cfg(test)]
impl Provenance {
    /// Fails unless source, date and confidence are given and plausible.
    pub(crate) fn check(&self, what: &str) {
        assert!(self.source.len() > 10, "{what}: source `{}`", self.source);
        let digits = |part: &str, count: usize| {
            part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let parts: Vec<&str> = self.date.split('-').collect();
        let (year, rest) = parts.split_first().expect("a split has one part at least");
        let dated = digits(year, 4)
            && (1..=2).contains(&rest.len())
            && rest.iter().all(|part| digits(part, 2));
        assert!(dated, "{what}: date `{}`", self.date);
        let tags = ["A", "B", "C", "D", "M", "X", "U"];
        assert!(tags.contains(&self.confidence.as_str()), "{what}: {}", self.confidence);
    }
}
