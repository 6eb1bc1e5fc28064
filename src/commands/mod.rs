//! The commands, one file each, and what all of them share.

mod completions;
mod cost;
mod cost_cluster;
mod dispatch;
mod explain;
mod hunt;
mod load;
mod replay;
mod replay_check;
mod run;
mod run_seeds;
mod scenarios;
mod schema;
mod serve;

pub(crate) use dispatch::main;
