//! Values by connection. The network reuses a connection's slot under a new generation, so a vector
//! by slot finds a value without hashing, and a stale id finds nothing.

use stormglass_broker_core::ids::ConnectionId;

/// Values by connection.
#[derive(Debug)]
pub(super) struct ConnTable<T> {
    slots: Vec<Option<(ConnectionId, T)>>,
}

impl<T> Default for ConnTable<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T> ConnTable<T> {
    pub(super) fn insert(&mut self, conn: ConnectionId, value: T) {
        let slot = slot_of(conn);
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some((conn, value));
    }

    pub(super) fn get(&self, conn: ConnectionId) -> Option<&T> {
        let (owner, value) = self.slots.get(slot_of(conn))?.as_ref()?;
        (*owner == conn).then_some(value)
    }

    pub(super) fn get_mut(&mut self, conn: ConnectionId) -> Option<&mut T> {
        let (owner, value) = self.slots.get_mut(slot_of(conn))?.as_mut()?;
        (*owner == conn).then_some(value)
    }

    pub(super) fn contains(&self, conn: ConnectionId) -> bool {
        self.get(conn).is_some()
    }

    pub(super) fn remove(&mut self, conn: ConnectionId) -> Option<T> {
        let slot = self.slots.get_mut(slot_of(conn))?;
        let (_, value) = slot.take_if(|(owner, _)| *owner == conn)?;
        Some(value)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for slot in &mut self.slots {
            slot.take_if(|(_, value)| !keep(value));
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
    }
}

/// The lower half of a connection's number is its slot, the upper half the generation.
fn slot_of(conn: ConnectionId) -> usize {
    (conn.0 & u64::from(u32::MAX)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(generation: u64, slot: u64) -> ConnectionId {
        ConnectionId(generation << 32 | slot)
    }

    #[test]
    fn a_stale_id_finds_nothing() {
        let mut table = ConnTable::default();
        table.insert(conn(1, 5), 'a');
        assert_eq!((table.get(conn(1, 5)), table.get(conn(2, 5))), (Some(&'a'), None));
        table.insert(conn(2, 5), 'b');
        assert_eq!((table.remove(conn(1, 5)), table.remove(conn(2, 5))), (None, Some('b')));
        assert!(!table.contains(conn(2, 5)));
        assert_eq!(table.get_mut(conn(1, 9)), None);
    }
}
