//! One segment's files. The `.log` is opened when it is first used.

use super::index::SegmentIndex;
use super::layout::{CLEANED, segment_name};
use super::open_files::{OpenFile, OpenFiles};
use super::walk::{Head, Walk};
use bytes::{Bytes, BytesMut};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::{Batch, Records};

/// Bytes read at a time when only headers are wanted.
pub(super) const HEAD_CHUNK: usize = 64 << 10;

/// Endings of a segment's own files.
pub(super) const SEGMENT_FILES: [&str; 3] = ["log", "index", "timeindex"];

/// A segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base: Offset,
    dir: PathBuf,
    /// Behind the names of its files: nothing, or what says that it does not count yet.
    suffix: &'static str,
    size: u64,
    file: Option<OpenFile>,
    open_files: OpenFiles,
    /// Whether the file was wanted since somebody last looked for files to close.
    is_used: bool,
    index: Option<SegmentIndex>,
    /// Whether the directory knows its name for good.
    pub(super) is_named: bool,
}

impl Segment {
    /// A segment that is there.
    pub(super) fn existing(dir: &Path, base: Offset, open_files: &OpenFiles) -> io::Result<Self> {
        let size = fs::metadata(dir.join(segment_name(base, "log")))?.len();
        Ok(Self {
            base,
            dir: dir.to_owned(),
            suffix: "",
            size,
            file: None,
            open_files: open_files.clone(),
            is_used: false,
            index: None,
            is_named: true,
        })
    }

    /// A segment that is not; the file is made, and replaces one that a crash may have left.
    pub(super) fn create(dir: &Path, base: Offset, open_files: &OpenFiles) -> io::Result<Self> {
        Self::create_as(dir, base, "", open_files)
    }

    /// A segment that the log cleaner writes, under a name that does not count.
    pub(super) fn create_cleaned(
        dir: &Path,
        base: Offset,
        open_files: &OpenFiles,
    ) -> io::Result<Self> {
        Self::create_as(dir, base, CLEANED, open_files)
    }

    /// Its files have been renamed: it counts from now on.
    pub(super) fn counts(mut self) -> Self {
        (self.suffix, self.is_named) = ("", true);
        self
    }

    fn create_as(
        dir: &Path,
        base: Offset,
        suffix: &'static str,
        open_files: &OpenFiles,
    ) -> io::Result<Self> {
        let mut segment = Self {
            base,
            dir: dir.to_owned(),
            suffix,
            size: 0,
            file: None,
            open_files: open_files.clone(),
            is_used: false,
            index: Some(SegmentIndex::new(base)),
            is_named: false,
        };
        segment.file()?.set_len(0)?;
        Ok(segment)
    }

    /// Bytes in it.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.dir.join(segment_name(self.base, ending) + self.suffix)
    }

    /// The `.log`.
    pub(super) fn file(&mut self) -> io::Result<Arc<File>> {
        self.is_used = true;
        if let Some(file) = &self.file {
            return Ok(file.file());
        }
        let path = self.path("log");
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        Ok(self.file.insert(self.open_files.add(file)).file())
    }

    /// Where the `.log` is.
    pub(super) fn log_path(&self) -> PathBuf {
        self.path("log")
    }

    /// Closes the file; it is opened again when it is wanted.
    pub(super) fn close_file(&mut self) {
        self.file = None;
    }

    /// The same, unless the file was used since this was last called.
    pub(super) fn close_unused_file(&mut self) {
        if !std::mem::take(&mut self.is_used) {
            self.close_file();
        }
    }

    /// Both indexes, with everything that is in the segment noted.
    pub(super) fn index(&mut self) -> io::Result<&mut SegmentIndex> {
        if self.index.is_none() {
            let file = self.file()?;
            self.index = Some(load_index(&self.dir, self.base, &file, self.size)?);
        }
        Ok(self.index.as_mut().expect("set above"))
    }

    /// Appends batches, all or nothing as far as the disk allows.
    pub(super) fn append(&mut self, records: &Records) -> io::Result<()> {
        self.index()?;
        let file = self.file()?;
        let mut slices = Vec::with_capacity(2 * records.batches().len());
        for batch in records.batches() {
            let mut header = BytesMut::new();
            let body = batch.encode_header(&mut header);
            slices.extend([header.freeze(), body]);
        }
        if let Err(error) = write_all(&file, &slices) {
            // the file ends with a whole batch, whatever was written of these
            file.set_len(self.size)?;
            return Err(error);
        }
        for batch in records.batches() {
            let head = head_of(batch, self.size);
            self.size = head.end();
            self.index()?.note(&head);
        }
        if self.index()?.is_flush_due() {
            self.flush_index()?;
        }
        Ok(())
    }

    /// Brings the index files up to date.
    pub(super) fn flush_index(&mut self) -> io::Result<()> {
        let (index, time_index) = (self.path("index"), self.path("timeindex"));
        match &mut self.index {
            Some(loaded) => loaded.flush(&index, &time_index),
            None => Ok(()),
        }
    }

    /// Cuts every batch that holds `to` or comes after it.
    pub(super) fn truncate(&mut self, to: Offset) -> io::Result<()> {
        let file = self.file()?;
        let from = self.index()?.floor(to);
        let mut walk = Walk::new(&file, self.size, from, HEAD_CHUNK);
        while let Some(head) = walk.head()?
            && head.last_offset < to
        {
            walk.skip(&head);
        }
        let cut = self.size - walk.rest();
        file.set_len(cut)?;
        self.size = cut;
        // what is in the index files beyond the cut is left out when they are loaded
        self.index = None;
        self.index()?;
        // and is cut, before batches with other boundaries are written there
        self.flush_index()
    }

    /// Deletes the files.
    pub(super) fn delete(self) -> io::Result<()> {
        for ending in SEGMENT_FILES {
            match fs::remove_file(self.path(ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The index from its files, and the batches behind its last entry walked. Files whose last entry
/// is not where a batch of that offset begins are not believed at all.
pub(super) fn load_index(
    dir: &Path,
    base: Offset,
    file: &File,
    size: u64,
) -> io::Result<SegmentIndex> {
    let path = |ending| dir.join(segment_name(base, ending));
    let mut index = SegmentIndex::load(base, &path("index"), &path("timeindex"), size)?;
    let mut walk = Walk::new(file, size, index.last_position(), HEAD_CHUNK);
    if !index.ends_at(walk.head()?) {
        index = SegmentIndex::new(base);
        walk = Walk::new(file, size, 0, HEAD_CHUNK);
    }
    while let Some(head) = walk.head()? {
        index.note(&head);
        walk.skip(&head);
    }
    Ok(index)
}

fn head_of(batch: &Batch, position: u64) -> Head {
    Head {
        position,
        size: u64::from(batch.size_bytes()),
        base_offset: batch.base_offset(),
        last_offset: batch.last_offset(),
        max_timestamp: batch.header.max_timestamp,
    }
}

/// Writes slices one after the other, with as few system calls as they allow.
fn write_all(mut file: &File, slices: &[Bytes]) -> io::Result<()> {
    /// Slices of one call; the system's own limit is higher.
    const SLICES_MAX: usize = 512;
    for some in slices.chunks(SLICES_MAX) {
        let mut open: Vec<IoSlice<'_>> = some.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut rest = open.as_mut_slice();
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
