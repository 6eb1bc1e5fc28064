//! All logs and small files of a node: executes the core's disk operations.

use super::layout::{
    DELETED, METADATA_DIR, PARTITION_METADATA, STRAY, dir_name, file_path,
    parse_partition_metadata, partition_of,
};
use super::log_dir::LogDir;
use super::open_files::OpenFiles;
use super::read;
use super::read_memory;
use super::segment::Segment;
use super::swap::cleaned_txn_index;
use super::workers::{Finished, Job, Worker, write_durably};
use crate::error::ServeError;
use crate::ids;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::Sender;
use stormglass_broker_core::ids::{DiskOpId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{
    DiskError, DiskOp, DiskOpKind, DiskResult, FileName, ReadRange,
};

/// Longest name of a directory on usual file systems, bytes.
const NAME_MAX: usize = 255;

/// When an operation's outcome is known.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// Now.
    Now(DiskResult),
    /// A worker reports it.
    Later,
}

/// The log directory of a node.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) root: PathBuf,
    pub(super) logs: FxHashMap<TopicPartition, LogDir>,
    workers: Option<Workers>,
    /// The first segment that a starting broker could not read.
    pub(super) unreadable: OnceLock<String>,
    /// The marker of a clean shutdown: written when everything before it is on the volume.
    marker: Option<PathBuf>,
    open_files: OpenFiles,
    /// Segments whose files may be open.
    open_files_max: usize,
    /// Why the log directory is offline: something that was to be written has failed.
    failed: Option<DiskError>,
}

#[derive(Debug)]
struct Workers {
    syncs: Worker,
    files: Worker,
}

impl Store {
    /// What is there; what a deletion left is cleaned up.
    pub(crate) fn open(root: &Path) -> Result<Self, ServeError> {
        let failed = |error: &io::Error| ServeError::io("read", root, error);
        fs::create_dir_all(root.join(METADATA_DIR)).map_err(|error| failed(&error))?;
        let mut store = Self {
            root: root.to_owned(),
            logs: FxHashMap::default(),
            workers: None,
            unreadable: OnceLock::new(),
            marker: None,
            open_files: OpenFiles::default(),
            open_files_max: usize::MAX,
            failed: None,
        };
        for entry in fs::read_dir(root).map_err(|error| failed(&error))? {
            let path = entry.map_err(|error| failed(&error))?.path();
            if path.is_dir() {
                store.open_dir(&path)?;
            }
        }
        Ok(store)
    }

    fn open_dir(&mut self, path: &Path) -> Result<(), ServeError> {
        let found = self.find_log(path).map_err(|error| ServeError::io("open", path, &error))?;
        let Some((tp, log)) = found else { return Ok(()) };
        match self.logs.insert(tp, log) {
            None => Ok(()),
            Some(other) => Err(ServeError::new(
                format!(
                    "{} and {} are logs of the same partition",
                    other.path.display(),
                    path.display()
                ),
                "move the one that was copied there elsewhere; no log has been changed",
            )),
        }
    }

    /// The log in a directory, if there is one.
    fn find_log(&self, path: &Path) -> io::Result<Option<(TopicPartition, LogDir)>> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(DELETED) {
            return fs::remove_dir_all(path).map(|()| None);
        }
        let Some(partition) = partition_of(name) else { return Ok(None) };
        // another topic's log in the place of the metadata log would be set aside for it
        let fits = |topic: &TopicId| *topic == TopicId::METADATA || !path.ends_with(METADATA_DIR);
        match fs::read_to_string(path.join(PARTITION_METADATA)) {
            // made, but not fsynced when the machine lost its power: nor was anything in it
            Ok(text) if text.bytes().all(|byte| byte == 0) => self.open_nameless(path)?,
            Ok(text) => match parse_partition_metadata(&text).filter(fits) {
                Some(topic) => {
                    let tp = TopicPartition::new(topic, partition);
                    return Ok(Some((tp, LogDir::existing(path, &self.open_files)?)));
                }
                None => {
                    tracing::warn!(path = %path.display(), "{PARTITION_METADATA} is damaged");
                    return Err(io::ErrorKind::InvalidData.into());
                }
            },
            // made, but not named yet, when the process was killed: there is nothing in it
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.open_nameless(path)?,
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// A directory that does not say whose log it is. Records in it never counted as durable, or their
    /// name was lost since; they are kept either way. Without its metadata log a node does not start.
    fn open_nameless(&self, path: &Path) -> io::Result<()> {
        if LogDir::existing(path, &self.open_files)?.is_empty() {
            return Ok(());
        }
        if path.ends_with(METADATA_DIR) {
            tracing::warn!(path = %path.display(), "{PARTITION_METADATA} is missing or empty");
            return Err(io::ErrorKind::InvalidData.into());
        }
        set_aside(path, "nothing says which topic it belongs to")
    }

    /// Whether everything could be read that a starting broker asked for. If not, it must not go
    /// on: it takes what it could not see for lost, and would cut it off.
    pub(crate) fn check_readable(&self) -> Result<(), ServeError> {
        self.unreadable.get().map_or(Ok(()), |message| {
            Err(ServeError::new(message.clone(), "check the volume; nothing has been changed"))
        })
    }

    /// Starts the workers, whose outcomes go to `outbox`.
    pub(crate) fn start_workers<E: Send + 'static>(
        &mut self,
        outbox: &Sender<E>,
        event: impl Fn(DiskOpId, DiskResult) -> E + Clone + Send + 'static,
    ) -> io::Result<()> {
        let start = |name| {
            let (outbox, event) = (outbox.clone(), event.clone());
            let report = move |id, finished: io::Result<Finished>| {
                let result = match finished {
                    Ok(Finished::Done) => DiskResult::Done,
                    Ok(Finished::File(bytes)) => DiskResult::File(bytes),
                    Err(error) => failure(name, &error),
                };
                // a node that is gone needs no outcome
                let _ = outbox.send(event(id, result));
            };
            Worker::start(name, Box::new(report))
        };
        self.workers = Some(Workers { syncs: start("fsync")?, files: start("files")? });
        Ok(())
    }

