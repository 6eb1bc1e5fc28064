//! Arguments in two layers: what was typed, and what it means.

mod high;
mod hunt;
mod low;
mod parse;
mod price;

pub(crate) use high::{
    Band, Bill, ClusterFlags, Command, Context, CostSubject, Explain, LogLevel, Replay, Run,
    Schema, Serve, Target,
};
pub(crate) use hunt::Hunt;
pub(crate) use low::command_tree;
pub(crate) use parse::{Parsed, parse};
