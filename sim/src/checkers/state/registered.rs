//! A broker keeps in touch with the controller by itself: unless it waits for an answer, or knows no controller, a timer
//! rings when it is to ask next. And it serves from when it has applied its own registration, no sooner and no later.

use super::NodeView;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use stormglass_broker_core::inspect::RegistrationView;

/// A broker, between two inputs.
pub(super) fn goes_on(ledger: &mut Ledger, view: &NodeView<'_>) {
    if let Some(of) = view.broker.registration() {
        look(ledger, view.node, &of);
    }
}

fn look(ledger: &mut Ledger, node: i32, of: &RegistrationView) {
    let is_watched = of.next.is_none_or(|(at, rings)| rings <= at);
    says(ledger, is_watched, &|| {
        format!("broker {node} is to ask the controller next, and no timer rings in time: {of:?}")
    });
    let is_aware = of.epoch.is_none_or(|epoch| of.is_caught_up == (of.metadata_offset >= epoch));
    says(ledger, is_aware, &|| {
        format!(
            "broker {node} has applied its registration, or has not, and takes it otherwise: {of:?}"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::time::Instant;

    fn broken(of: RegistrationView) -> usize {
        let mut ledger = Ledger::default();
        look(&mut ledger, 1, &of);
        ledger.finish().1.len()
    }

    fn registered(epoch: Option<i64>) -> RegistrationView {
        RegistrationView { epoch, is_caught_up: true, metadata_offset: 20, next: None }
    }

    #[test]
    fn a_timer_rings_when_the_controller_is_to_be_asked() {
        let of = |at, rings| {
            let next = Some((Instant::from_nanos(at), Instant::from_nanos(rings)));
            broken(RegistrationView { next, ..registered(Some(20)) })
        };
        assert_eq!((broken(registered(Some(20))), of(5, 5), of(5, 4)), (0, 0, 0));
        assert_eq!(of(5, 6), 1);
    }

    #[test]
    fn a_broker_knows_when_it_has_applied_its_registration() {
        let late = RegistrationView { is_caught_up: false, ..registered(Some(20)) };
        assert_eq!(broken(late), 1);
        assert_eq!(broken(registered(Some(21))), 1, "it is to come");
        assert_eq!(broken(RegistrationView { epoch: Some(21), ..late }), 0);
        assert_eq!(broken(registered(None)), 0, "it registers anew");
    }
}
