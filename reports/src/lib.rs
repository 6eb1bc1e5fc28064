//! The result schema, and from results: tables, histograms, charts, HTML and cost.
//!
//! Knows no simulator: everything comes in as a [`recording::Recording`] and a
//! [`result::RunResult`] made from it.

pub mod charts;
pub mod cost;
pub mod html;
pub mod hunt;
pub mod narrative;
pub mod recording;
pub mod result;
pub mod run_dir;
pub mod summary;

mod text;
mod thresholds;

#[cfg(test)]
mod testing;
