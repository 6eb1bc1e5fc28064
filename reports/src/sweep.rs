//! A sweep: one scenario at many values of some keys, its figures side by side.

mod csv;
mod html;
mod text;
mod types;

pub use csv::csv;
pub use html::{charts, page};
pub use text::table;
pub use types::*;

#[cfg(test)]
mod tests;
