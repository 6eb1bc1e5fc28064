//! Tests of the log as a whole: bugs of the catalogue, and a model that grows up beside it.

mod append;
mod epochs;
mod model;
mod model_run;
mod producers;
mod recovery;
mod retention;
mod tier;
mod transactions;
