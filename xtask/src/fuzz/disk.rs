//! What log directories hold, read with no more of the broker's code than a batch's CRC: the truth
//! that a broker on a damaged copy is held against.

use super::damage::{Damage, Whole};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

/// Bytes before `batchLength` ends, which does not count them.
const LENGTH_END: usize = 12;

/// A batch and where it lies.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// Base offset of its segment.
    pub(super) segment: Offset,
    /// First byte after it in the segment's file.
    pub(super) end: usize,
    /// As it lies there.
    pub(super) bytes: Bytes,
    pub(super) batch: Arc<Batch>,
}

/// Batches of each log, by the name of its directory.
pub(super) type Logs = BTreeMap<String, Vec<Kept>>;

/// Logs of a data directory that is sound.
pub(super) fn logs(root: &Path) -> io::Result<Logs> {
    let mut logs = Logs::new();
    for path in directories(root)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut kept = Vec::new();
        for (segment, bytes) in segments(&path)? {
            let mut end = 0;
            for bytes in batches(bytes) {
                end += bytes.len();
                let batch = Batch::decode(&mut bytes.clone()).map_err(io::Error::other)?;
                kept.push(Kept { segment, end, bytes, batch: Arc::new(batch) });
            }
        }
        logs.insert(name.to_owned(), kept);
    }
    Ok(logs)
}

/// Every batch that no damage has touched is still there, byte for byte: in its log, or where that was
/// set aside.
pub(super) fn check_kept(logs: &Logs, root: &Path, damages: &[Damage]) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", root.display());
    let there = directories(root).map_err(failed)?;
    for (log, batches) in logs {
        let is_its = |name: &str| name == log || name.starts_with(&format!("{log}."));
        let mut found = BTreeSet::new();
        for path in &there {
            if path.file_name().and_then(|name| name.to_str()).is_some_and(is_its) {
                let segments = segments(path).map_err(failed)?;
                found.extend(segments.into_iter().flat_map(|(_, bytes)| self::batches(bytes)));
            }
        }
        let lost = |kept: &&Kept| !found.contains(&kept.bytes) && !reaches(damages, log, kept);
        if let Some(lost) = batches.iter().find(lost) {
            let offset = lost.batch.base_offset();
            return Err(format!("the batch at {offset} of {log} is on the disk no more"));
        }
    }
    Ok(())
}

/// Whether damage may have cost a batch: it was done to the batch, or to what lies before it in the
/// same log, or the log is gone as a whole.
pub(super) fn reaches(damages: &[Damage], log: &str, kept: &Kept) -> bool {
    damages.iter().any(|damage| {
        if damage.whole == Whole::Directory && damage.path == Path::new(log) {
            return true;
        }
        let Some(base) = damaged_segment(damage, log) else { return false };
        base < kept.segment || base == kept.segment && damage.from < kept.end
    })
}

/// Base offset of the segment of a log whose records damage has changed, files that take the place of
/// segments (`.log.swap`) included.
fn damaged_segment(damage: &Damage, log: &str) -> Option<Offset> {
    let name = damage.path.strip_prefix(log).ok()?.to_str()?;
    let (base, ending) = name.split_once('.')?;
    ending.starts_with("log").then(|| base.parse().ok()).flatten()
}

fn directories(root: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Segments of a directory with their content.
fn segments(dir: &Path) -> io::Result<Vec<(Offset, Bytes)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let base = name.strip_suffix(".log").and_then(|base| base.parse().ok());
        if let Some(base) = base
            && path.is_file()
        {
            found.push((base, fs::read(&path)?.into()));
        }
    }
    found.sort_by_key(|(base, _)| *base);
    Ok(found)
}

/// Batches one after the other, as far as their lengths make sense.
fn batches(mut rest: Bytes) -> Vec<Bytes> {
    let mut found = Vec::new();
    while let Some(length) = rest.get(8..LENGTH_END).and_then(|bytes| bytes.first_chunk::<4>()) {
        let end =
            LENGTH_END + usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX / 2);
        if end > rest.len() {
            break;
        }
        found.push(rest.split_to(end));
    }
    found
}
