//! What waits for the completion of an operation, by the operation's id. Ids only grow and most
//! operations end in order, so a queue finds an entry without hashing: [`Pending`] for ids with
//! gaps between them, [`Window`] for its own ids, which have none.

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

    /// All entries, by id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
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

/// Values by an id that counts up.
#[derive(Debug)]
pub(crate) struct Window<T> {
    /// Id of the first entry.
    first: u64,
    entries: VecDeque<Option<T>>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { first: 0, entries: VecDeque::new() }
    }
}

impl<T> Window<T> {
    /// Adds a value and names it.
    pub(crate) fn push(&mut self, value: T) -> u64 {
        self.entries.push_back(Some(value));
        self.first + self.entries.len() as u64 - 1
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        self.entries.get(self.place(id)?)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let place = self.place(id)?;
        self.entries.get_mut(place)?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let place = self.place(id)?;
        let value = self.entries.get_mut(place)?.take();
        while self.entries.pop_front_if(|entry| entry.is_none()).is_some() {
            self.first += 1;
        }
        value
    }

    /// All values, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    /// All values, oldest first.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten()
    }

    fn place(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_follows_what_is_left() {
        let mut window = Window::default();
        let ids: Vec<u64> = (0..4).map(|value| window.push(value * 10)).collect();
        assert_eq!(ids, [0, 1, 2, 3]);
        assert_eq!((window.remove(1), window.remove(1), window.get(1)), (Some(10), None, None));
        assert_eq!(window.entries.len(), 4);
        assert_eq!((window.remove(0), window.entries.len()), (Some(0), 2));
        if let Some(value) = window.get_mut(3) {
            *value += 1;
        }
        assert_eq!((window.push(40), window.get(0), window.get(9)), (4, None, None));
        assert_eq!(window.iter_mut().map(|value| *value).collect::<Vec<_>>(), [20, 31, 40]);
    }

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
