//! Files of a command's directory.

use crate::exit::Exit;
use crate::failure::Failure;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Sees that files can be written into a directory, before anything takes time. It is not made: a
/// command that ends with nothing leaves nothing behind.
pub(crate) fn ready(dir: &Path) -> Result<(), Failure> {
    writable(dir).map_err(|error| {
        Failure::new(Exit::Internal, format!("cannot write into {}: {error}", dir.display()))
            .help("choose another place with --out DIR")
    })
}

/// Tries with a file in the directory, or in the nearest one above it that is there.
fn writable(dir: &Path) -> io::Result<()> {
    for place in dir.ancestors() {
        let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        match fs::metadata(place) {
            Ok(found) if found.is_dir() => {
                let probe = place.join(format!(".writable-{}", std::process::id()));
                fs::write(&probe, b"?")?;
                // whoever else has removed it has done what is to be done
                let _ = fs::remove_file(&probe);
                return Ok(());
            }
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Directories on the way to this one, itself included, that are not there yet; the deepest first.
pub(crate) fn missing(dir: &Path) -> Vec<PathBuf> {
    let is_missing = |place: &&Path| !place.as_os_str().is_empty() && !place.exists();
    dir.ancestors().take_while(is_missing).map(Path::to_owned).collect()
}

/// Removes those of some directories, the deepest first, that nothing lies in.
pub(crate) fn remove_empty(dirs: &[PathBuf]) {
    for dir in dirs {
        // one that something lies in is not removed, which is as it should be
        let _ = fs::remove_dir(dir);
    }
}

/// Writes files into a directory, which is made if it is not there.
pub(crate) fn write(dir: &Path, files: &[(&str, &[u8])]) -> Result<(), Failure> {
    for (name, bytes) in files {
        let path = dir.join(name);
        let outcome = path.parent().map_or(Ok(()), fs::create_dir_all);
        outcome.and_then(|()| fs::write(&path, bytes)).map_err(|error| {
            Failure::new(Exit::Internal, format!("cannot write {}: {error}", path.display()))
                .help("choose another place with --out DIR")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_tried_without_a_trace_and_a_file_in_the_way_is_refused() {
        let place = tempfile::tempdir().unwrap();
        ready(&place.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        let file = place.path().join("file");
        fs::write(&file, "in the way").unwrap();
        for dir in [file.clone(), file.join("below")] {
            let failure = ready(&dir).unwrap_err();
            assert_eq!(failure.exit(), Exit::Internal);
            assert!(failure.message().starts_with("cannot write into "), "{}", failure.message());
        }
    }

    #[test]
    fn directories_that_were_made_for_nothing_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("a/b/c");
        let made = missing(&dir);
        assert_eq!(made, [dir.clone(), place.path().join("a/b"), place.path().join("a")]);
        fs::create_dir_all(&dir).unwrap();
        assert!(missing(&dir).is_empty());
        fs::write(place.path().join("a/kept"), "").unwrap();
        remove_empty(&made);
        assert!(!place.path().join("a/b").exists() && place.path().join("a/kept").exists());
    }
}
