//! A member in the consumer protocol (KIP-848) is known by what it says of itself: what it subscribes to, by which name,
//! and how long it takes. One that leaves is gone, or, with a name of its own, away for a while; and a group takes in as
//! many as it may have, and refuses nobody before.

use super::{Says, Speaker};
use std::collections::BTreeSet;
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::inspect::ConsumerSaidView;
use stormglass_broker_core::protocol::{
    ConsumerGroupHeartbeatRequest, JOIN_EPOCH, LEAVE_EPOCH, STATIC_LEAVE_EPOCH,
};

/// A heartbeat that is being handled, of a member that says who it is, or that it goes.
#[derive(Debug)]
pub(super) struct Subscribed {
    asked: ConsumerGroupHeartbeatRequest,
    /// How many members its group had.
    members: usize,
}

impl Subscribed {
    /// A member shows that it is alive, or leaves.
    pub(super) fn of(broker: &Broker, asked: &ConsumerGroupHeartbeatRequest) -> Option<Self> {
        let says_nothing = asked.topics.is_none() && asked.regex.is_none();
        let is_known = || broker.consumer_said(&asked.group, &asked.member).is_some();
        let is_other = match asked.epoch {
            JOIN_EPOCH => false,
            1.. => says_nothing,
            _ => !is_known(),
        };
        if is_other || asked.member.is_empty() {
            return None; // its id is yet to be made
        }
        let members = broker.consumer_members(&asked.group).unwrap_or(0);
        Some(Self { asked: asked.clone(), members })
    }

    /// It has been handled. Unless it was refused, it counts, though it is answered when the log has it.
    pub(super) fn handled(
        &self,
        says: &mut Says<'_>,
        by: Speaker<'_>,
        (told, is_refused): (Option<ErrorCode>, bool),
    ) {
        let Self { asked, members } = self;
        let limit = by.broker.properties().map_or(i32::MAX, |of| of.group_consumer_max_size);
        let limit = usize::try_from(limit).unwrap_or(0);
        says.rule(told != Some(ErrorCode::GroupMaxSizeReached) || *members >= limit, &|| {
            format!("coordinator {} has no room in {}, which has {members}", by.node, asked.group)
        });
        if is_refused {
            return;
        }
        let now = by.broker.consumer_members(&asked.group).unwrap_or(0);
        says.rule(now <= limit.max(*members), &|| {
            format!(
                "coordinator {} lets member {} into {}, which has {now}, and may have {limit}",
                by.node, asked.member, asked.group
            )
        });
        let known = by.broker.consumer_said(&asked.group, &asked.member);
        let wrong = flaw(asked, known.as_ref());
        says.rule(wrong.is_none(), &|| {
            format!(
                "coordinator {} does not know member {} by what it says, but for another {}: {asked:?}, {known:?}",
                by.node,
                asked.member,
                wrong.unwrap_or_default()
            )
        });
    }
}

/// What a member says, and its coordinator does not know. A coordinator that ends with this very step knows nobody.
fn flaw(
    asked: &ConsumerGroupHeartbeatRequest,
    known: Option<&ConsumerSaidView<'_>>,
) -> Option<&'static str> {
    let known = known?;
    match asked.epoch {
        JOIN_EPOCH.. => other(asked, known),
        STATIC_LEAVE_EPOCH => (known.epoch != STATIC_LEAVE_EPOCH).then_some("epoch"),
        LEAVE_EPOCH => Some("end"),
        _ => None,
    }
}

fn other(
    asked: &ConsumerGroupHeartbeatRequest,
    known: &ConsumerSaidView<'_>,
) -> Option<&'static str> {
    let differs = |said: &Option<Arc<str>>, known: Option<&Arc<str>>| {
        said.as_ref().is_some_and(|said| known != Some(said))
    };
    let regex = asked.regex.as_ref();
    let has_other_topics = || {
        let said = asked.topics.as_ref().map(|topics| topics.iter().collect::<BTreeSet<_>>());
        said.is_some_and(|said| !said.into_iter().eq(known.topics))
    };
    if has_other_topics() {
        return Some("subscription");
    }
    if regex.is_some_and(|regex| known.regex != Some(regex).filter(|regex| !regex.is_empty())) {
        return Some("regular expression");
    }
    if differs(&asked.instance, known.instance) || !known.is_named {
        return Some("name");
    }
    if differs(&asked.rack, known.rack) || differs(&asked.assignor, known.assignor) {
        return Some("rack or assignor");
    }
    let time_ms = asked.rebalance_timeout_ms;
    (time_ms != -1 && time_ms != known.rebalance_timeout_ms).then_some("time to give up partitions")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group: "g".into(),
            member: "m".into(),
            epoch,
            instance: Some("n".into()),
            rack: None,
            rebalance_timeout_ms: 9,
            topics: Some(vec!["b".into(), "a".into()]),
            regex: Some("".into()),
            assignor: None,
            owned: None,
            makes_member_id: true,
            client_id: "c".into(),
            client_host: "/h".into(),
        }
    }

    #[test]
    fn a_member_is_known_by_what_it_says() {
        let (name, rack, uniform): (Arc<str>, Arc<str>, Arc<str>) =
            ("n".into(), "r".into(), "uniform".into());
        let topics: BTreeSet<Arc<str>> = BTreeSet::from(["a".into(), "b".into()]);
        let fewer: BTreeSet<Arc<str>> = BTreeSet::from(["a".into()]);
        let known = ConsumerSaidView {
            epoch: 5,
            instance: Some(&name),
            is_named: true,
            rack: Some(&rack),
            topics: &topics,
            regex: None,
            assignor: Some(&uniform),
            rebalance_timeout_ms: 9,
        };
        let wrong = |known: ConsumerSaidView<'_>| flaw(&asks(0), Some(&known)).is_some();
        assert!(!wrong(known), "of its rack and its assignor it has said nothing now");
        assert!(wrong(ConsumerSaidView { topics: &fewer, ..known }));
        assert!(wrong(ConsumerSaidView { regex: Some(&rack), ..known }));
        assert!(wrong(ConsumerSaidView { instance: None, ..known }));
        assert!(wrong(ConsumerSaidView { is_named: false, ..known }));
        assert!(wrong(ConsumerSaidView { rebalance_timeout_ms: 8, ..known }));
        let silent = ConsumerGroupHeartbeatRequest { topics: None, regex: None, ..asks(5) };
        let other = ConsumerSaidView { topics: &fewer, regex: Some(&rack), ..known };
        assert_eq!(flaw(&silent, Some(&other)), None, "it says nothing of that");
        let away = ConsumerSaidView { epoch: STATIC_LEAVE_EPOCH, ..known };
        assert_eq!(flaw(&asks(STATIC_LEAVE_EPOCH), Some(&away)), None);
        assert!(flaw(&asks(STATIC_LEAVE_EPOCH), Some(&known)).is_some());
        assert!(flaw(&asks(LEAVE_EPOCH), Some(&known)).is_some());
        assert_eq!(flaw(&asks(LEAVE_EPOCH), None), None);
    }
}
