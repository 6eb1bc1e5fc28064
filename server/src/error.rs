//! Why `serve` cannot go on: what is wrong, and what the operator can do about it.

use std::fmt;
use std::io;
use std::path::Path;

/// An operator's problem, with a next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeError {
    message: String,
    help: String,
}

impl ServeError {
    /// A sentence without a full stop, and what to do.
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// A file or directory of the data directory.
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "let this user write there, or choose another directory with --data-dir"
            }
            io::ErrorKind::StorageFull => "make room on that volume",
            _ => "check the volume, or choose another directory with --data-dir",
        };
        Self::new(format!("cannot {what} {}: {error}", path.display()), help)
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ServeError {}
