//! Which cluster meets a set of requirements: analytic bounds, judgement of simulated failure
//! states, the ranking, and its report. Leaves out the search, which takes runs.

mod bounds;
mod bracket;
mod charts;
mod formulas;
mod growth;
mod html;
mod judge;
mod text;
mod traffic;
mod types;

pub use bounds::bounds;
pub use bracket::Bracket;
pub use charts::charts;
pub use formulas::{FORMULA_NOTES, equation_1, formulas};
pub use growth::growth;
pub use html::page;
pub use judge::judge;
pub use text::table;
pub use traffic::transfer;
pub use types::*;

#[cfg(test)]
mod tests;
