//! Appends to logs that flush as they append (`flush.messages`). Kafka's flush within the append, under the log's
//! lock: here, too, such an append counts once all before it does, and once every segment up to it is flushed.

use super::append::PendingAppend;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};

/// Appends that are to count in the order of their log.
#[derive(Debug, Default)]
pub(super) struct Flushing {
    /// By the replica's slot.
    queues: BTreeMap<u32, VecDeque<Held>>,
    /// Slot whose appends need a disk operation.
    by_op: FxHashMap<u64, u32>,
}

/// An append, and the disk operations under way that it needs.
#[derive(Debug)]
struct Held {
    needs: Vec<u64>,
    append: PendingAppend,
}

impl Flushing {
    /// Whether appends of a replica wait, so that its next one has to wait for its turn.
    pub(super) fn has_queue(&self, slot: u32) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&slot)
    }

    /// All appends.
    pub(super) fn appends(&self) -> impl Iterator<Item = &PendingAppend> {
        self.queues.values().flatten().map(|held| &held.append)
    }

    /// Adds a replica's next append. What one before it needs, it need not wait for itself.
    #[cold]
    pub(super) fn push(&mut self, slot: u32, mut needs: Vec<u64>, append: PendingAppend) {
        needs.retain(|op| !self.by_op.contains_key(op));
        self.by_op.extend(needs.iter().map(|op| (*op, slot)));
        self.queues.entry(slot).or_default().push_back(Held { needs, append });
    }

    /// A disk operation has ended: the appends whose turn it is, in order.
    pub(super) fn ended(&mut self, op: u64) -> Vec<PendingAppend> {
        if self.by_op.is_empty() {
            return Vec::new();
        }
        self.take_turns(op)
    }

    #[cold]
    fn take_turns(&mut self, op: u64) -> Vec<PendingAppend> {
        let mut ready = Vec::new();
        let Some(slot) = self.by_op.remove(&op) else { return ready };
        let Some(queue) = self.queues.get_mut(&slot) else { return ready };
        if let Some(held) = queue.iter_mut().find(|held| held.needs.contains(&op)) {
            held.needs.retain(|other| *other != op);
        }
        while let Some(held) = queue.pop_front_if(|held| held.needs.is_empty()) {
            ready.push(held.append);
        }
        if queue.is_empty() {
            self.queues.remove(&slot);
        }
        ready
    }
}