    /// The same with at most about so many segments' files open at a time.
    pub(crate) fn with_open_files_max(mut self, max: usize) -> Self {
        self.open_files_max = max;
        self
    }

    /// Executes an operation or hands it to a worker. After a failed write nothing is changed any more.
    pub(crate) fn submit(&mut self, op: DiskOp) -> Submitted {
        let is_change = op.kind.is_change();
        if let Some(error) = self.failed.filter(|_| is_change) {
            return Submitted::Now(DiskResult::Failed(error));
        }
        let submitted = self.start(op);
        if let Submitted::Now(DiskResult::Failed(error)) = submitted
            && is_change
        {
            self.failed = Some(error);
        }
        submitted
    }

    fn start(&mut self, op: DiskOp) -> Submitted {
        if self.open_files.count() > self.open_files_max {
            self.close_files();
        }
        let DiskOp { id, kind } = op;
        let done = match kind {
            DiskOpKind::CreateLog { tp, topic } => self.create_log(tp, &topic),
            DiskOpKind::Append { tp, segment, records } => self.append(tp, segment, &records),
            DiskOpKind::Read { ranges, max_bytes } => {
                return Submitted::Now(match self.read(&ranges, max_bytes) {
                    Ok(records) => DiskResult::Read(records),
                    Err(error) => failure("read", &error),
                });
            }
            DiskOpKind::FindTimestamp { tp, segment, position, from, timestamp } => {
                return Submitted::Now(
                    match self.find_timestamp((tp, segment), position, from, timestamp) {
                        Ok(found) => DiskResult::Found(found),
                        Err(error) => failure("read", &error),
                    },
                );
            }
            DiskOpKind::Sync { tp, segment } => {
                let job = self.sync_job(tp, segment);
                return self.job(id, job, |workers| &workers.syncs);
            }
            DiskOpKind::Truncate { tp, to } => self.log(tp, |log| log.truncate(to)),
            DiskOpKind::DeleteSegments { tp, segments } => {
                self.log(tp, |log| log.delete_segments(&segments))
            }
            DiskOpKind::SetLogAside { tp } => self.set_log_aside(tp),
            DiskOpKind::AppendCleaned { tp, segment, records } => {
                self.log(tp, |log| log.append_cleaned(segment, &records))
            }
            DiskOpKind::SyncCleaned { tp, aborted, .. } => {
                let job = self.sync_cleaned(tp, aborted);
                return self.job(id, job, |workers| &workers.files);
            }
            DiskOpKind::ReplaceSegments { tp, segment, replaced } => {
                let job = self.replace_segments(tp, segment, &replaced);
                return self.job(id, job, |workers| &workers.files);
            }
            DiskOpKind::DropCleaned { tp } => self.log(tp, LogDir::drop_cleaned),
            DiskOpKind::DeleteLog { tp } => {
                let job = self.delete_log(tp).map(|renamed| renamed.map(Job::DeleteDir));
                return self.job(id, job, |workers| &workers.files);
            }
            DiskOpKind::WriteFile { file: FileName::CleanShutdown, .. } => {
                self.marker = self.path(&FileName::CleanShutdown);
                Ok(())
            }
            DiskOpKind::WriteFile { file, bytes } => {
                return self.file_job(id, &file, |path| Job::Write(path, bytes));
            }
            DiskOpKind::ReadFile { file } => return self.file_job(id, &file, Job::Read),
            DiskOpKind::DeleteFile { file } => return self.file_job(id, &file, Job::Delete),
        };
        Submitted::Now(match done {
            Ok(()) => DiskResult::Done,
            Err(error) => failure("write", &error),
        })
    }

