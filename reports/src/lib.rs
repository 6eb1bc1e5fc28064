//! The result schema, and from results: tables, histograms, charts, HTML and cost.
//!
//! Knows no simulator: everything comes in as a [`recording::Recording`] and a
//! [`result::RunResult`] made from it.

pub mod recording;
