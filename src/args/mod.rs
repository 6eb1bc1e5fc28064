//! Arguments in two layers: what was typed, and what it means.

mod bench;
mod high;
mod hunt;
mod low;
mod parse;
mod plan;
mod price;
mod transfer;
mod vary;
mod workload;

pub(crate) use bench::Bench;
pub(crate) use high::{
    Band, Bill, ClusterFlags, Command, Compare, Context, CostSubject, Explain, Gate, LogLevel,
    Replay, Run, Schema, Serve, Served, SideArgs, Sweep, Target,
};
pub(crate) use hunt::Hunt;
pub(crate) use low::command_tree;
pub(crate) use parse::{Parsed, parse};
pub(crate) use plan::{INGRESS_MIN, Plan};
pub(crate) use transfer::{Export, Import};
pub(crate) use vary::Vary;
