//! Changes that are being thought out: nothing of them counts before the log has taken them.

use super::state::{Change, State};

/// A state, and what is to become of it. The state is copied when there is a first change, so that
/// a heartbeat that changes nothing costs next to nothing.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    base: &'a State,
    next: Option<Box<State>>,
    changes: Vec<Change>,
}

/// Changes, and the state that they lead to.
#[derive(Debug)]
pub(in crate::group) struct Drafted {
    pub(super) changes: Vec<Change>,
    /// `None` = no changes.
    pub(super) state: Option<Box<State>>,
}

impl Drafted {
    /// Nothing is to change.
    pub(in crate::group) fn unchanged() -> Self {
        Self { changes: Vec::new(), state: None }
    }

    pub(in crate::group) fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(base: &'a State) -> Self {
        Self { base, next: None, changes: Vec::new() }
    }

    /// The state with all changes so far.
    pub(super) fn state(&self) -> &State {
        self.next.as_deref().unwrap_or(self.base)
    }

    pub(super) fn put(&mut self, change: Change) {
        let next = self.next.get_or_insert_with(|| Box::new(self.base.clone()));
        next.apply(&change);
        self.changes.push(change);
    }

    pub(super) fn finish(self) -> Drafted {
        Drafted { changes: self.changes, state: self.next }
    }
}
