//! Charts as SVG: the same drawing stands alone on white, or inlined in a page with its colours.
//!
//! Drawn by `plotters` at twice the displayed size, because its SVG coordinates are integers.

mod axis;
mod bars;
mod brokers;
mod canvas;
mod chart;
mod palette;
mod percentiles;
mod time;
mod traffic;

pub use chart::{Chart, draw};
