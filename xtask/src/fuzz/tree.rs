//! Damages what a data directory is made of: files and directories that are gone, doubled, in each
//! other's place, that cannot be read, or that never belonged there.

use super::damage::{ANOTHERS, Damage, MISPLACED, SWAPPED, Whole, copy, of_file, replace};
use super::mutate::Mutator;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Longest noise in a file that does not belong there, bytes.
const NOISE_MAX: u64 = 9000;
/// Names that a directory of logs may come to hold.
const DIRECTORIES: [&str; 9] = [
    "orders-7",
    "orders-00",
    "orders--1",
    "-3",
    "orders-99999999999",
    "orders-0.0123456789abcdef-delete",
    "orders-1.0123456789abcdef-stray",
    "orders-0 (copy)",
    "lost+found",
];
/// Names that the directory of a log may come to hold.
const FILES: [&str; 12] = [
    "00000000000000000005.log",
    "09223372036854775807.log",
    "99999999999999999999.log",
    "00000000000000000000.log.swap",
    "00000000000000000030.log.swap",
    "00000000000000000000.log.cleaned",
    "00000000000000000030.index.swap",
    "00000000000000000000.log.deleted",
    "00000000000000000005.snapshot",
    "00000000000000000005.txnindex",
    "leader-epoch-checkpoint.tmp",
    "caf\u{e9}.log",
];

/// Damages a directory; `files` are those that it has.
pub(super) fn tree(
    root: &Path,
    files: &[PathBuf],
    random: &mut Mutator,
) -> io::Result<Vec<Damage>> {
    let file = &files[random.below(files.len() as u64)];
    let other = &files[random.below(files.len() as u64)];
    if !is_readable(file) || !is_readable(other) {
        // damaged before
        return Ok(Vec::new());
    }
    let dir = file.parent().unwrap_or(root);
    match random.below(9) {
        0 => {
            fs::remove_file(file)?;
            Ok(vec![of_file(root, file, 0, "deleted")])
        }
        1 if dir != root => {
            fs::remove_dir_all(dir)?;
            Ok(vec![of_dir(root, dir, "deleted")])
        }
        2 if dir != root => double(root, dir, random),
        3 => swap(root, file, other),
        4 => put(root, other, &fs::read(file)?, ANOTHERS),
        5 => unreadable(root, file),
        6 => {
            fs::remove_file(file)?;
            fs::create_dir(file)?;
            Ok(vec![of_file(root, file, 0, "a directory in its place")])
        }
        7 => garbage_dir(root, random),
        _ => garbage_file(root, dir, &fs::read(other)?, random),
    }
}

/// Whether a file can still be damaged.
pub(super) fn is_readable(file: &Path) -> bool {
    file.is_file() && fs::File::open(file).is_ok()
}

fn of_dir(root: &Path, dir: &Path, kind: &'static str) -> Damage {
    let path = dir.strip_prefix(root).unwrap_or(dir).to_owned();
    Damage { path, from: 0, kind, whole: Whole::Directory }
}

fn double(root: &Path, dir: &Path, random: &mut Mutator) -> io::Result<Vec<Damage>> {
    let to = root.join(DIRECTORIES[random.below(DIRECTORIES.len() as u64)]);
    if to.exists() || !super::damage::files(dir)?.iter().all(|file| is_readable(file)) {
        return Ok(Vec::new());
    }
    copy(dir, &to)?;
    Ok(vec![of_dir(root, &to, ANOTHERS)])
}

fn swap(root: &Path, one: &Path, other: &Path) -> io::Result<Vec<Damage>> {
    let (first, second) = (fs::read(one)?, fs::read(other)?);
    let mut damages = put(root, one, &second, SWAPPED)?;
    damages.extend(put(root, other, &first, SWAPPED)?);
    Ok(damages)
}

fn put(root: &Path, file: &Path, bytes: &[u8], kind: &'static str) -> io::Result<Vec<Damage>> {
    Ok(replace(root, file, bytes, kind)?.into_iter().collect())
}

/// Nobody may read it, or for those who may read everything: it cannot be opened.
fn unreadable(root: &Path, file: &Path) -> io::Result<Vec<Damage>> {
    fs::set_permissions(file, fs::Permissions::from_mode(0o000))?;
    if fs::File::open(file).is_ok() {
        fs::remove_file(file)?;
        symlink(file, file)?;
    }
    Ok(vec![of_file(root, file, 0, "cannot be opened")])
}

fn garbage_dir(root: &Path, random: &mut Mutator) -> io::Result<Vec<Damage>> {
    let dir = root.join(DIRECTORIES[random.below(DIRECTORIES.len() as u64)]);
    if dir.exists() {
        return Ok(Vec::new());
    }
    fs::create_dir(&dir)?;
    Ok(vec![of_dir(root, &dir, "empty, and nobody's")])
}

/// Noise, or what another file has.
fn garbage_file(
    root: &Path,
    dir: &Path,
    other: &[u8],
    random: &mut Mutator,
) -> io::Result<Vec<Damage>> {
    let file = dir.join(FILES[random.below(FILES.len() as u64)]);
    if file.exists() {
        return Ok(Vec::new());
    }
    if random.below(2) == 0 {
        return put(root, &file, other, MISPLACED);
    }
    let noise: Vec<u8> = (0..random.below(NOISE_MAX)).map(|_| random.byte()).collect();
    fs::write(&file, noise)?;
    Ok(vec![of_file(root, &file, 0, "noise that does not belong there")])
}
