//! Static members of groups in the classic protocol that do not join in time keep their places (KIP-345): the next
//! generation has them, too, unless their sessions are over, or somebody has taken them out (Kafka's
//! `completeClassicGroupJoin`). Looked at as a member that has waited for that generation hears of it: whoever was thrown
//! out may be back a moment later, as somebody new under its old name.

use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::time::{Duration, Instant};

/// What a node may be ahead of the time at which it is looked at.
const AHEAD: Duration = Duration::from_millis(100);

/// Static members of a group, and when their sessions end at the earliest.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(Arc<str>, Instant)>);

impl Places {
    /// As somebody asks to join. Who has not been in a generation yet may be given up before its session is over.
    pub(super) fn of(broker: &Broker, group: &str) -> Self {
        let view = broker.classic_group(group);
        let stay = view.iter().flat_map(|view| &view.instances).filter(|(name, _)| {
            let id = broker.member_named(group, name);
            let known = id.and_then(|id| broker.classic_member(group, id));
            known.is_some_and(|known| !known.is_new)
        });
        Self(stay.map(|(name, until)| (Arc::clone(name), *until)).collect())
    }

    /// A member that has no place in the next generation, though its session goes on.
    pub(super) fn lost(&self, next: &ClassicGroupView<'_>, now: Instant) -> Option<&Arc<str>> {
        let is_there = |name: &Arc<str>| next.instances.iter().any(|(of, _)| *of == name);
        let mut there = self.0.iter().filter(|(_, until)| *until > now + AHEAD);
        there.find(|(name, _)| !is_there(name)).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::classic_group;
    use super::*;

    #[test]
    fn a_static_member_has_a_place_in_the_next_generation_while_its_session_lasts() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let (group, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("g".into(), "a".into(), "b".into());
        let places = Places(vec![(Arc::clone(&a), at(900)), (Arc::clone(&b), at(2_000))]);
        let lost = |names: &[&Arc<str>], now_ms: u64| {
            let instances = names.iter().map(|name| (*name, at(9_000))).collect();
            let next = ClassicGroupView { instances, ..classic_group(&group) };
            places.lost(&next, at(now_ms)).cloned()
        };
        assert_eq!(lost(&[&a, &b], 500), None);
        assert_eq!(lost(&[&a], 500), Some(b.clone()), "it has not joined in time");
        assert_eq!(lost(&[&b], 850), None, "its session may be over");
        assert_eq!(lost(&[], 700), Some(a.clone()));
        assert_eq!(lost(&[], 1_950), None);
    }
}
