//! What is compared from one look at the nodes to the next: places of static members, and markers that nobody can
//! write.

mod homeless;
mod places;

use super::NodeView;
use crate::checkers::ledger::Ledger;
use homeless::Homeless;
use places::Places;
use std::sync::Arc;

/// All of that.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    places: Places,
    homeless: Homeless,
}

impl Standing {
    /// Somebody asks to take members out of a group.
    pub(crate) fn leaves(&mut self, group: &Arc<str>) {
        self.places.leaves(group);
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.places.node_down(node);
        self.homeless.node_down(node);
    }

    /// Looks at all nodes that are up.
    pub(super) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        self.places.look(ledger, nodes);
        self.homeless.look(ledger, nodes);
    }
}
