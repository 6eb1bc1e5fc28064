//! docs/scenario-format.md and docs/model-constants.md, written from the schema, the catalogue and
//! the metrics themselves.

mod constants;
mod figures;
mod reference;

pub use constants::constants_reference;
pub use reference::format_reference;
