//! Scenarios as documents that can be told apart and mixed: which keys differ between two, and one
//! with some of the other's keys.
//!
//! Works on the text's tree, not on the plan: what a user can name is a key of a scenario.

mod document;
mod toml_text;

pub use document::{Change, Document};
