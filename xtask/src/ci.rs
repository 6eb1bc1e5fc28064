//! The gate and its style rules, run as CI runs them. The steps themselves are in `.ci/run`.

use std::path::Path;
use std::process::Command;

/// The checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout")
}

/// Today's date, UTC, for pages that say when they were measured.
pub(crate) fn today() -> String {
    let date = Command::new("date").args(["-u", "+%F"]).output();
    date.map_or_else(
        |_| "an unknown day".to_owned(),
        |date| String::from_utf8_lossy(&date.stdout).trim().to_owned(),
    )
}

/// Runs `.ci/run`.
pub(crate) fn ci() -> Result<(), String> {
    run(Command::new(root().join(".ci/run")), ".ci/run")
}

/// Runs the style rules, which are tests of this package.
pub(crate) fn tidy() -> Result<(), String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--quiet", "--package", "xtask", "tidy"]);
    run(command, "cargo test --package xtask tidy")
}

fn run(mut command: Command, name: &str) -> Result<(), String> {
    let status = command
        .current_dir(root())
        // It would replace the flags of .cargo/config.toml, `--cfg madsim` among them.
        .env_remove("RUSTFLAGS")
        .status()
        .map_err(|error| format!("cannot run {name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed: {status}")) }
}
