//! Names of topics that metrics cannot tell apart, as one has `_` where another one has `.` (Kafka's
//! `topicsWithCollisionChars`).
//!
//! An index, as to go through all topics for each new one would take ever longer the more there are. Only an
//! active controller has one: it makes it of its image, so that no snapshot has to keep it.

use crate::metadata::{Change, MetadataImage, MetadataRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Topics whose names have `.` or `_`, by their names in metrics.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CollidingNames {
    by_unified: BTreeMap<String, BTreeSet<Arc<str>>>,
}

/// What a name with `.` or `_` is in metrics; no other name can be like one without.
fn unified(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

impl CollidingNames {
    /// Those of an image.
    pub(super) fn of(image: &MetadataImage) -> Self {
        let mut names = Self::default();
        for topic in image.topics() {
            names.add(&topic.name);
        }
        names
    }

    /// A topic of this name, or of one that is the same in metrics.
    pub(super) fn colliding(&self, name: &str) -> Option<&Arc<str>> {
        self.by_unified.get(&unified(name)?)?.first()
    }

    /// A record was applied, with this outcome.
    pub(super) fn note(&mut self, record: &MetadataRecord, change: &Change) {
        match (record, change) {
            (MetadataRecord::Topic { name, .. }, _) => self.add(name),
            (_, Change::TopicRemoved(topic, _)) => self.remove(&topic.name),
            _ => {}
        }
    }

    fn add(&mut self, name: &Arc<str>) {
        if let Some(key) = unified(name) {
            self.by_unified.entry(key).or_default().insert(Arc::clone(name));
        }
    }

    /// Others that are the same in metrics may stay: one request may have made several.
    fn remove(&mut self, name: &Arc<str>) {
        let Some(key) = unified(name) else { return };
        let Some(alike) = self.by_unified.get_mut(&key) else { return };
        alike.remove(name);
        if alike.is_empty() {
            self.by_unified.remove(&key);
        }
    }
}
