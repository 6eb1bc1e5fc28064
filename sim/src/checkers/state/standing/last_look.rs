//! What was seen of groups in the classic protocol at the last look, for what is compared from one look to the next.

use super::super::{GroupKey, NodeView};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::inspect::ClassicGroupView;

/// Groups at the last look, by who coordinates them.
#[derive(Debug)]
pub(super) struct LastLook<S>(BTreeMap<GroupKey, S>);

impl<S> Default for LastLook<S> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<S> LastLook<S> {
    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.0.retain(|(of, ..), _| *of != node);
    }

    /// Looks at what the coordinators know now. `see`: what is seen of a group, with what was seen of it before, if it
    /// has not `changed` since; `None`: nothing that counts for the next look.
    pub(super) fn renew(
        &mut self,
        nodes: &[NodeView<'_>],
        changed: &BTreeSet<Arc<str>>,
        mut see: impl FnMut(&NodeView<'_>, &ClassicGroupView<'_>, Option<&S>) -> Option<S>,
    ) {
        let before = std::mem::take(&mut self.0);
        for view in nodes {
            for group in view.broker.classic_groups() {
                let key = (view.node, group.epoch, Arc::clone(group.group));
                let known = before.get(&key).filter(|_| !changed.contains(group.group));
                if let Some(seen) = see(view, &group, known) {
                    self.0.insert(key, seen);
                }
            }
        }
    }
}
