//! The catalogue: instances, volumes, prices, latencies, model constants and config defaults.
//!
//! Figures are TOML files compiled in, each with source, date and confidence.

pub(crate) mod configs;
pub(crate) mod groups;
pub(crate) mod hardware;
pub(crate) mod managed;
pub(crate) mod model;
pub(crate) mod priced;
pub(crate) mod prices;
pub(crate) mod provenance;
pub(crate) mod remote;
pub(crate) mod services;
pub(crate) mod values;
