//! Files of a hunt's directory: `hunt.json`, and a folder per failure with its plan, its account and
//! the command that reproduces it.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::quoted;
use std::fs;
use std::io;
use std::path::Path;
use stormglass_reports::hunt::{FailureRow, HuntResult};
use stormglass_reports::run_dir::write_whole;
use stormglass_scenarios::json_words;
use stormglass_scenarios::plan::Plan;

/// What a failure's folder holds.
pub(super) const FILES: [&str; 3] = ["plan.json", "shrunk.json", "account.txt"];

/// A failure that goes to its folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) row: &'a FailureRow,
    pub(super) plan: &'a Plan,
    pub(super) account: &'a str,
    pub(super) plant: &'a Option<String>,
}

/// The command that reproduces a failure.
pub(super) fn command(dir: &Path, row: &FailureRow, plant: &Option<String>) -> String {
    let file = if row.shrunk_events.is_some() { "shrunk.json" } else { "plan.json" };
    let plan = dir.join(&row.folder).join(file).display().to_string();
    let mut words = vec!["stormglass".to_owned(), "replay".to_owned(), plan];
    if let Some(plant) = plant {
        words.extend(["--plant".to_owned(), plant.clone()]);
    }
    quoted(words)
}

/// Writes a failure's plan and account.
pub(super) fn write(dir: &Path, found: &Found<'_>) -> Result<(), Failure> {
    let folder = dir.join(&found.row.folder);
    // a smaller plan of another seed is not this one's
    let _ = fs::remove_file(folder.join("shrunk.json"));
    whole(&folder.join("plan.json"), found.plan.to_json().as_bytes())?;
    write_account(dir, found)
}

/// Writes a failure's smaller plan, and the account of its run.
pub(super) fn write_shrunk(dir: &Path, found: &Found<'_>) -> Result<(), Failure> {
    let file = dir.join(&found.row.folder).join("shrunk.json");
    whole(&file, found.plan.to_json().as_bytes())?;
    write_account(dir, found)
}

fn write_account(dir: &Path, found: &Found<'_>) -> Result<(), Failure> {
    let Found { row, account, plant, .. } = found;
    let text = format!(
        "{}\nfirst seed {}\n\n{account}\n{}\n",
        row.signature,
        row.seed,
        command(dir, row, plant)
    );
    whole(&dir.join(&row.folder).join("account.txt"), text.as_bytes())
}

/// Writes hunt.json.
pub(super) fn write_result(dir: &Path, result: &HuntResult) -> Result<(), Failure> {
    whole(&dir.join("hunt.json"), result.to_json().as_bytes())
}

/// Reads hunt.json; `None` if there is none.
pub(super) fn read(dir: &Path) -> Result<Option<HuntResult>, Failure> {
    let file = dir.join("hunt.json");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io("read", &file, &error)),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        let why = json_words(&error);
        let message = format!("{}: not a hunt of this version: {why}", file.display());
        Failure::new(Exit::InvalidScenario, message).help("give the directory of a hunt")
    })
}

/// Removes the failures of an earlier hunt in the same place, as its hunt.json names them. Whatever
/// else is there stays.
pub(super) fn clear(dir: &Path) -> Result<(), Failure> {
    let Ok(Some(earlier)) = read(dir) else { return Ok(()) };
    for row in &earlier.failures {
        let folder = dir.join(&row.folder);
        for file in FILES {
            let _ = fs::remove_file(folder.join(file));
        }
        let _ = fs::remove_dir(folder);
    }
    let file = dir.join("hunt.json");
    fs::remove_file(&file).map_err(|error| Failure::io("remove", &file, &error))
}

/// Writes a file whole or not at all.
pub(super) fn whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_whole(path, bytes).map_err(|error| {
        Failure::new(Exit::Internal, error.to_string())
            .help("what was found before is complete; choose another place with --out DIR")
    })
}
