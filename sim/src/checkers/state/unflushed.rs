//! Where `flush.messages` is set, a log counts no more records as appended than that which are not on its volume: the
//! append that makes them too many is answered when they are (`UnifiedLog.append`).

use super::replicas::check;
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::log::Log;

/// How many records may be left unflushed, and where a log was to be written on when that was seen first: what is
/// below may have been written before it was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    messages: i64,
    from: Offset,
}

/// Looks at a replica. `unsynced`: first offset of the segment around an offset that is not on the volume.
pub(crate) fn look(
    p: &mut Partition,
    ledger: &mut Ledger,
    (node, log): (i32, &Log),
    unsynced: impl FnOnce(Offset) -> Option<Offset>,
) {
    let (messages, end) = (log.config().flush_messages, log.log_end_offset());
    let mine = p.replica(node);
    let known = p.replicas[mine].unflushed.filter(|limit| limit.messages == messages);
    let limit = known.unwrap_or(Limit { messages, from: log.next_offset() });
    p.replicas[mine].unflushed = Some(limit);
    if messages == i64::MAX || end <= limit.from {
        return;
    }
    let unsynced = unsynced(end - 1).filter(|from| *from < end);
    check(p, ledger, unsynced.is_none_or(|from| end - from < messages), &|| {
        format!(
            "replica {node} counts records up to {end}, and those from {unsynced:?} on are not on its \
             volume yet; flush.messages is {messages}"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::{batch, tp};
    use stormglass_broker_core::config::{ServerConfig, TopicConfig};
    use stormglass_broker_core::log::LogConfig;
    use stormglass_broker_core::records::Records;

    /// Accounts of a log of which ten of twenty records are looked at first; `unsynced` of the rest.
    fn broken(flush_messages: i64, first: i64, unsynced: Option<Offset>) -> usize {
        let server = ServerConfig::kafka_defaults();
        let mut config = LogConfig::new(&TopicConfig::from_server(&server), &server);
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 1), Ledger::default());
        config.flush_messages = first;
        let mut log = Log::create(tp(0), config, 0);
        for (base, messages) in [(0, first), (10, flush_messages)] {
            config.flush_messages = messages;
            log.set_config(config);
            let records = Records::new(vec![batch(base, 10, 1)]);
            let appended = log.append_as_follower(records, 0, &mut Vec::new()).unwrap();
            log.append_done(appended.number);
            look(&mut p, &mut ledger, (1, &log), |_| unsynced);
        }
        ledger.finish().1.len()
    }

    #[test]
    fn so_many_records_are_left_unflushed_and_no_more() {
        assert_eq!((broken(1, 1, None), broken(1, 1, Some(20))), (0, 0), "what is under way");
        assert_eq!((broken(1, 1, Some(10)), broken(10, 10, Some(10))), (1, 1));
        assert_eq!(broken(11, 11, Some(10)), 0);
        assert_eq!(broken(i64::MAX, i64::MAX, Some(0)), 0);
        assert_eq!(broken(1, i64::MAX, Some(10)), 0, "written before that was so");
    }
}
