//! The result schema, and from results: tables, histograms, charts, HTML and cost.
//!
//! Knows no simulator: everything comes in as a [`recording::Recording`] and a
//! [`result::RunResult`] made from it.

pub mod charts;
pub mod columns;
pub mod compare;
pub mod cost;
pub mod export;
pub mod figures;
pub mod gate;
pub mod html;
pub mod hunt;
pub mod narrative;
pub mod planner;
pub mod recording;
pub mod result;
pub mod run_dir;
pub mod summary;
pub mod sweep;
pub mod timeline;

mod text;
mod thresholds;

pub use text::grouped;

#[cfg(test)]
mod testing;
