//! What the log cleaner is at.

use crate::broker::Broker;
use crate::ids::TopicPartition;
use std::collections::BTreeSet;

/// The log cleaner of a broker.
#[derive(Debug, Clone, Copy)]
pub struct CleanerView<'a> {
    /// The log that it goes over.
    pub cleans: Option<TopicPartition>,
    /// Logs that it has found to be unreadable since the process began.
    pub unreadable: &'a BTreeSet<TopicPartition>,
}

impl Broker {
    /// Its log cleaner; `None` for a controller of its own.
    #[must_use]
    pub fn cleaner(&self) -> Option<CleanerView<'_>> {
        self.role().map(|role| role.replicas.cleaner_view())
    }
}
