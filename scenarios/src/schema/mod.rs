//! The scenario language: what may stand in a scenario file.

pub(crate) mod cluster;
pub(crate) mod decode;
pub(crate) mod events;
pub(crate) mod json;
pub(crate) mod model;
pub(crate) mod scalar;
pub(crate) mod scenario;
pub(crate) mod threshold;
pub(crate) mod workload;
