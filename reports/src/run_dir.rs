//! The files of a run's directory.
//!
//! Everything is made in memory first, then written file by file: a temporary file in the same
//! directory, then a rename. A reader sees the old file or the new one, never half of one.

mod latency_files;
mod run_info;
mod timeline;
mod write;

pub use run_info::RunInfo;
pub use write::{ReportInput, write_run_dir, write_whole};
