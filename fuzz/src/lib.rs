//! Whatever bytes come, none of these may panic, hang, or take memory that only a length claims.
//!
//! Each function is the body of a libFuzzer target of the same name (`targets/`), reads the files of
//! `corpus/` in a test, and those of clients' frames are also what `cargo xtask fuzz` damages.

mod directory;
mod one_topic;
mod targets;
#[cfg(test)]
mod tests;

pub use directory::recovery;
pub use one_topic::OneTopic;
pub use targets::{Frame, batches, configs, frames, imports, metadata, nodes};
