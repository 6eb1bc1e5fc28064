//! What is compared from one look at the nodes to the next: places of static members, generations of groups and what
//! they wait for, and markers that nobody can write.

mod homeless;
mod last_look;
mod places;
mod put_off;
mod settled;

use super::NodeView;
use crate::checkers::configured::deletes_positions;
use crate::checkers::ledger::Ledger;
use homeless::Homeless;
use places::PlacesKept;
use put_off::PutOff;
use settled::Settled;
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_scenarios::plan::Plan;

/// All of that.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    places: PlacesKept,
    settled: Settled,
    put_off: PutOff,
    homeless: Homeless,
    /// Groups that somebody has asked to take members out of since the last look.
    left: BTreeSet<Arc<str>>,
    /// Groups that were removed since then, or have begun anew in the other protocol.
    removed: BTreeSet<Arc<str>>,
    /// Groups may begin anew in the same leader epoch: their topic is deleted, and made again.
    begin_anew: bool,
}

impl Standing {
    /// For what an administrator does to groups' topic.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self { begin_anew: deletes_positions(plan), ..Self::default() }
    }

    /// Somebody asks to take members out of a group.
    pub(crate) fn leaves(&mut self, group: &Arc<str>) {
        self.left.insert(Arc::clone(group));
    }

    /// A group is removed.
    pub(crate) fn removed(&mut self, group: &Arc<str>) {
        self.removed.insert(Arc::clone(group));
    }

    /// Whether some group was removed since the last look.
    pub(super) fn has_removed(&self) -> bool {
        !self.removed.is_empty()
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.places.node_down(node);
        self.settled.node_down(node);
        self.put_off.node_down(node);
        self.homeless.node_down(node);
    }

    /// Looks at all nodes that are up.
    pub(super) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        let (left, removed) = (std::mem::take(&mut self.left), std::mem::take(&mut self.removed));
        if self.begin_anew {
            return;
        }
        self.places.look(ledger, nodes, &left);
        self.settled.look(ledger, nodes, &removed);
        self.put_off.look(ledger, nodes, &(&left | &removed));
        self.homeless.look(ledger, nodes);
    }
}
