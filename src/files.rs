//! Files of a command's directory.

use crate::exit::Exit;
use crate::failure::Failure;
use std::fs;
use std::path::Path;

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
