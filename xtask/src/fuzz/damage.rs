//! Damages files of a data directory as disks, crashes and hands do.

use super::mutate::Mutator;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a sector, the unit of what a disk loses.
const SECTOR: usize = 512;

/// What was done to a file.
#[derive(Debug, Clone)]
pub(super) struct Damage {
    /// Which, below the data directory.
    pub(super) path: PathBuf,
    /// First byte that differs, or the file's new length if it got shorter.
    pub(super) from: usize,
    /// In a word.
    pub(super) kind: &'static str,
}

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

/// Damages one file; `None` when it came out as it was.
pub(super) fn damage(root: &Path, file: &Path, random: &mut Mutator) -> io::Result<Option<Damage>> {
    let before = fs::read(file)?;
    let mut after = before.clone();
    let at = random.below(before.len() as u64);
    let kind = change(&mut after, at, random);
    if kind == "deleted" {
        fs::remove_file(file)?;
        after.clear();
    } else {
        fs::write(file, &after)?;
    }
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let unchanged = same == before.len() && same == after.len() && kind != "deleted";
    let path = file.strip_prefix(root).unwrap_or(file).to_owned();
    Ok((!unchanged).then_some(Damage { path, from: same, kind }))
}

fn change(bytes: &mut Vec<u8>, at: usize, random: &mut Mutator) -> &'static str {
    let sector = at / SECTOR * SECTOR;
    let end = bytes.len().min(sector + SECTOR);
    match random.below(8) {
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
            let more = random.below(2000);
            bytes.extend((0..more).map(|_| random.byte()));
            "noise at its end"
        }
        5 => {
            let more = random.below(5000);
            bytes.extend((0..more).map(|_| 0));
            "zeros at its end"
        }
        6 if random.below(4) == 0 => "deleted",
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
            "a bit"
        }
    }
}
