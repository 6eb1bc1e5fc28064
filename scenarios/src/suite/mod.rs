//! Suites of `stormglass gate`: scenarios, what they are compared with, and how far figures may
//! move.
//!
//! Read by the same means as scenarios, so errors have their place and a suggestion.

mod limit;
mod schema;

use crate::schema::decode::{Decode, Errors};
use crate::text::diagnostic::{Diagnostic, ScenarioError};
use crate::text::source::{Source, Sources, Span};
use crate::text::tree;

pub use limit::{Amount, FigureSpec, FigureUnit, LIMITED, Limit, Side};
pub use schema::suite_schema;

/// Seeds of a suite that says nothing.
pub const SEEDS_DEFAULT: u64 = 8;

/// A suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What it is compared with.
    pub base: Base,
    /// Number of paired seeds.
    pub seeds: u64,
    /// Shell command that builds the base's own program in a checkout of it; without, this program
    /// runs the base's scenarios.
    pub build: Option<String>,
    /// That program, relative to the checkout.
    pub binary: Option<String>,
    /// The scenarios.
    pub checks: Vec<Check>,
}

/// What a suite is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing: only thresholds of the scenarios count.
    None,
    /// The scenarios as they are at a revision of the repository that the suite lies in.
    Git(String),
    /// Stored results, as `gate --save` writes them; relative to the suite's directory.
    File(String),
}

impl Base {
    /// `none`, `git:REVISION`, or else a file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match (text, text.strip_prefix("git:")) {
            ("none", _) => Self::None,
            (_, Some(revision)) => Self::Git(revision.to_owned()),
            _ => Self::File(text.to_owned()),
        }
    }
}

/// A scenario of a suite and how far its figures may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is called; no two of a suite share it.
    pub name: String,
    /// A name of the library, or a file relative to the suite.
    pub scenario: String,
    /// Pairs of path and value laid over the scenario, on both sides.
    pub sets: Vec<(String, String)>,
    /// Limits in the order written.
    pub limits: Vec<Limit>,
    /// Line of the scenario in the suite, from 1.
    pub line: u32,
}

/// Reads a suite.
///
/// # Errors
/// Every error that was found, each with its place.
pub fn load_suite(source: &Source) -> Result<Suite, ScenarioError> {
    let mut sources = Sources::default();
    let text = crate::load::decode_text(source, &mut sources)?;
    let offset = sources.add(source.name.as_str(), text.as_str());
    let (root, mut errors) = tree::parse(&text, offset);
    if !errors.is_empty() {
        return Err(ScenarioError::new(sources, errors));
    }
    let suite = schema::Suite::decode(&root, &mut errors);
    match suite {
        Some(suite) if errors.is_empty() => {
            let suite = suite.resolve(&sources, &mut errors);
            if errors.is_empty() { Ok(suite) } else { Err(ScenarioError::new(sources, errors)) }
        }
        _ => {
            // A suite that cannot be read has said why.
            if errors.is_empty() {
                errors.push(Diagnostic::new(Span::default(), "not a suite", "here"));
            }
            Err(ScenarioError::new(sources, errors))
        }
    }
}

#[cfg(test)]
mod tests;
