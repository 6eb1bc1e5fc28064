//! No session in the consumer protocol ends later than its group's config lets it, as it is now or was when the member
//! was heard: also where the coordinator has loaded the group and heard nobody yet (KIP-848).

use super::NodeView;
use super::metadata::says;
use crate::checkers::ledger::Ledger;
use crate::checkers::messages::session_ms;
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::time::{Duration, Instant};

/// Of groups whose configs change, what nodes have been seen to go by.
#[derive(Debug, Default)]
pub(crate) struct SessionEnds {
    known: BTreeMap<(i32, Arc<str>), Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    session_ms: i32,
    /// The latest end of sessions that began before the config was seen.
    before: Option<Instant>,
}

impl SessionEnds {
    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.known.retain(|(of, _), _| *of != node);
    }

    /// Looks at the groups that a node coordinates.
    pub(super) fn look(
        &mut self,
        ledger: &mut Ledger,
        changed: &BTreeSet<Arc<str>>,
        view: &NodeView<'_>,
    ) {
        for group in changed {
            let Some(session_ms) = session_ms(view.broker, group) else { continue };
            let latest = latest(view, group);
            let known = self.known.entry((view.node, Arc::clone(group)));
            let known = known.or_insert(Known { session_ms, before: latest });
            says(ledger, OFFSETS_TOPIC, known.allows(view.mono, session_ms, latest), &|| {
                format!(
                    "coordinator {} lets a session in {group} end at {latest:?}; it is {:?}, and \
                     consumer.session.timeout.ms of the group is {session_ms}",
                    view.node, view.mono
                )
            });
        }
    }
}

/// When the last session of a group ends.
fn latest(view: &NodeView<'_>, group: &Arc<str>) -> Option<Instant> {
    let groups = view.broker.consumer_groups();
    let members = groups.filter(|of| of.group == group).flat_map(|of| of.members);
    members.filter_map(|member| view.broker.member_session(group, member.id)).max()
}

impl Known {
    /// Whether a session may end then.
    fn allows(&mut self, now: Instant, session_ms: i32, latest: Option<Instant>) -> bool {
        if self.session_ms != session_ms {
            *self = Self { session_ms, before: latest };
        }
        let session = Duration::from_millis(u64::try_from(session_ms).unwrap_or(0));
        latest <= self.before.max(Some(now + session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_as_long_as_the_config_says_or_said() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let mut known = Known { session_ms: 100, before: None };
        assert!(known.allows(at(0), 100, None) && known.allows(at(0), 100, Some(at(100))));
        assert!(!known.allows(at(0), 100, Some(at(101))), "the brokers' config");
        assert!(known.allows(at(10), 50, Some(at(105))), "it was heard when it was longer");
        assert!(known.allows(at(40), 50, Some(at(105))) && known.allows(at(60), 50, Some(at(110))));
        assert!(!known.allows(at(40), 50, Some(at(106))));
    }
}
