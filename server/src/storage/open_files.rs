//! How many segments have their file open. Kafka keeps all of them open, and a process that may not
//! open another file takes its log directory offline; here files that nobody uses are closed.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A count that open files share.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenFiles {
    count: Arc<AtomicUsize>,
}

/// A file that counts while it is open.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: Arc<File>,
    all: OpenFiles,
}

impl OpenFiles {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub(super) fn add(&self, file: File) -> OpenFile {
        self.count.fetch_add(1, Ordering::Relaxed);
        OpenFile { file: Arc::new(file), all: self.clone() }
    }
}

impl OpenFile {
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.all.count.fetch_sub(1, Ordering::Relaxed);
    }
}
