//! All logs and small files of a node: executes the core's disk operations.

use super::layout::{
    DELETED, METADATA_DIR, PARTITION_METADATA, dir_name, file_path, log_of,
    parse_partition_metadata, partition_of,
};
use super::log_dir::LogDir;
use super::open_files::OpenFiles;
use super::place::{Fate, Place, in_log, set_aside};
use super::read;
use super::read_memory;
use super::segment::Segment;
use super::swap::cleaned_txn_index;
use super::workers::{Finished, Job, Worker, execute, write_durably};
use crate::error::ServeError;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use stormglass_broker_core::ids::{DiskOpId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{
    DiskError, DiskOp, DiskOpKind, DiskResult, FileName, ReadRange,
};

/// Logs that leave before those that are gone are looked for.
const LEAVING_MIN: usize = 64;

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
    /// Whose a directory is.
    names: FxHashMap<PathBuf, TopicPartition>,
    /// Logs that were given up, whose directories may still be there.
    leaving: FxHashMap<PathBuf, Arc<Place>>,
    /// So many of them, and those that are gone are forgotten.
    leaving_max: usize,
    /// What deletions have left behind, to be deleted when there are workers.
    leftovers: Vec<PathBuf>,
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
    logs: Worker,
}

impl Store {
    /// What is there; what a deletion left will be cleaned up.
    pub(crate) fn open(root: &Path) -> Result<Self, ServeError> {
        let failed = |error: &io::Error| ServeError::io("read", root, error);
        fs::create_dir_all(root.join(METADATA_DIR)).map_err(|error| failed(&error))?;
        let mut store = Self {
            root: root.to_owned(),
            logs: FxHashMap::default(),
            names: FxHashMap::default(),
            leaving: FxHashMap::default(),
            leaving_max: LEAVING_MIN,
            leftovers: Vec::new(),
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
        self.names.insert(log.path.clone(), tp);
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
    fn find_log(&mut self, path: &Path) -> io::Result<Option<(TopicPartition, LogDir)>> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(DELETED) {
            self.leftovers.push(path.to_owned());
            return Ok(None);
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
                // a node that is gone needs no outcome
                let _ = outbox.send(event(id, outcome(name, finished)));
            };
            Worker::start(name, Box::new(report))
        };
        let logs = start("logs")?;
        self.leftovers.drain(..).for_each(|dir| logs.submit(None, Job::DeleteDir(dir)));
        self.workers = Some(Workers { syncs: start("fsync")?, files: start("files")?, logs });
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
            DiskOpKind::CreateLog { tp, topic } => {
                let job = self.create_log(tp, &topic);
                return self.job(id, job, |workers| &workers.logs);
            }
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
            DiskOpKind::SetLogAside { tp } => {
                let job = self.give_up(tp, Fate::SetAside);
                return self.job(id, job, |workers| &workers.logs);
            }
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
                let job = self.give_up(tp, Fate::Deleted);
                return self.job(id, job, |workers| &workers.logs);
            }
            DiskOpKind::WriteFile { file: FileName::CleanShutdown, .. } => {
                self.marker = self.path(&FileName::CleanShutdown);
                Ok(())
            }
            DiskOpKind::WriteFile { file, bytes } => {
                let log = log_of(&file).and_then(|tp| self.logs.get(&tp));
                let place = log.map(|log| Arc::clone(&log.place));
                return self.file_job(id, &file, |path| Job::Write(path, bytes, place));
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
        let finished = self.workers.take().is_none_or(|workers| {
            workers.syncs.finish() & workers.files.finish() & workers.logs.finish()
        });
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
        match (job, &self.workers) {
            (Ok(Some(job)), Some(workers)) => {
                worker(workers).submit(Some(id), job);
                Submitted::Later
            }
            (Ok(Some(job)), None) => Submitted::Now(outcome("write", execute(job))),
            (Ok(None), _) => Submitted::Now(DiskResult::Done),
            (Err(error), _) => Submitted::Now(failure("write", &error)),
        }
    }

    fn file_job(
        &self,
        id: DiskOpId,
        file: &FileName,
        job: impl FnOnce(PathBuf) -> Job,
    ) -> Submitted {
        // the quorum waits for these as for its log
        let urgent = matches!(file, FileName::QuorumState | FileName::MetadataSnapshot(..));
        // none of a log that has been deleted
        let job = self.path(file).map(job);
        self.job(id, Ok(job), |workers| if urgent { &workers.syncs } else { &workers.files })
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

    /// The log is there at once; its directory when a worker has made it, or when it is needed. The
    /// metadata log's is needed now.
    fn create_log(&mut self, tp: TopicPartition, topic: &str) -> io::Result<Option<Job>> {
        if self.logs.contains_key(&tp) {
            return Ok(None);
        }
        let path = self.root.join(dir_name(topic, tp.partition));
        if let Some(other) = self.names.get(&path) {
            // the core gives up a log first; its records are not to be lost if it does not
            let other = self.logs.remove(other);
            if let Some(place) = other.and_then(|log| log.place.give_up(Fate::SetAside)) {
                self.leaving.insert(path.clone(), place);
            }
        }
        let place = Arc::new(Place::planned(&path, tp.topic, self.leaving.remove(&path)));
        self.names.insert(path, tp);
        self.logs.insert(tp, LogDir::new(Arc::clone(&place), &self.open_files));
        match tp.topic {
            TopicId::METADATA => place.make().map(|_| None),
            _ => Ok(Some(Job::Make(place))),
        }
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

    /// The worker that makes directories makes that one.
    #[cfg(test)]
    pub(super) fn give_to_worker(&self, place: &Arc<Place>) {
        let workers = self.workers.as_ref().expect("they were started");
        workers.logs.submit(None, Job::Make(Arc::clone(place)));
    }

    /// A log that leaves: a worker renames its directory, as Kafka does, before anything is deleted.
    fn give_up(&mut self, tp: TopicPartition, fate: Fate) -> io::Result<Option<Job>> {
        let Some(log) = self.logs.remove(&tp) else { return Ok(None) };
        self.names.remove(&log.path);
        if let Some(place) = log.place.give_up(fate) {
            self.leaving.insert(log.path.clone(), place);
        }
        if self.leaving.len() > self.leaving_max {
            self.leaving.retain(|_, place| !place.is_gone());
            self.leaving_max = LEAVING_MIN + 2 * self.leaving.len();
        }
        Ok(Some(Job::Clear(log)))
    }
}

fn outcome(what: &str, finished: io::Result<Finished>) -> DiskResult {
    match finished {
        Ok(Finished::Done) => DiskResult::Done,
        Ok(Finished::File(bytes)) => DiskResult::File(bytes),
        Err(error) => failure(what, &error),
    }
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
