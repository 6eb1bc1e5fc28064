//! `stormglass completions`: a script for the user's shell.

use crate::args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use clap_complete::{Shell, generate};

/// Prints the script.
pub(super) fn completions(shell: Shell, output: Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut args::command_tree(), "stormglass", &mut script);
    let script = String::from_utf8(script).map_err(Failure::internal)?;
    let shown = if output.is_json() {
        output.json(&serde_json::json!({ "shell": shell.to_string(), "script": script }))
    } else {
        output.text(&script)
    };
    shown?;
    Ok(Exit::Ok)
}
