//! Whatever bytes come, none of these may panic, hang, or take memory that only a length claims.
//!
//! Each function is the body of a libFuzzer target of the same name (`targets/`), and reads the files
//! of `corpus/` in a test. `cargo xtask fuzz` damages `corpus/frames`, too.

mod directory;
mod one_topic;
mod targets;
#[cfg(test)]
mod tests;

pub use directory::recovery;
pub use targets::{Frame, batches, configs, frames, imports, metadata, nodes};
