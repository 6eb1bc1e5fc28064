//! Static members of groups in the classic protocol that do not join in time keep their places (KIP-345): the next
//! generation has them, too, unless their sessions are over, or somebody has taken them out (Kafka's
//! `completeClassicGroupJoin`). Looked at as a member that has waited for that generation hears of it (`messages`), as
//! whoever was thrown out may be back a moment later, as somebody new under its old name; and from one look at the
//! nodes to the next (`state`), whoever has been answered.

use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::ClassicGroupView;
use stormglass_broker_core::time::Instant;

/// Static members of a group, and when their sessions end at the earliest, on the node's monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(Arc<str>, Instant)>);

impl Places {
    /// All that a group has.
    pub(super) fn of(view: &ClassicGroupView<'_>) -> Self {
        let all = view.instances.iter();
        Self(all.map(|(name, until)| (Arc::clone(name), *until)).collect())
    }

    /// Those of members that have been in a generation: who has not may be given up before its session is over.
    pub(super) fn settled(broker: &Broker, view: &ClassicGroupView<'_>) -> Self {
        let Self(mut all) = Self::of(view);
        all.retain(|(name, _)| {
            let id = broker.member_named(view.group, name);
            let known = id.and_then(|id| broker.classic_member(view.group, id));
            known.is_some_and(|known| !known.is_new)
        });
        Self(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A member that has no place in the next generation, though its session goes on at a time.
    pub(super) fn lost(&self, next: &ClassicGroupView<'_>, at: Instant) -> Option<&Arc<str>> {
        let is_there = |name: &Arc<str>| next.instances.iter().any(|(of, _)| *of == name);
        let mut there = self.0.iter().filter(|(_, until)| *until > at);
        there.find(|(name, _)| !is_there(name)).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::classic_group;
    use stormglass_broker_core::time::Duration;

    fn view<'a>(
        group: &'a Arc<str>,
        instances: Vec<(&'a Arc<str>, Instant)>,
    ) -> ClassicGroupView<'a> {
        ClassicGroupView { instances, ..classic_group(group) }
    }

    #[test]
    fn a_static_member_has_a_place_in_the_next_generation_while_its_session_lasts() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let (group, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("g".into(), "a".into(), "b".into());
        let places = Places::of(&view(&group, vec![(&a, at(900)), (&b, at(2_000))]));
        let lost = |names: &[&Arc<str>], at_ms: u64| {
            let next = view(&group, names.iter().map(|name| (*name, at(9_000))).collect());
            places.lost(&next, at(at_ms)).cloned()
        };
        assert_eq!(lost(&[&a, &b], 600), None);
        assert_eq!(lost(&[&a], 600), Some(b.clone()), "it has not joined in time");
        assert_eq!(lost(&[&b], 950), None, "its session may be over");
        assert_eq!(lost(&[], 800), Some(a.clone()));
        assert_eq!(lost(&[], 2_050), None);
        assert!(!places.is_empty() && Places::of(&view(&group, Vec::new())).is_empty());
    }
}
