//! No session in the consumer protocol ends later than its group's config lets it, as it is now or was when the member
//! was heard: also where the coordinator has loaded the group and heard nobody yet (KIP-848).

use super::NodeView;
use super::metadata::says;
use crate::checkers::ledger::Ledger;
use crate::checkers::messages::session_ms;
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::metadata::MetadataImage;
use stormglass_broker_core::time::{Duration, Instant};

/// Of groups whose configs change, what nodes have been seen to go by.
#[derive(Debug, Default)]
pub(crate) struct SessionEnds {
    known: BTreeMap<(i32, Arc<str>), Known>,
    /// Up to which offset of the metadata.
    upto: BTreeMap<i32, Offset>,
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
        self.upto.remove(&node);
    }

    /// A node has taken an input, and may know more of the metadata: a config that is the same at two looks may have
    /// been another one in between, by which members were heard (hunt seed 23004059).
    pub(super) fn stepped(&mut self, changed: &BTreeSet<Arc<str>>, node: i32, broker: &Broker) {
        let Some(upto) = broker.metadata().map(MetadataImage::offset) else { return };
        if self.upto.insert(node, upto) == Some(upto) {
            return;
        }
        for group in changed {
            if let Some(session_ms) = session_ms(broker, group) {
                self.known((node, broker), group, session_ms);
            }
        }
    }

    /// What a node goes by.
    fn known(
        &mut self,
        (node, broker): (i32, &Broker),
        group: &Arc<str>,
        session_ms: i32,
    ) -> &Known {
        let known = self.known.entry((node, Arc::clone(group)));
        let known = known.or_insert_with(|| Known { session_ms, before: latest(broker, group) });
        known.goes_by(session_ms, || latest(broker, group));
        known
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
            let latest = latest(view.broker, group);
            let known = self.known((view.node, view.broker), group, session_ms);
            says(ledger, OFFSETS_TOPIC, known.allows(view.mono, latest), &|| {
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
fn latest(broker: &Broker, group: &Arc<str>) -> Option<Instant> {
    let members = broker.consumer_group_members().filter(|(of, _)| *of == group);
    members.filter_map(|(_, member)| broker.member_session(group, member)).max()
}

impl Known {
    /// The config is this.
    fn goes_by(&mut self, session_ms: i32, latest: impl FnOnce() -> Option<Instant>) {
        if self.session_ms != session_ms {
            *self = Self { session_ms, before: latest() };
        }
    }

    /// Whether a session may end then.
    fn allows(&self, now: Instant, latest: Option<Instant>) -> bool {
        let session = Duration::from_millis(u64::try_from(self.session_ms).unwrap_or(0));
        latest <= self.before.max(Some(now + session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn a_session_is_as_long_as_the_config_says_or_said() {
        let mut known = Known { session_ms: 100, before: None };
        assert!(known.allows(at(0), None) && known.allows(at(0), Some(at(100))));
        assert!(!known.allows(at(0), Some(at(101))), "the brokers' config");
        known.goes_by(50, || Some(at(105)));
        assert!(known.allows(at(10), Some(at(105))), "it was heard when it was longer");
        assert!(known.allows(at(40), Some(at(105))) && known.allows(at(60), Some(at(110))));
        assert!(!known.allows(at(40), Some(at(106))));
    }

    #[test]
    fn a_config_that_is_what_it_was_may_have_been_another_one() {
        let mut known = Known { session_ms: 40, before: None };
        known.goes_by(90, || Some(at(45)));
        known.goes_by(40, || Some(at(110)));
        assert!(known.allows(at(30), Some(at(110))), "heard at 20, when it was longer");
        assert!(!known.allows(at(30), Some(at(111))));
        known.goes_by(40, || Some(at(120)));
        assert!(!known.allows(at(30), Some(at(120))), "heard since");
    }
}
