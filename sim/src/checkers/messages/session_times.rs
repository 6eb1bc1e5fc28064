//! A member that is heard has a whole session again: as long as it has said that it may be silent, or in the consumer
//! protocol as long as the configs of its group say, or else those of the brokers (KIP-848). Known in runs whose clocks
//! are right.

use super::{Says, Speaker};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::metadata::ConfigResource;
use stormglass_broker_core::protocol::JoinGroupRequest;
use stormglass_broker_core::time::{Duration, Instant};

/// `session.timeout.ms` of members in the classic protocol.
#[derive(Debug, Default)]
pub(super) struct SessionTimes {
    /// By group and member, ms; `None`: it has named several.
    named: BTreeMap<(Arc<str>, Arc<str>), Option<i32>>,
}

impl SessionTimes {
    /// A member asks to join.
    pub(super) fn joins(&mut self, asked: &JoinGroupRequest) {
        if asked.member.is_empty() {
            return; // its id is yet to be made
        }
        let member = (Arc::clone(&asked.group), Arc::clone(&asked.member));
        let session_ms = Some(asked.session_timeout_ms);
        let named = self.named.entry(member).or_insert(session_ms);
        if *named != session_ms {
            *named = None;
        }
    }

    /// What a member has named.
    pub(super) fn named(&self, group: &Arc<str>, member: &Arc<str>) -> Option<i32> {
        self.named.get(&(Arc::clone(group), Arc::clone(member))).copied().flatten()
    }
}

/// How long members of a group in the consumer protocol may be silent, ms.
pub(crate) fn configured(broker: &Broker, group: &Arc<str>) -> Option<i32> {
    let own = broker.metadata()?.configs(&ConfigResource::Group(Arc::clone(group)));
    match own.and_then(|own| own.get("consumer.session.timeout.ms")) {
        Some(text) => text.trim().parse().ok(),
        None => Some(broker.properties()?.group_consumer_session_timeout_ms),
    }
}

/// A member has just been heard.
pub(super) fn begins(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    (group, member): (&Arc<str>, &Arc<str>),
    session_ms: i32,
) {
    // clocks that are right show simulated time
    let now = Instant::from_nanos(by.disk_now_ns);
    let until = by.broker.member_session(group, member);
    says.rule(is_whole(now, session_ms, until), &|| {
        format!(
            "coordinator {} hears member {member} of {group} at {now:?}, whose session is to last {session_ms} \
             ms, and lets it end at {until:?}",
            by.node
        )
    });
}

/// `None`: the member has gone with what it asked.
fn is_whole(now: Instant, session_ms: i32, until: Option<Instant>) -> bool {
    let session = Duration::from_millis(u64::try_from(session_ms).unwrap_or(0));
    until.is_none_or(|until| until == now + session)
}

#[cfg(test)]
mod tests {
    use super::super::tests::join_request;
    use super::*;

    fn asks(member: &str, session_timeout_ms: i32) -> JoinGroupRequest {
        JoinGroupRequest { session_timeout_ms, ..join_request(member) }
    }

    #[test]
    fn a_session_lasts_as_long_as_it_should() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        assert!(is_whole(at(100), 1_500, Some(at(1_600))) && is_whole(at(100), 1_500, None));
        assert!(!is_whole(at(100), 1_500, Some(at(6_100))));
        assert!(!is_whole(at(100), 1_500, Some(at(1_500))));
    }

    #[test]
    fn of_a_member_that_has_named_several_times_nothing_is_known() {
        let mut times = SessionTimes::default();
        for (member, session_ms) in [("", 1), ("a", 2), ("a", 2), ("b", 3), ("b", 4), ("b", 3)] {
            times.joins(&asks(member, session_ms));
        }
        let named = |member: &str| times.named(&"g".into(), &member.into());
        assert_eq!((named(""), named("a"), named("b")), (None, Some(2), None));
    }
}
