//! The plan of a run that has not ended: whether a failed assertion stops it or a kill, its plan is there
//! to run it again.
//!
//! A run's directory gets everything else once there is a result. Until then whatever an earlier run has
//! left there stays whole.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use std::fs;
use std::path::{Path, PathBuf};
use stormglass_reports::run_dir::write_whole;
use stormglass_scenarios::plan::Plan;

const PLAN: &str = "plan.json";
const RESULT: &str = "result.json";
/// Its name where an earlier run has a plan.json, or a result that such a plan would not be of.
const BESIDE: &str = "unfinished.json";

/// A plan that lies in its run's directory.
#[derive(Debug)]
pub(crate) struct Unfinished {
    dir: PathBuf,
    file: PathBuf,
    /// Whether it was there before, to the byte.
    was_there: bool,
    /// Directories that were made for it.
    made: Vec<PathBuf>,
}

impl Unfinished {
    /// Writes the plan of a run that is about to begin.
    pub(crate) fn begin(dir: &Path, plan: &Plan) -> Result<Self, Failure> {
        let (text, made) = (plan.to_json(), files::missing(dir));
        let earlier = fs::read(dir.join(PLAN)).ok();
        let was_there = earlier.as_deref() == Some(text.as_bytes());
        let is_free = earlier.is_none() && !dir.join(PLAN).exists() && !dir.join(RESULT).exists();
        let file = dir.join(if was_there || is_free { PLAN } else { BESIDE });
        if !was_there {
            write_whole(&file, text.as_bytes()).map_err(|error| {
                Failure::new(Exit::Internal, error.to_string())
                    .help("choose another place with --out DIR")
            })?;
        }
        Ok(Self { dir: dir.to_owned(), file, was_there, made })
    }

    /// The run's files have been written, its plan.json among them: none is unfinished, neither this run
    /// nor one before it.
    pub(crate) fn done(self) {
        // nothing is lost where it cannot be removed
        let _ = fs::remove_file(self.dir.join(BESIDE));
    }

    /// There will be no result. After a bug the plan stays, and the failure says where; a run that was
    /// refused leaves nothing behind.
    pub(crate) fn failed(self, failure: Failure) -> Failure {
        if failure.exit() == Exit::Internal {
            let file = self.file.display();
            return failure.help(format!("the plan is {file}, for `stormglass replay`"));
        }
        if !self.was_there {
            let _ = fs::remove_file(&self.file);
            files::remove_empty(&self.made);
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_scenarios::{Source, load};
    use tempfile::TempDir;

    fn plan(seed: u64) -> Plan {
        load(&Source::library("steady").unwrap(), &[], seed).unwrap()
    }

    fn names(dir: &Path) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| name(entry.unwrap())).collect();
        names.sort_unstable();
        names
    }

    /// A directory with the files of an earlier run.
    fn earlier(seed: u64) -> TempDir {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(PLAN), plan(seed).to_json()).unwrap();
        fs::write(dir.path().join(RESULT), "earlier").unwrap();
        dir
    }

    #[test]
    fn the_plan_is_there_from_the_beginning_and_after_a_bug() {
        let place = TempDir::new().unwrap();
        let dir = place.path().join("a/b");
        let unfinished = Unfinished::begin(&dir, &plan(1)).unwrap();
        assert_eq!(fs::read_to_string(dir.join(PLAN)).unwrap(), plan(1).to_json());
        let failure = unfinished.failed(Failure::new(Exit::Internal, "an assertion failed"));
        assert_eq!((failure.exit(), names(&dir)), (Exit::Internal, vec![PLAN.to_owned()]));
    }

    #[test]
    fn a_run_that_is_refused_leaves_nothing() {
        let place = TempDir::new().unwrap();
        let unfinished = Unfinished::begin(&place.path().join("a/b"), &plan(1)).unwrap();
        let failure = unfinished.failed(Failure::usage("no such bug"));
        assert_eq!((failure.exit(), names(place.path())), (Exit::Usage, Vec::new()));
    }

    #[test]
    fn an_earlier_run_stays_whole_until_its_files_are_replaced() {
        let dir = earlier(1);
        let unfinished = Unfinished::begin(dir.path(), &plan(2)).unwrap();
        assert_eq!(names(dir.path()), [PLAN, RESULT, BESIDE]);
        assert_eq!(fs::read_to_string(dir.path().join(PLAN)).unwrap(), plan(1).to_json());
        unfinished.failed(Failure::usage("no such bug"));
        assert_eq!(names(dir.path()), [PLAN, RESULT]);
        Unfinished::begin(dir.path(), &plan(2)).unwrap().done();
        assert_eq!(names(dir.path()), [PLAN, RESULT]);
    }

    #[test]
    fn the_same_plan_is_there_already_and_stays() {
        let dir = earlier(1);
        let unfinished = Unfinished::begin(dir.path(), &plan(1)).unwrap();
        unfinished.failed(Failure::usage("no such bug"));
        assert_eq!(names(dir.path()), [PLAN, RESULT]);
    }
}
