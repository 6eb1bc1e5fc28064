//! The commands, one file each, and what all of them share.

mod bench;
mod compare;
mod compare_keys;
mod completions;
mod cost;
mod cost_cluster;
mod cost_elsewhere;
mod dispatch;
mod explain;
mod export;
mod gate;
mod gate_base;
mod gate_worktree;
mod hunt;
mod import;
mod load;
mod plan;
mod plan_curve;
mod plan_file;
mod plan_headroom;
mod plan_options;
mod plan_scenario;
mod plan_search;
mod plan_storage;
mod price_file;
mod replay;
mod replay_check;
mod run;
mod run_seeds;
mod scenarios;
mod schema;
mod serve;
mod sides;
mod sweep;

pub(crate) use dispatch::main;
