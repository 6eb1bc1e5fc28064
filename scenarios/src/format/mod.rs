//! docs/scenario-format.md, written from the schema, the catalogue and the metrics themselves.

mod figures;
mod reference;

pub use reference::format_reference;
