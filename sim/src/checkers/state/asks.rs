//! What a broker has to get from the controller it is asking for, as long as somebody waits for it: a request that fails
//! must not leave behind that it is under way.

use super::NodeView;
use super::waits::says;
use crate::checkers::ledger::Ledger;

/// Blocks of producer ids, and topics that come into being because somebody asks for them.
pub(super) fn under_way(ledger: &mut Ledger, view: &NodeView<'_>) {
    let topic = view.broker.lost_topic();
    let lost = (view.broker.has_lost_producer_ids(), topic.map(|name| &**name));
    asked(ledger, view.node, lost);
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
}
