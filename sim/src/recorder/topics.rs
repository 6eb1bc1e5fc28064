//! Topic ids to the topics of the plan.

use std::sync::Arc;
use stormglass_broker_core::ids::{TopicId, TopicPartition};

/// Topics by id. A handful, so a list with the last hit first in line.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    known: Vec<(TopicId, Arc<str>)>,
    last: usize,
}

impl Topics {
    /// Makes a topic known.
    pub(crate) fn insert(&mut self, id: TopicId, name: Arc<str>) {
        if self.known.iter().all(|(known, _)| *known != id) {
            self.known.push((id, name));
        }
    }

    /// Slot of a topic, dense from 0.
    pub(crate) fn slot(&mut self, id: TopicId) -> Option<usize> {
        if self.known.get(self.last).is_some_and(|(known, _)| *known == id) {
            return Some(self.last);
        }
        let slot = self.known.iter().position(|(known, _)| *known == id)?;
        self.last = slot;
        Some(slot)
    }

    /// Name by slot.
    pub(crate) fn name(&self, slot: usize) -> &str {
        &self.known[slot].1
    }

    /// `topic-partition`, or the id when the topic is unknown.
    pub(crate) fn label(&self, tp: TopicPartition) -> String {
        match self.known.iter().find(|(id, _)| *id == tp.topic) {
            Some((_, name)) => format!("{name}-{}", tp.partition),
            None => format!("{:x}-{}", { tp.topic.0 }, tp.partition),
        }
    }
}
