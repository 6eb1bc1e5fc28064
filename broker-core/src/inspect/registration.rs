//! How a broker's registration goes on.

use crate::broker::Broker;
use crate::ids::Offset;
use crate::time::Instant;

/// A broker's registration, as it knows that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrationView {
    /// Its epoch, once the controller has said it.
    pub epoch: Option<Offset>,
    /// Whether the broker has applied it.
    pub is_caught_up: bool,
    /// Offset of the last metadata record that the broker has applied.
    pub metadata_offset: Offset,
    /// When the broker asks the controller next, and when the timer for that rings, on the node's monotonic clock.
    /// `None`: it waits for an answer or for a controller, or is over.
    pub next: Option<(Instant, Instant)>,
}

impl Broker {
    /// The registration of this broker.
    #[must_use]
    pub fn registration(&self) -> Option<RegistrationView> {
        let lifecycle = self.lifecycle()?;
        Some(RegistrationView {
            epoch: lifecycle.broker_epoch(),
            is_caught_up: lifecycle.is_caught_up(),
            metadata_offset: self.role()?.image.offset(),
            next: lifecycle.asks_next(self.active_controller()),
        })
    }
}