    /// The last act of a node: indexes written, all work done, and then the marker, if the core
    /// asked for it.
    #[expect(clippy::iter_over_hash_type, reason = "logs are closed in any order")]
    pub(crate) fn close(mut self) -> Result<(), ServeError> {
        for log in self.logs.values_mut() {
            for segment in log.segments.values_mut() {
                segment
                    .flush_index()
                    .map_err(|error| ServeError::io("write an index in", &log.path, &error))?;
            }
        }
        let finished = self
            .workers
            .take()
            .is_none_or(|workers| workers.syncs.finish() & workers.files.finish());
        match self.marker {
            Some(marker) if finished => write_durably(&marker, &[])
                .map_err(|error| ServeError::io("write", &marker, &error)),
            _ => Ok(()),
        }
    }

    /// The log directory.
    pub(crate) fn log_dir(&self) -> &Path {
        &self.root
    }

    pub(super) fn path(&self, file: &FileName) -> Option<PathBuf> {
        file_path(&self.root, file, |tp| self.logs.get(&tp).map(|log| log.path.clone()))
    }

    fn workers(&self) -> &Workers {
        self.workers.as_ref().expect("workers are started before the first step")
    }

    /// Closes files that were not used since the last time, or all if that is not enough: what follows
    /// must open many before this is called again.
    #[cold]
    #[expect(clippy::iter_over_hash_type, reason = "files are closed in any order")]
    fn close_files(&mut self) {
        for log in self.logs.values_mut() {
            log.segments.values_mut().for_each(Segment::close_unused_file);
        }
        if self.open_files.count() > self.open_files_max / 4 * 3 {
            for log in self.logs.values_mut() {
                log.segments.values_mut().for_each(Segment::close_file);
            }
        }
        tracing::debug!(open = self.open_files.count(), "files of segments closed");
    }

    /// Hands a job to a worker; where there is nothing to do, it is done.
    fn job(
        &self,
        id: DiskOpId,
        job: io::Result<Option<Job>>,
        worker: impl FnOnce(&Workers) -> &Worker,
    ) -> Submitted {
        match job {
            Ok(Some(job)) => {
                worker(self.workers()).submit(id, job);
                Submitted::Later
            }
            Ok(None) => Submitted::Now(DiskResult::Done),
            Err(error) => Submitted::Now(failure("write", &error)),
        }
    }

    fn file_job(
        &self,
        id: DiskOpId,
        file: &FileName,
        job: impl FnOnce(PathBuf) -> Job,
    ) -> Submitted {
        match self.path(file) {
            Some(path) => {
                let workers = self.workers();
                // the quorum waits for these as for its log
                let urgent = matches!(file, FileName::QuorumState | FileName::MetadataSnapshot(..));
                let worker = if urgent { &workers.syncs } else { &workers.files };
                worker.submit(id, job(path));
                Submitted::Later
            }
            // of a log that has been deleted
            None => Submitted::Now(DiskResult::Done),
        }
    }

    /// A log that is not there any more has nothing to be done.
    fn log(
        &mut self,
        tp: TopicPartition,
        act: impl FnOnce(&mut LogDir) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(log) = self.logs.get_mut(&tp) else { return Ok(()) };
        act(log).map_err(|error| in_log(&log.path, &error))
    }

