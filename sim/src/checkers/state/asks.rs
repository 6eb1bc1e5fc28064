//! What a broker has to get from the controller it is asking for, as long as somebody waits for it: a request that fails
//! must not leave behind that it is under way. What clients ask of the controller is held back only while nobody knows
//! which one that is, or for a short pause.

use super::NodeView;
use super::timers::LATE_NS;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use stormglass_broker_core::time::Instant;

/// Blocks of producer ids, topics that come into being because somebody asks for them, and what clients ask.
pub(super) fn under_way(ledger: &mut Ledger, view: &NodeView<'_>) {
    let topic = view.broker.lost_topic();
    let lost = (view.broker.has_lost_producer_ids(), topic.map(|name| &**name));
    asked(ledger, view.node, lost);
    if view.awake_ns >= LATE_NS {
        passed_on(ledger, view.node, (view.broker.idle_forward(), view.mono));
    }
}

/// `since`: since when a client's request could be at the controller, and is not.
fn passed_on(ledger: &mut Ledger, node: i32, (since, now): (Option<Instant>, Instant)) {
    let is_idle = since.is_some_and(|since| now.since(since).as_nanos() > LATE_NS);
    says(ledger, !is_idle, &|| {
        format!(
            "broker {node} holds back since {since:?} what a client asks of the controller, which it knows; it is \
             {now:?}"
        )
    });
}

fn asked(ledger: &mut Ledger, node: i32, (lost_ids, lost_topic): (bool, Option<&str>)) {
    says(ledger, !lost_ids, &|| {
        format!("broker {node} waits for producer ids, and asks no controller for them")
    });
    says(ledger, lost_topic.is_none(), &|| {
        format!(
            "broker {node} takes topic {lost_topic:?} to be on its way, and asks no controller for it"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_asked_for() {
        let broken = |lost| {
            let mut ledger = Ledger::default();
            asked(&mut ledger, 1, lost);
            ledger.finish().1.len()
        };
        assert_eq!(broken((false, None)), 0);
        assert_eq!((broken((true, None)), broken((false, Some("t")))), (1, 1));
    }

    #[test]
    fn what_the_controller_could_have_is_not_held_back() {
        let at = |turn: u64| Instant::from_nanos(turn * LATE_NS);
        let broken = |since| {
            let mut ledger = Ledger::default();
            passed_on(&mut ledger, 1, (since, at(7)));
            ledger.finish().1.len()
        };
        assert_eq!((broken(None), broken(Some(at(8))), broken(Some(at(6)))), (0, 0, 0));
        assert_eq!(broken(Some(at(5))), 1);
    }
}
