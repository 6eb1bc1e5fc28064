//! The directory of one partition: its segments by base offset.

use super::layout::{OFFSETS_END, PARTITION_METADATA, segment_base};
use super::open_files::OpenFiles;
use super::place::Place;
use super::segment::{SEGMENT_FILES, Segment};
use super::swap;
use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Records;

/// A partition's log.
#[derive(Debug)]
pub(super) struct LogDir {
    pub(super) path: PathBuf,
    pub(super) place: Arc<Place>,
    pub(super) segments: BTreeMap<Offset, Segment>,
    /// What the log cleaner writes.
    pub(super) cleaned: Option<Segment>,
    open_files: OpenFiles,
}

impl LogDir {
    /// A directory that is there.
    pub(super) fn existing(path: &Path, open_files: &OpenFiles) -> io::Result<Self> {
        swap::recover(path)?;
        let mut segments = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            check_is_file(&entry)?;
            let name = entry.file_name();
            if let Some(base) = name.to_str().and_then(|name| segment_base(name, ".log")) {
                check_base(&entry, base)?;
                segments.insert(base, Segment::existing(path, base, open_files)?);
            }
        }
        let (open_files, place) = (open_files.clone(), Arc::new(Place::existing(path)));
        Ok(Self { path: path.to_owned(), place, segments, cleaned: None, open_files })
    }

    /// Whether there are no records in it.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.values().all(|segment| segment.size() == 0)
    }

    /// A new one, whose directory need not be there yet.
    pub(super) fn new(place: Arc<Place>, open_files: &OpenFiles) -> Self {
        let (path, open_files) = (place.path().to_owned(), open_files.clone());
        Self { path, place, segments: BTreeMap::new(), cleaned: None, open_files }
    }

    /// Where it was; its files are closed.
    pub(super) fn into_place(self) -> Arc<Place> {
        self.place
    }

    /// What must be fsynced before a segment counts as durable: whose log it is, and the names.
    pub(super) fn names(&self, root: &Path) -> Vec<PathBuf> {
        vec![self.path.join(PARTITION_METADATA), self.path.clone(), root.to_owned()]
    }

    /// The segment with a base offset, made when absent. A segment that is followed by another one
    /// gets no more batches, so its index is complete.
    pub(super) fn segment_or_create(&mut self, base: Offset) -> io::Result<&mut Segment> {
        if !self.segments.contains_key(&base) {
            if let Some(mut last) = self.segments.last_entry() {
                last.get_mut().flush_index()?;
            }
            self.place.make()?;
            self.segments.insert(base, Segment::create(&self.path, base, &self.open_files)?);
        }
        Ok(self.segments.get_mut(&base).expect("inserted above"))
    }

    pub(super) fn append(&mut self, base: Offset, records: &Records) -> io::Result<()> {
        self.segment_or_create(base)?.append(records)
    }

    /// Cuts as [`stormglass_broker_core::seam::DiskOpKind::Truncate`] says.
    pub(super) fn truncate(&mut self, to: Offset) -> io::Result<()> {
        let empties = self.segments.first_key_value().is_none_or(|(first, _)| to <= *first);
        let gone =
            if empties { std::mem::take(&mut self.segments) } else { self.segments.split_off(&to) };
        for segment in gone.into_values() {
            segment.delete()?;
        }
        if empties {
            self.segment_or_create(to)?;
        } else if let Some(mut last) = self.segments.last_entry() {
            last.get_mut().truncate(to)?;
        }
        Ok(())
    }

    /// Appends to what the log cleaner writes.
    pub(super) fn append_cleaned(&mut self, base: Offset, records: &Records) -> io::Result<()> {
        let cleaned = match self.cleaned.take() {
            Some(cleaned) if cleaned.base == base => cleaned,
            _ => Segment::create_cleaned(&self.path, base, &self.open_files)?,
        };
        self.cleaned.insert(cleaned).append(records)
    }

    /// What the log cleaner has written takes the place of segments: see [`swap`].
    pub(super) fn replace_segments(&mut self, base: Offset, bases: &[Offset]) -> io::Result<()> {
        let cleaned = self.cleaned.take().filter(|cleaned| cleaned.base == base);
        let cleaned = cleaned.ok_or(io::ErrorKind::NotFound)?;
        swap::carry_out(&self.path, base, bases)?;
        for base in bases {
            self.segments.remove(base);
        }
        self.segments.insert(base, cleaned.counts());
        Ok(())
    }

    pub(super) fn drop_cleaned(&mut self) -> io::Result<()> {
        self.cleaned.take().map_or(Ok(()), Segment::delete)
    }

    pub(super) fn delete_segments(&mut self, bases: &[Offset]) -> io::Result<()> {
        for base in bases {
            if let Some(segment) = self.segments.remove(base) {
                segment.delete()?;
            }
        }
        Ok(())
    }
}

/// The log would go on behind the newest segment, and there must be offsets left for that.
fn check_base(entry: &DirEntry, base: Offset) -> io::Result<()> {
    if base < OFFSETS_END {
        return Ok(());
    }
    Err(io::Error::other(format!("no log gets as far as {}", entry.path().display())))
}

/// A segment's files must be files: an index that is none would be missed only when it is written.
fn check_is_file(entry: &DirEntry) -> io::Result<()> {
    let path = entry.path();
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_segments = ending.is_some_and(|ending| SEGMENT_FILES.contains(&ending));
    if !is_segments || entry.file_type()?.is_file() {
        return Ok(());
    }
    match fs::metadata(&path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(io::Error::other(format!("{} is not a file", path.display()))),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}