    fn create_log(&mut self, tp: TopicPartition, topic: &str) -> io::Result<()> {
        if self.logs.contains_key(&tp) {
            return Ok(());
        }
        let path = self.root.join(dir_name(topic, tp.partition));
        let log = match LogDir::create(&path, tp.topic, &self.open_files) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.clear_place(&path)?;
                LogDir::create(&path, tp.topic, &self.open_files)?
            }
            other => other?,
        };
        self.logs.insert(tp, log);
        Ok(())
    }

    /// Makes room for a log. Records of another one are set aside; what a power failure has left of a
    /// log that never was fsynced goes.
    fn clear_place(&mut self, path: &Path) -> io::Result<()> {
        if LogDir::existing(path, &self.open_files)?.is_empty() {
            return fs::remove_dir_all(path);
        }
        set_aside(path, "another topic's log is to be there")?;
        self.logs.retain(|_, log| log.path != path);
        Ok(())
    }

    fn append(&mut self, tp: TopicPartition, base: Offset, records: &Records) -> io::Result<()> {
        let log = self.logs.get_mut(&tp).ok_or(io::ErrorKind::NotFound)?;
        let done = if records.is_empty() {
            log.segment_or_create(base).map(|_| ())
        } else {
            log.append(base, records)
        };
        done.map_err(|error| in_log(&log.path, &error))
    }

    /// Nothing of a range that begins with a damaged batch, and an error where that is all there is.
    fn read(&mut self, ranges: &[ReadRange], max_bytes: u32) -> io::Result<Vec<Records>> {
        let (mut left, mut exempt) = (read_memory::allowed(max_bytes), true);
        let mut damage = None;
        let mut answer = Vec::with_capacity(ranges.len());
        for range in ranges {
            let log = self.logs.get_mut(&range.tp);
            let read = match log.and_then(|log| log.segments.get_mut(&range.segment)) {
                Some(segment) => read::range(segment, range, range.max_bytes.min(left), exempt),
                None => Ok(Records::default()),
            };
            let records = match read {
                // other partitions are not held up
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    damage = Some(error);
                    Records::default()
                }
                read => read?,
            };
            left = left.saturating_sub(records.size_bytes());
            exempt &= records.is_empty();
            answer.push(records);
        }
        match damage {
            Some(error) if exempt => Err(error),
            _ => Ok(answer),
        }
    }

    fn find_timestamp(
        &mut self,
        (tp, base): (TopicPartition, Offset),
        position: u32,
        from: Offset,
        timestamp: i64,
    ) -> io::Result<Option<(i64, Offset)>> {
        let log = self.logs.get_mut(&tp);
        match log.and_then(|log| log.segments.get_mut(&base)) {
            Some(segment) => read::find_timestamp(segment, position, from, timestamp),
            None => Ok(None),
        }
    }

    fn sync_job(&mut self, tp: TopicPartition, base: Offset) -> io::Result<Option<Job>> {
        let Some(log) = self.logs.get_mut(&tp) else { return Ok(None) };
        let is_named = log.segments.get(&base).is_some_and(|segment| segment.is_named);
        let names = if is_named { Vec::new() } else { log.names(&self.root) };
        let Some(segment) = log.segments.get_mut(&base) else { return Ok(None) };
        segment.is_named = true;
        Ok(Some(Job::Sync(segment.log_path(), names)))
    }

    fn sync_cleaned(&mut self, tp: TopicPartition, aborted: Bytes) -> io::Result<Option<Job>> {
        let Some(log) = self.logs.get_mut(&tp) else { return Ok(None) };
        let Some(cleaned) = &mut log.cleaned else { return Ok(None) };
        cleaned.flush_index()?;
        let index = cleaned_txn_index(&log.path, cleaned.base);
        Ok(Some(Job::SyncCleaned { log: cleaned.file()?, index, aborted }))
    }

    fn replace_segments(
        &mut self,
        tp: TopicPartition,
        base: Offset,
        replaced: &[Offset],
    ) -> io::Result<Option<Job>> {
        let Some(log) = self.logs.get_mut(&tp) else { return Ok(None) };
        log.replace_segments(base, replaced)?;
        Ok(Some(Job::SyncDir(log.path.clone())))
    }

    /// Renames first, as Kafka does: a crash in between leaves a name that says what it is.
    fn delete_log(&mut self, tp: TopicPartition) -> io::Result<Option<PathBuf>> {
        let Some(log) = self.logs.remove(&tp) else { return Ok(None) };
        rename(&log.path, DELETED).map(Some)
    }

    fn set_log_aside(&mut self, tp: TopicPartition) -> io::Result<()> {
        let Some(log) = self.logs.remove(&tp) else { return Ok(()) };
        set_aside(&log.path, "its topic is not in the metadata")
    }
}

/// Gives a directory another ending and, as in Kafka, a name that there was never before; a long one is
/// cut.
fn rename(path: &Path, ending: &str) -> io::Result<PathBuf> {
    let ending = format!(".{:x}{ending}", ids::random_u128());
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let kept: String = name.chars().take(NAME_MAX - ending.len()).collect();
    let renamed = path.with_file_name(kept + &ending);
    fs::rename(path, &renamed)?;
    Ok(renamed)
}

fn set_aside(path: &Path, why: &str) -> io::Result<()> {
    let renamed = rename(path, STRAY)?;
    tracing::warn!(log = %path.display(), now = %renamed.display(), "log set aside: {why}");
    Ok(())
}

/// The same error, saying where.
fn in_log(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// An error as the core knows it; the log has the details.
fn failure(what: &str, error: &io::Error) -> DiskResult {
    tracing::error!(%error, what, "a disk operation failed");
    DiskResult::Failed(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::Full,
        io::ErrorKind::InvalidData => DiskError::Corrupt,
        _ => DiskError::Io,
    })
}
