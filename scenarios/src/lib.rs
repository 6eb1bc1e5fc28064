//! The scenario language: schema, validation, plan, library and catalogue.

pub mod plan;
