//! Members of a group in the classic protocol that have joined a generation have as long to ask for their assignments,
//! and their leader to make them, as that one of them that takes longest says that it takes (`max.poll.interval.ms`),
//! however short their sessions are (KIP-62; Kafka's `ClassicGroup.rebalanceTimeoutMs`). Known in runs whose clocks are
//! right.

use super::{Says, Speaker};
use std::sync::Arc;
use stormglass_broker_core::inspect::SyncWaitView;
use stormglass_broker_core::time::Instant;

/// A generation has just begun. More may have happened with it: then the group waits for another one.
pub(super) fn begins(says: &mut Says<'_>, by: Speaker<'_>, group: &Arc<str>, generation: i32) {
    // clocks that are right show simulated time
    let now = Instant::from_nanos(by.disk_now_ns);
    let wait = by.broker.sync_wait(group).filter(|wait| wait.generation == generation);
    says.rule(wait.is_none_or(|wait| is_whole(now, wait)), &|| {
        format!(
            "coordinator {} begins generation {generation} of {group} at {now:?}, and waits for members to ask for \
             their assignments otherwise than they have said: {wait:?}",
            by.node
        )
    });
}

fn is_whole(now: Instant, wait: SyncWaitView) -> bool {
    wait.until == now + wait.longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::time::Duration;

    #[test]
    fn members_have_as_long_as_the_slowest_of_them_takes() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let is_whole = |until_ms| {
            let (until, longest) = (at(until_ms), Duration::from_millis(8_000));
            is_whole(at(100), SyncWaitView { generation: 4, until, longest })
        };
        assert!(is_whole(8_100));
        assert!(!is_whole(1_600), "as long as a session");
        assert!(!is_whole(8_101));
    }
}
