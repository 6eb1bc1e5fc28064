//! Damages files of a data directory as disks, crashes and hands do.

use super::mutate::Mutator;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a sector, the unit of what a disk loses.
const SECTOR: usize = 512;
/// Bytes of a page, the unit of what a file system loses.
const PAGE: usize = 4096;

/// What of a path is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// The bytes of a file.
    File,
    /// A directory with all that is in it.
    Directory,
}

/// What was done.
#[derive(Debug, Clone)]
pub(super) struct Damage {
    /// To which file or directory, below the data directory.
    pub(super) path: PathBuf,
    /// First byte that differs, or the file's new length if it got shorter.
    pub(super) from: usize,
    /// In a word.
    pub(super) kind: &'static str,
    pub(super) whole: Whole,
}

impl Damage {
    /// Whether a file has what belongs to another one.
    pub(super) fn is_foreign(&self) -> bool {
        [SWAPPED, ANOTHERS, MISPLACED].contains(&self.kind)
    }
}

/// Two files in each other's place.
pub(super) const SWAPPED: &str = "swapped";
/// A file in place of another.
pub(super) const ANOTHERS: &str = "another one's content";
/// A file under a name that nobody has.
pub(super) const MISPLACED: &str = "a file that does not belong there";

/// All files below a directory, in order.
pub(super) fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Copies a directory and all below it.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Gives a file other bytes. `None` when they are the same.
pub(super) fn replace(
    root: &Path,
    file: &Path,
    after: &[u8],
    kind: &'static str,
) -> io::Result<Option<Damage>> {
    let before = fs::read(file).unwrap_or_default();
    fs::write(file, after)?;
    let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let unchanged = same == before.len() && same == after.len();
    Ok((!unchanged).then(|| of_file(root, file, same, kind)))
}

/// Damage to a file from some byte on.
pub(super) fn of_file(root: &Path, file: &Path, from: usize, kind: &'static str) -> Damage {
    let path = file.strip_prefix(root).unwrap_or(file).to_owned();
    Damage { path, from, kind, whole: Whole::File }
}

/// Damages the content of one file; `None` when it came out as it was.
pub(super) fn content(
    root: &Path,
    file: &Path,
    random: &mut Mutator,
) -> io::Result<Option<Damage>> {
    let before = fs::read(file)?;
    let mut after = before.clone();
    let kind = change(&mut after, random);
    replace(root, file, &after, kind)
}

/// The newest bytes of a file are gone.
pub(super) fn torn_tail(root: &Path, file: &Path, bytes: usize) -> io::Result<Option<Damage>> {
    let before = fs::read(file)?;
    replace(root, file, &before[..before.len().saturating_sub(bytes)], "a torn tail")
}

fn change(bytes: &mut Vec<u8>, random: &mut Mutator) -> &'static str {
    let at = random.below(bytes.len() as u64);
    let unit = |unit: usize, len: usize| (at / unit * unit, len.min(at / unit * unit + unit));
    let (sector, end) = unit(SECTOR, bytes.len());
    match random.below(9) {
        0 => {
            bytes.truncate(at);
            "cut"
        }
        1 => {
            bytes[at..].fill(0);
            "zeros to its end"
        }
        2 => {
            bytes[sector..end].fill(0);
            "a sector of zeros"
        }
        3 => {
            bytes[sector..end].fill_with(|| random.byte());
            "a sector of noise"
        }
        4 => {
            let (page, end) = unit(PAGE, bytes.len());
            bytes[page..end].fill(0);
            "a page of zeros"
        }
        5 => {
            let more = random.below(2000);
            bytes.extend((0..more).map(|_| random.byte()));
            "noise at its end"
        }
        6 => {
            let more = random.below(5000);
            bytes.extend((0..more).map(|_| 0));
            "zeros at its end"
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
            "a bit"
        }
    }
}
