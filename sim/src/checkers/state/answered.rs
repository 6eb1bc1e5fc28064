//! Nobody who waits for an answer is forgotten: of the requests that a broker has not answered, each is known to the part
//! of it that is to give the answer. That may know of more, whose connections have ended since.

use super::NodeView;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use crate::checkers::messages::Talk;
use stormglass_broker_core::inspect::OwedView;

/// What producers, brokers and administrators have asked a broker.
pub(super) fn look(ledger: &mut Ledger, view: &NodeView<'_>, talk: &Talk) {
    compare(ledger, view.node, (talk.awaited(view.node), view.broker.owed()));
    says(ledger, !view.broker.has_unwatched_forward(), &|| {
        format!(
            "broker {} holds back what a client asks of the controller, and no timer ends that in time",
            view.node
        )
    });
}

/// `asked`: what is not answered; `owed`: what the broker knows of.
fn compare(ledger: &mut Ledger, node: i32, (asked, owed): (OwedView, OwedView)) {
    for (what, asked, owed) in [
        ("produce", asked.produces, owed.produces),
        ("commit positions in a transaction", asked.commits, owed.commits),
        ("are about a transaction", asked.transactions, owed.transactions),
        ("bring markers", asked.markers, owed.markers),
        ("look for offsets", asked.lookups, owed.lookups),
        ("are for the controller", asked.forwarded, owed.forwarded),
    ] {
        says(ledger, asked <= owed, &|| {
            format!(
                "{asked} requests that {what} are not answered by broker {node}, and it knows of {owed}"
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_known() {
        let broken = |asked, owed| {
            let mut ledger = Ledger::default();
            compare(&mut ledger, 1, (asked, owed));
            ledger.finish().1.len()
        };
        let (none, one) = (OwedView::default(), OwedView { lookups: 1, ..OwedView::default() });
        assert_eq!((broken(none, none), broken(one, one)), (0, 0));
        assert_eq!(broken(none, one), 0, "its connection has ended");
        assert_eq!(broken(one, none), 1);
        assert_eq!(broken(one, OwedView { produces: 1, ..none }), 1, "another one waits");
    }
}
