//! Charts as SVG: the same drawing stands alone on white, or inlined in a page with its colours.
//!
//! Drawn by `plotters` at twice the displayed size, because its SVG coordinates are integers.

pub(crate) mod axis;
mod bars;
mod brokers;
pub(crate) mod canvas;
mod chart;
mod legend;
pub(crate) mod palette;
pub(crate) mod percentiles;
pub(crate) mod rows;
pub(crate) mod shift;
pub(crate) mod steps;
mod time;
mod traffic;

pub use chart::{Chart, draw};
