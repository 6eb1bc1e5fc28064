//! Who may lead the metadata quorum, and does not, goes on by itself before long, whatever it hears: it stands for
//! election, or looks for another leader. One that waits for others alone could wait for ever, and all could.

use super::NodeView;
use super::timers::LATE_NS;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use stormglass_broker_core::time::{Duration, Instant};

/// A voter.
pub(super) fn voter(ledger: &mut Ledger, view: &NodeView<'_>) {
    let Some((at, most)) = view.broker.acts_by().filter(|_| view.awake_ns >= LATE_NS) else {
        return;
    };
    says(ledger, is_due(view.mono, at, most), &|| {
        format!(
            "voter {} does not lead, and will go on by itself at {at:?}; it is {:?} now, and it should within \
             {most:?}",
            view.node, view.mono
        )
    });
}

fn is_due(now: Instant, at: Instant, most: Duration) -> bool {
    now.since(at).as_nanos() <= LATE_NS && at.since(now) <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_does_not_wait_for_others_alone() {
        let (now, most) = (Instant::from_nanos(4 * LATE_NS), Duration::from_millis(900));
        let is_due = |at| is_due(now, at, most);
        assert!(is_due(now) && is_due(now + most), "it has just begun to wait");
        assert!(is_due(Instant::from_nanos(3 * LATE_NS)), "its timer may be late");
        assert!(!is_due(Instant::FAR_FUTURE) && !is_due(now + most + Duration::from_nanos(1)));
        assert!(!is_due(Instant::from_nanos(2 * LATE_NS)), "its timer is gone");
    }
}
