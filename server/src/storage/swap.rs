//! A cleaned segment takes the place of others: step by step, so that a crash after any of them
//! leaves either the old segments or the new one (Kafka's `LocalLog.replaceSegments`, and `LogLoader`
//! for what a crash has left).
//!
//! 1. All files of the cleaned segment become `.swap`, the `.log` last: from then on it counts.
//! 2. The segments that it replaces are deleted.
//! 3. Its files get their names, the `.log` last: until then a starting process does 2 and 3 again.
//!
//! As in Kafka, nothing waits for the volume in between: the file system's journal keeps the order. Before all that
//! the cleaned `.log` gets the modification time of the last segment that it replaces, as retention by age goes by it
//! where records have no timestamps.

use super::layout::{CLEANED, SWAP, segment_base, segment_name};
use super::segment::{HEAD_CHUNK, SEGMENT_FILES};
use super::walk::{Walk, WalkError};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use stormglass_broker_core::ids::Offset;

/// Endings of a cleaned segment's files, in the order of renaming.
const ENDINGS: [&str; 4] = ["txnindex", "index", "timeindex", "log"];

/// A change of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// A file gets another name; that which has it goes.
    Rename(PathBuf, PathBuf),
    /// A file goes.
    Delete(PathBuf),
}

impl Act {
    /// Does it; files that are not there have been renamed or deleted before.
    pub(super) fn carry_out(&self) -> io::Result<()> {
        let done = match self {
            Self::Rename(from, to) => fs::rename(from, to),
            Self::Delete(path) => fs::remove_file(path),
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Where the index of aborted transactions of a cleaned segment is written.
pub(super) fn cleaned_txn_index(dir: &Path, base: Offset) -> PathBuf {
    dir.join(segment_name(base, "txnindex") + CLEANED)
}

/// What a cleaned segment does to the directory, in order.
pub(super) fn acts(dir: &Path, base: Offset, replaced: &[Offset]) -> Vec<Act> {
    let name = |ending, suffix| dir.join(segment_name(base, ending) + suffix);
    let to_swap = |ending| Act::Rename(name(ending, CLEANED), name(ending, SWAP));
    let mut acts: Vec<Act> = ENDINGS.map(to_swap).into();
    acts.extend(finishing_acts(dir, base, replaced));
    acts
}

/// The rest of it, once the `.log` ends in `.swap`.
fn finishing_acts(dir: &Path, base: Offset, replaced: &[Offset]) -> Vec<Act> {
    let name = |ending, suffix| dir.join(segment_name(base, ending) + suffix);
    let delete = |base: &Offset| {
        let base = *base;
        SEGMENT_FILES.map(|ending| Act::Delete(dir.join(segment_name(base, ending))))
    };
    // the first one's files are replaced by name
    let others = replaced.iter().filter(|other| **other != base);
    let mut acts: Vec<Act> = others.flat_map(delete).collect();
    acts.extend(ENDINGS.map(|ending| Act::Rename(name(ending, SWAP), name(ending, ""))));
    acts
}

/// Does all of it.
pub(super) fn carry_out(dir: &Path, base: Offset, replaced: &[Offset]) -> io::Result<()> {
    keep_modification_time(dir, base, replaced)?;
    acts(dir, base, replaced).iter().try_for_each(Act::carry_out)?;
    drop_empty_txn_index(dir, base)
}

/// Cleaning makes nothing younger (Kafka's `Cleaner.cleanSegments`).
fn keep_modification_time(dir: &Path, base: Offset, replaced: &[Offset]) -> io::Result<()> {
    let Some(last) = replaced.last() else { return Ok(()) };
    let known = fs::metadata(dir.join(segment_name(*last, "log"))).and_then(|last| last.modified());
    let Ok(modified) = known else { return Ok(()) };
    let cleaned = dir.join(segment_name(base, "log") + CLEANED);
    OpenOptions::new().append(true).open(cleaned)?.set_modified(modified)
}

/// An index of aborted transactions replaces that of the old segment even when it is empty; then
/// nobody needs it.
fn drop_empty_txn_index(dir: &Path, base: Offset) -> io::Result<()> {
    let path = dir.join(segment_name(base, "txnindex"));
    match fs::metadata(&path) {
        Ok(found) if found.len() == 0 => Act::Delete(path).carry_out(),
        _ => Ok(()),
    }
}

/// Brings a directory in order after a crash: what was cleaned and did not count goes, what counted
/// gets its place.
pub(super) fn recover(dir: &Path) -> io::Result<()> {
    let (mut leftovers, mut bases, mut swaps) = (Vec::new(), Vec::new(), Vec::new());
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(CLEANED) {
            leftovers.push(path);
        } else if let Some(plain) = name.strip_suffix(SWAP) {
            match segment_base(plain, ".log") {
                Some(base) => swaps.push(base),
                None => leftovers.push(path),
            }
        } else {
            bases.extend(segment_base(name, ".log"));
        }
    }
    for base in swaps {
        let path = dir.join(segment_name(base, "log") + SWAP);
        let end = end_of(&path, base)?.ok_or_else(|| {
            let message = format!("{} is not what the log cleaner writes", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        let replaced: Vec<Offset> =
            bases.iter().copied().filter(|other| (base..end).contains(other)).collect();
        tracing::info!(dir = %dir.display(), base, "a swap of cleaned segments goes on");
        finishing_acts(dir, base, &replaced).iter().try_for_each(Act::carry_out)?;
        drop_empty_txn_index(dir, base)?;
    }
    // other files of a segment that counted have their names by now
    leftovers.into_iter().try_for_each(|path| Act::Delete(path).carry_out())
}

/// Offset after the last batch of a cleaned segment's file. It was fsynced before it counted, so it is
/// whole: `None` if it is anything else, for which no segment may be given up.
fn end_of(path: &Path, base: Offset) -> io::Result<Option<Offset>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut walk = Walk::new(&file, size, 0, HEAD_CHUNK);
    let mut end = base;
    while let Some(head) = walk.head()? {
        if head.base_offset < end {
            return Ok(None);
        }
        end = head.last_offset.saturating_add(1);
        match walk.take(&head) {
            Ok(_) => {}
            Err(WalkError::Corrupt) => return Ok(None),
            Err(WalkError::Io(error)) => return Err(error),
        }
    }
    Ok((walk.rest() == 0 && end > base).then_some(end))
}
