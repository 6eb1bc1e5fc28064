//! A checkout of a base's revision beside the repository, gone again when it is no longer needed.

use crate::child;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::trials::interrupted;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;

/// The checkout.
#[derive(Debug)]
pub(super) struct Worktree {
    repository: PathBuf,
    dir: PathBuf,
    /// Where the suite's directory is in it.
    suite_dir: PathBuf,
    /// Abbreviated id of the commit.
    pub(super) commit: String,
}

impl Worktree {
    /// Checks out `revision` of the repository that holds `suite_dir`.
    ///
    /// # Errors
    /// With [`Exit::NotComparable`] when there is no repository or no such revision.
    pub(super) fn new(suite_dir: &Path, revision: &str) -> Result<Self, Failure> {
        // The directory of a bare file name is an empty path.
        let suite_dir = if suite_dir == Path::new("") { Path::new(".") } else { suite_dir };
        let git = |words: &[&str]| git(suite_dir, words);
        let repository = git(&["rev-parse", "--show-toplevel"]).map_err(|reason| {
            missing(format!("{} lies in no git repository: {reason}", suite_dir.display()))
                .help("use a stored base: --base FILE")
        })?;
        let prefix = git(&["rev-parse", "--show-prefix"]).map_err(missing)?;
        let wanted = format!("{revision}^{{commit}}");
        let commit = git(&["rev-parse", "--verify", "--short", "--end-of-options", &wanted])
            .map_err(|_| {
                missing(format!("this repository has no revision `{revision}`"))
                    .help(format!("fetch it first: git fetch origin {revision}"))
            })?;
        let dir = std::env::temp_dir().join(format!("stormglass-base-{}", std::process::id()));
        let place = dir.display().to_string();
        git(&["worktree", "add", "--detach", "--force", &place, &commit]).map_err(|reason| {
            Failure::new(Exit::Internal, format!("cannot check out {revision}: {reason}"))
        })?;
        let suite_dir = dir.join(prefix);
        Ok(Self { repository: PathBuf::from(repository), dir, suite_dir, commit })
    }

    /// The file that a suite's path names in the checkout.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.suite_dir.join(path)
    }

    /// Builds the base's program and returns its path.
    pub(super) fn build(
        &self,
        command: &str,
        binary: &str,
        interrupt: &AtomicBool,
    ) -> Result<PathBuf, Failure> {
        let output = child::output(shell(command).current_dir(&self.dir), interrupt)
            .map_err(|error| Failure::new(Exit::Internal, format!("cannot run a shell: {error}")))?
            .ok_or_else(interrupted)?;
        let commit = &self.commit;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let last: Vec<&str> = text.lines().rev().take(5).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            let message =
                format!("cannot build {commit}: `{command}` ended with {}", output.status);
            return Err(missing(format!("{message}\n{}", last.join("\n")))
                .help("correct `build` of the suite, or compare with a stored base"));
        }
        let path = self.dir.join(binary);
        if !path.is_file() {
            let message = format!("`{command}` in {commit} made no {binary}");
            return Err(missing(message).help("correct `binary` of the suite"));
        }
        Ok(path)
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        let place = self.dir.display().to_string();
        let removed = git(&self.repository, &["worktree", "remove", "--force", &place]);
        // What is left behind is a directory for temporary files; the verdict stands.
        if removed.is_err() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn missing(reason: impl Into<String>) -> Failure {
    Failure::new(Exit::NotComparable, reason)
}

fn shell(command: &str) -> Command {
    if cfg!(windows) {
        let mut shell = Command::new("cmd");
        shell.args(["/C", command]);
        return shell;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

/// The last line of what git says, or why it refuses.
fn git(dir: &Path, words: &[&str]) -> Result<String, String> {
    let outcome = Command::new("git").arg("-C").arg(dir).args(words).stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = outcome.map_err(|error| format!("git: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if status.success() { Ok(text(&stdout)) } else { Err(text(&stderr)) }
}
