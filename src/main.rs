//! The `stormglass` binary: arguments as typed, what they mean, then one file per command.
//!
//! Leaves out every decision about a cluster: those live in the crates.

mod args;
mod batch;
mod build;
mod child;
mod commands;
mod exit;
mod failure;
mod files;
mod host;
mod interrupt;
mod invocation;
mod output;
mod progress;
mod simulation;
mod trials;
mod unfinished;

/// A simulation makes and drops millions of short-lived messages on one thread.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    commands::main(std::env::args_os()).into()
}
