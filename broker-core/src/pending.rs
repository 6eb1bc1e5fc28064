//! What waits for the completion of an operation, by the operation's id. Ids only grow and most
//! operations end in order, so a queue finds an entry without hashing.

use std::collections::VecDeque;

/// Entries by id. Entries taken out of order leave a hole until those before them are gone.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    entries: VecDeque<(u64, Option<T>)>,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<T> Pending<T> {
    /// Adds an entry. Its id is larger than those of all before it.
    pub(crate) fn insert(&mut self, id: u64, value: T) {
        debug_assert!(self.entries.back().is_none_or(|(last, _)| *last < id), "ids only grow");
        self.entries.push_back((id, Some(value)));
    }

    /// Takes an entry; `None` when there is none of this id, or no longer.
    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let at = match self.entries.front() {
            Some((first, _)) if *first == id => 0,
            _ => self.entries.binary_search_by_key(&id, |(other, _)| *other).ok()?,
        };
        let value = self.entries[at].1.take();
        while self.entries.front().is_some_and(|(_, value)| value.is_none()) {
            self.entries.pop_front();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_in_any_order_and_once() {
        let mut pending = Pending::default();
        for id in [3, 5, 9] {
            pending.insert(id, id * 10);
        }
        assert_eq!(
            (pending.remove(5), pending.remove(5), pending.remove(4)),
            (Some(50), None, None)
        );
        assert_eq!(pending.entries.len(), 3);
        assert_eq!(pending.remove(3), Some(30));
        assert_eq!(pending.entries.len(), 1);
        assert_eq!((pending.remove(9), pending.remove(9)), (Some(90), None));
    }
}
