//! `stormglass import`: a scenario from other tools' files.

use super::load::read;
use crate::args::Import;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::invocation::quoted;
use crate::output::{Output, columns};
use serde::Serialize;
use std::path::{Path, PathBuf};
use stormglass_scenarios::import::{
    ImportError, ImportFile, ImportOptions, Imported, import as scenario_of, queries,
};

/// Facts that are listed for people; the scenario's text has them all.
const LISTED_MAX: usize = 30;

#[derive(Debug, Serialize)]
struct Document<'a> {
    file: String,
    #[serde(flatten)]
    imported: &'a Imported,
}

/// Writes the scenario, or prints the query file.
pub(super) fn import(args: &Import, output: Output) -> Result<Exit, Failure> {
    match args {
        Import::Queries(options) => {
            let text = queries(options).map_err(|error| {
                let help = error.help.clone().unwrap_or_default();
                Failure::usage(error.message).help(help)
            })?;
            output.text(&text)?;
        }
        Import::Files { files, options, out } => {
            from_files(files, options, out.as_deref(), output)?
        }
    }
    Ok(Exit::Ok)
}

fn from_files(
    paths: &[PathBuf],
    options: &ImportOptions,
    out: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let inputs: Vec<ImportFile> = paths
        .iter()
        .map(|path| Ok(ImportFile { name: path.display().to_string(), bytes: read(path)? }))
        .collect::<Result<_, Failure>>()?;
    let imported = scenario_of(&inputs, options).map_err(refused)?;
    let default = || Path::new("stormglass-out/import").join(format!("{}.toml", imported.name));
    let file = out.map_or_else(default, Path::to_owned);
    let dir = file.parent().unwrap_or(Path::new(""));
    let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Failure::usage(format!("{} is no file", file.display())).help("write --out NAME.toml")
    })?;
    files::write(dir, &[(name, imported.toml.as_bytes())])?;
    if output.is_json() {
        output.json(&Document { file: file.display().to_string(), imported: &imported })
    } else {
        output.text(&summary(&imported, &file))
    }
}

fn refused(error: ImportError) -> Failure {
    let failure = Failure::new(Exit::InvalidScenario, error.to_string());
    match error.help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

fn summary(imported: &Imported, file: &Path) -> String {
    let mut text = format!("Scenario {} in {}\n\n", imported.name, file.display());
    let rows: Vec<Vec<String>> = imported
        .found
        .iter()
        .take(LISTED_MAX)
        .map(|found| {
            let shown: String = found.value.chars().take(40).collect();
            vec![found.key.clone(), shown, found.from.clone()]
        })
        .collect();
    text.push_str(&columns(&rows, &[false, false, false]));
    let rest = imported.found.len().saturating_sub(LISTED_MAX);
    if rest > 0 {
        text.push_str(&format!("and {rest} more, in the file\n"));
    }
    for (title, list) in [("Guessed", &imported.guessed), ("Left out", &imported.left_out)] {
        if !list.is_empty() {
            text.push_str(&format!("\n{title}:\n"));
        }
        for item in list {
            text.push_str(&format!("- {item}\n"));
        }
    }
    let path = file.display().to_string();
    // A bare name would be looked for in the library.
    let path =
        if path.ends_with(".toml") || path.contains('/') { path } else { format!("./{path}") };
    let run = quoted(["stormglass", "run", &path]);
    text.push_str(&format!("\n{run}\n"));
    if !imported.sweep.is_empty() {
        let mut words = vec!["stormglass".to_owned(), "sweep".to_owned(), path];
        for varied in &imported.sweep {
            words.extend([
                "--vary".to_owned(),
                format!("{}={}", varied.path, varied.values.join(",")),
            ]);
        }
        text.push_str(&format!("{}\n", quoted(words)));
    }
    text
}
