//! The directory of a log, which a worker makes and deletes: a topic may have ten thousand partitions,
//! and on a busy volume every change of a directory may wait for it. A directory that is needed sooner
//! is made by whoever needs it.

use super::layout::{DELETED, METADATA_DIR, PARTITION_METADATA, STRAY, partition_metadata};
use super::log_dir::LogDir;
use super::open_files::OpenFiles;
use crate::ids;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stormglass_broker_core::ids::TopicId;

/// Longest name of a directory on usual file systems, bytes.
const NAME_MAX: usize = 255;

/// A directory, and what has become of it.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// To be made for a topic, when whoever had the name before has left.
    Planned(TopicId, Option<Arc<Place>>),
    /// There.
    Here,
    /// To be renamed.
    Leaving(Fate),
    /// Not there any more; the name that it has until it is deleted.
    Gone(Option<PathBuf>),
}

/// Why a log leaves its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is deleted.
    Deleted,
    /// Its bytes stay until an operator deletes them.
    SetAside,
}

impl Place {
    /// One that is there.
    pub(super) fn existing(path: &Path) -> Self {
        Self { path: path.to_owned(), state: Mutex::new(State::Here) }
    }

    /// One that is to be, where another one may be.
    pub(super) fn planned(path: &Path, topic: TopicId, before: Option<Arc<Self>>) -> Self {
        Self { path: path.to_owned(), state: Mutex::new(State::Planned(topic, before)) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everybody wait who does something here.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Drop + use<'_> {
        self.state()
    }

    /// Whether nothing is left to be done here, as far as can be said without waiting.
    pub(super) fn is_gone(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| matches!(*state, State::Gone(_)))
    }

    /// Makes the directory, unless that has been done. `false`: the log has left.
    pub(super) fn make(&self) -> io::Result<bool> {
        let mut state = self.state();
        match &*state {
            State::Planned(topic, before) => {
                if let Some(before) = before {
                    before.leave()?;
                }
                make(&self.path, *topic).map_err(|error| in_log(&self.path, &error))?;
                *state = State::Here;
                Ok(true)
            }
            State::Here => Ok(true),
            State::Leaving(_) | State::Gone(_) => Ok(false),
        }
    }

    /// The log is to leave. Returns who has the name until then: one that was never made has not.
    pub(super) fn give_up(self: &Arc<Self>, fate: Fate) -> Option<Arc<Self>> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Gone(None)) {
            State::Planned(_, before) => before,
            State::Here => {
                *state = State::Leaving(fate);
                Some(Arc::clone(self))
            }
            other => {
                *state = other;
                Some(Arc::clone(self))
            }
        }
    }

    /// Renames the directory of a log that was given up, unless that has been done: a crash leaves a name
    /// that says what it is.
    fn leave(&self) -> io::Result<()> {
        let mut state = self.state();
        if let State::Leaving(fate) = *state {
            let renamed = match fate {
                Fate::Deleted => Some(rename(&self.path, DELETED)?),
                Fate::SetAside => {
                    set_aside(&self.path, "its topic is not in the metadata")?;
                    None
                }
            };
            *state = State::Gone(renamed);
        }
        Ok(())
    }

    /// The same, and deletes what is to be deleted.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.leave()?;
        let renamed = match &mut *self.state() {
            State::Gone(renamed) => renamed.take(),
            _ => None,
        };
        match renamed.map(fs::remove_dir_all) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Its name gets as durable as its first segment: see [`LogDir::names`]. Looks at nothing first, as a
/// topic may have thousands of partitions.
fn make(path: &Path, topic: TopicId) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            make_room(path)?;
        }
        other => other?,
    }
    fs::write(path.join(PARTITION_METADATA), partition_metadata(topic))
}

/// Makes room for a log. Records of another one are set aside; what a power failure has left of a log
/// that never was fsynced goes. The quorum's own files are beside the metadata log, and stay.
fn make_room(path: &Path) -> io::Result<()> {
    if !LogDir::existing(path, &OpenFiles::default())?.is_empty() {
        set_aside(path, "another topic's log is to be there")?;
    } else if path.ends_with(METADATA_DIR) {
        return Ok(());
    } else {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir(path)
}

/// Gives a directory another ending and, as in Kafka, a name that there was never before; a long one is
/// cut.
fn rename(path: &Path, ending: &str) -> io::Result<PathBuf> {
    let ending = format!(".{:x}{ending}", ids::random_u128());
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let kept: String = name.chars().take(NAME_MAX - ending.len()).collect();
    let renamed = path.with_file_name(kept + &ending);
    fs::rename(path, &renamed)?;
    Ok(renamed)
}

pub(super) fn set_aside(path: &Path, why: &str) -> io::Result<()> {
    let renamed = rename(path, STRAY)?;
    tracing::warn!(log = %path.display(), now = %renamed.display(), "log set aside: {why}");
    Ok(())
}

/// The same error, saying where.
pub(super) fn in_log(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const ONE: TopicId = TopicId(1);
    const TWO: TopicId = TopicId(2);

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn is_of(path: &Path, topic: TopicId) -> bool {
        fs::read_to_string(path.join(PARTITION_METADATA)).unwrap() == partition_metadata(topic)
    }

    #[test]
    fn a_place_is_made_once_and_cleared_once() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("orders-0");
        let place = Arc::new(Place::planned(&path, ONE, None));
        assert!(!path.exists(), "not before somebody makes it");
        assert!(place.make().unwrap());
        fs::write(path.join("file"), "kept").unwrap();
        assert!(place.make().unwrap() && path.join("file").exists(), "once");
        assert!(place.give_up(Fate::Deleted).is_some());
        assert!(path.exists() && !place.is_gone() && !place.make().unwrap());
        place.clear().unwrap();
        place.clear().unwrap();
        assert!(names(&dir).is_empty() && place.is_gone());
    }

    #[test]
    fn who_needs_a_name_first_has_the_other_leave() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("orders-0");
        let old = Arc::new(Place::planned(&path, ONE, None));
        old.make().unwrap();
        let before = old.give_up(Fate::Deleted);
        let new = Arc::new(Place::planned(&path, TWO, before));
        assert!(new.make().unwrap() && is_of(&path, TWO));
        assert_eq!(names(&dir).len(), 2, "the old one has another name");
        old.clear().unwrap();
        assert_eq!(names(&dir), ["orders-0"]);
        assert!(is_of(&path, TWO), "the new one is left alone");
    }

    #[test]
    fn one_that_was_never_made_leaves_the_name_to_whom_it_waited_for() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("orders-0");
        let old = Arc::new(Place::planned(&path, ONE, None));
        old.make().unwrap();
        let between = Arc::new(Place::planned(&path, TWO, old.give_up(Fate::SetAside)));
        let before = between.give_up(Fate::Deleted);
        assert!(between.is_gone() && before.as_ref().is_some_and(|place| Arc::ptr_eq(place, &old)));
        let new = Place::planned(&path, TopicId(3), before);
        assert!(new.make().unwrap() && is_of(&path, TopicId(3)));
        between.clear().unwrap();
        old.clear().unwrap();
        let names = names(&dir);
        assert_eq!(names.len(), 2, "what was set aside stays: {names:?}");
        assert!(names.iter().any(|name| name.ends_with(STRAY)));
    }
}
