//! The end of a run.

use super::World;
use super::clients::ClientKind;

impl World {
    /// Whether no producer has anything left to send.
    pub(super) fn producers_idle(&self) -> bool {
        self.clients.iter().filter(|c| c.running).all(|client| match &client.kind {
            ClientKind::Producer { machine, .. } => machine.is_drained(),
            ClientKind::Consumer { .. } | ClientKind::Admin(_) => true,
        })
    }
}
