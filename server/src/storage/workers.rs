//! Threads for what waits for the volume: one fsyncs segments, one replaces small files, one makes and
//! deletes the directories of logs. Each does its work in order.

use super::log_dir::LogDir;
use super::place::Place;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use stormglass_broker_core::ids::DiskOpId;

/// What to do.
#[derive(Debug)]
pub(super) enum Job {
    /// fsync a file, and what must be durable for it to be found. It is opened for that, whoever has it
    /// open: thousands of these may wait.
    Sync(PathBuf, Vec<PathBuf>),
    /// fsync a cleaned segment, and write its index of aborted transactions.
    SyncCleaned {
        /// The `.log`.
        log: Arc<File>,
        /// Where the index goes.
        index: PathBuf,
        /// The index.
        aborted: bytes::Bytes,
    },
    /// fsync a directory.
    SyncDir(PathBuf),
    /// Replace a file, in the directory of that log if it is in one.
    Write(PathBuf, bytes::Bytes, Option<Arc<Place>>),
    /// Read a file.
    Read(PathBuf),
    /// Delete a file.
    Delete(PathBuf),
    /// Make a log's directory.
    Make(Arc<Place>),
    /// Close the files of a log that was given up, and rename or delete its directory.
    Clear(LogDir),
    /// Delete a directory with what is in it.
    DeleteDir(PathBuf),
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Finished {
    /// Done.
    Done,
    /// Content of a file, if it is there.
    File(Option<bytes::Bytes>),
}

/// Whom a worker tells.
pub(super) type Report = Box<dyn FnMut(DiskOpId, io::Result<Finished>) + Send>;

/// A thread with its jobs.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Sender<(Option<DiskOpId>, Job)>,
    thread: JoinHandle<()>,
}

impl Worker {
    pub(super) fn start(name: &str, report: Report) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let thread =
            thread::Builder::new().name(name.to_owned()).spawn(move || run(&inbox, report))?;
        Ok(Self { jobs, thread })
    }

    /// Hands over a job. One without an id is nobody's: that it failed is only logged.
    pub(super) fn submit(&self, id: Option<DiskOpId>, job: Job) {
        // a worker that is gone has panicked, and its join says so
        let _ = self.jobs.send((id, job));
    }

    /// Waits for all jobs; false when the worker has failed.
    pub(super) fn finish(self) -> bool {
        drop(self.jobs);
        self.thread.join().is_ok()
    }
}

fn run(inbox: &Receiver<(Option<DiskOpId>, Job)>, mut report: Report) {
    for (id, job) in inbox {
        match (id, execute(job)) {
            (Some(id), finished) => report(id, finished),
            (None, Ok(_)) => {}
            (None, Err(error)) => tracing::warn!(%error, "what was left behind stays"),
        }
    }
}

/// Does a job.
pub(super) fn execute(job: Job) -> io::Result<Finished> {
    match job {
        Job::Sync(path, dirs) => {
            // segments and logs may have been deleted meanwhile
            for path in [path].iter().chain(&dirs) {
                ignore_missing(sync(path))?;
            }
        }
        Job::SyncCleaned { log, index, aborted } => {
            log.sync_data()?;
            // both may have been given up meanwhile
            ignore_missing(write_synced(&index, &aborted))?;
        }
        Job::SyncDir(dir) => ignore_missing(sync(&dir))?,
        Job::Write(path, bytes, log) => {
            // the log that it belongs to may have been deleted meanwhile, and another have its name
            if log.map_or(Ok(true), |place| place.make())? {
                ignore_missing(write_durably(&path, &bytes))?;
            }
        }
        Job::Read(path) => {
            return match fs::read(&path) {
                Ok(bytes) => Ok(Finished::File(Some(bytes.into()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Finished::File(None)),
                Err(error) => Err(error),
            };
        }
        Job::Delete(path) => ignore_missing(fs::remove_file(path))?,
        Job::Make(place) => drop(place.make()?),
        Job::Clear(log) => log.into_place().clear()?,
        Job::DeleteDir(path) => ignore_missing(fs::remove_dir_all(path))?,
    }
    Ok(Finished::Done)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Replaces a file so that a crash leaves either the old or the new content.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// fsyncs a file or a directory: all that was written there, by whomever.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_data()
}
