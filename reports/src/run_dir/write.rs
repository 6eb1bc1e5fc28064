//! Which files a run's directory has, and how they get there.

use super::run_info::RunInfo;
use super::{latency_files, timeline};
use crate::charts;
use crate::html;
use crate::recording::Recording;
use crate::result::{RunResult, event_row};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use stormglass_scenarios::plan::Plan;

/// Files of these folders that a run did not write belong to an earlier run in the same place.
const FOLDERS: [(&str, &[&str]); 2] = [("charts", &["svg"]), ("latency", &["hgrm", "hlog"])];

/// Written last.
const PAGE: &str = "index.html";

/// What the files are made from.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The plan that was run.
    pub plan: &'a Plan,
    /// Its result.
    pub result: &'a RunResult,
    /// What was recorded.
    pub recording: &'a Recording,
    /// What the run took.
    pub run_info: &'a RunInfo,
    /// The plan's canonical text, as digested.
    pub plan_json: &'a str,
    /// The command that reproduces the run, such as `stormglass run az-outage --seed 7`.
    pub command: &'a str,
}

/// Writes every file of the run's directory, creating it or replacing an earlier run's files: what the rest
/// can be made from again first, so that a volume without room loses the least. The page comes last, and an
/// earlier one goes before anything else: where it stands, the rest is of the same run.
///
/// # Errors
/// When a file cannot be made, replaced or written; the message names it, and no half of it stays behind.
pub fn write_run_dir(dir: &Path, input: &ReportInput<'_>) -> io::Result<()> {
    let files = files(input)?;
    remove_page(&dir.join(PAGE))?;
    for (name, bytes) in &files {
        write_whole(&dir.join(name), bytes)?;
    }
    remove_stale(dir, &files.iter().map(|(name, _)| name.as_str()).collect())
}

/// That there is none is as good.
fn remove_page(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn files(input: &ReportInput<'_>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let ReportInput { plan, result, recording, run_info, .. } = *input;
    let charts = charts::draw(plan, result, recording);
    let mut cost = Vec::new();
    result.cost.write_csv(&mut cost)?;
    let first = [
        ("plan.json", input.plan_json.as_bytes().to_vec()),
        ("result.json", result.to_json().into_bytes()),
        ("run.json", run_info.to_json().into_bytes()),
        ("cost.csv", cost),
        ("events.jsonl", events(recording)?),
        ("timeline.csv", timeline::csv(plan, recording)?),
    ];
    let mut files = Vec::from(first.map(|(name, bytes)| (name.to_owned(), bytes)));
    files.extend(latency_files::all(&plan.phases, recording)?);
    for chart in &charts {
        files.push((format!("charts/{}.svg", chart.name), chart.standalone().into_bytes()));
    }
    files.push((PAGE.to_owned(), html::page(input, &charts).into_bytes()));
    Ok(files)
}

/// A line per cluster event, in order of time.
fn events(recording: &Recording) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for event in &recording.events {
        serde_json::to_writer(&mut bytes, &event_row(event))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// Writes a file: a temporary one beside it, then a rename.
///
/// # Errors
/// When it cannot be made or written; the message names it, and no half of it stays behind.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(named)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let outcome = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    outcome.map_err(|error| {
        let _ = fs::remove_file(&partial);
        named(error)
    })
}

fn remove_stale(dir: &Path, written: &BTreeSet<&str>) -> io::Result<()> {
    for (folder, extensions) in FOLDERS {
        let path = dir.join(folder);
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries {
            let entry = entry?;
            let file = entry.file_name();
            let name = format!("{folder}/{}", file.to_string_lossy());
            let extension = Path::new(&file).extension().and_then(OsStr::to_str).unwrap_or("");
            if extensions.contains(&extension) && !written.contains(name.as_str()) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result;
    use crate::testing;
    use std::time::Duration;

    fn with_report(check: impl FnOnce(&ReportInput<'_>)) {
        let (plan, recording) = (testing::plan(), testing::az_outage());
        let result = result::build("plan", "model", &plan, &recording);
        let info = RunInfo::new(Duration::from_secs(8), recording.sim_ns, 1, None, "test");
        check(&ReportInput {
            plan: &plan,
            result: &result,
            recording: &recording,
            run_info: &info,
            plan_json: "{}\n",
            command: "stormglass run az-outage --seed 7",
        });
    }

    #[test]
    fn every_file_of_the_contract_is_there_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        with_report(|input| write_run_dir(dir.path(), input).unwrap());
        for name in [
            "result.json",
            "run.json",
            "plan.json",
            "timeline.csv",
            "cost.csv",
            "events.jsonl",
            "index.html",
            "latency/response.hgrm",
            "latency/end_to_end-search-orders.hgrm",
            "latency/response.hlog",
            "charts/throughput.svg",
        ] {
            assert!(dir.path().join(name).is_file(), "{name}");
        }
        for folder in ["", "latency", "charts"] {
            for entry in fs::read_dir(dir.path().join(folder)).unwrap() {
                let name = entry.unwrap().file_name();
                assert!(!name.to_string_lossy().ends_with(".partial"), "{}", name.display());
            }
        }
    }

    #[test]
    fn an_earlier_runs_files_are_replaced_and_strangers_stay() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("charts")).unwrap();
        for name in ["charts/gone.svg", "charts/notes.txt", "result.json"] {
            fs::write(dir.path().join(name), "old").unwrap();
        }
        with_report(|input| write_run_dir(dir.path(), input).unwrap());
        assert!(!dir.path().join("charts/gone.svg").exists());
        assert!(dir.path().join("charts/notes.txt").exists());
        assert_ne!(fs::read_to_string(dir.path().join("result.json")).unwrap(), "old");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("cost.csv/in-the-way")).unwrap();
        fs::write(dir.path().join("index.html"), "an earlier run's").unwrap();
        with_report(|input| {
            let error = write_run_dir(dir.path(), input).unwrap_err();
            assert!(error.to_string().contains("cost.csv"), "{error}");
        });
        assert!(!dir.path().join("cost.csv.partial").exists());
        for name in ["plan.json", "result.json"] {
            assert!(dir.path().join(name).exists(), "{name} comes before what cannot be written");
        }
        assert!(!dir.path().join("index.html").exists(), "an incomplete run has no page");
    }

    #[test]
    fn events_are_one_json_object_a_line() {
        let recording = testing::az_outage();
        let text = String::from_utf8(events(&recording).unwrap()).unwrap();
        assert_eq!(text.lines().count(), recording.events.len());
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first["kind"], "fault-begin");
        assert_eq!(first["until_s"].as_f64(), Some(120.0));
    }
}
