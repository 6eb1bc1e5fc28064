//! Who waits is woken: nothing that could be answered waits, the timers for what waits are armed, and
//! a follower copies exactly what the metadata says.

use super::NodeView;
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger, Promise};
use crate::checkers::messages::{Talk, diverging};
use crate::checkers::partition::Partition;
use std::sync::Arc;
use stormglass_broker_core::ids::{NO_EPOCH, NodeId, Offset};
use stormglass_broker_core::inspect::{ReplicaView, SessionPartView, SessionView, WaitsView};
use stormglass_broker_core::protocol::IsolationLevel;

pub(crate) const PROMISE: Promise = Promise {
    name: "waits-end",
    text: "nobody waits for what will not come: requests, fetches, appends, transactions, \
           groups and deletions that can go on do, and their timers are armed and ring; \
           brokers keep in touch with the controller, voters go on by themselves, and \
           followers copy from the leader that they know, in its epoch, and learn what is \
           committed",
};

/// A follower is given this long to learn of a high watermark in a healed cluster, ns: the times at
/// which it is looked at are a second apart.
pub(crate) const LEARNS_NS: u64 = 3_000_000_000;

/// What waits at a node.
pub(crate) fn node(ledger: &mut Ledger, view: &NodeView<'_>, talk: &Talk) {
    let node = view.node;
    let waits = view.broker.waits();
    says(ledger, waits.overdue_acks == 0, &|| {
        format!(
            "broker {node} has {} partitions with acknowledgements that wait for what is committed",
            waits.overdue_acks
        )
    });
    says(ledger, waits.lost_acks == 0, &|| {
        format!(
            "broker {node} has {} acknowledgements that wait, and neither an append that is under way \
             nor a replica that would bring them about",
            waits.lost_acks
        )
    });
    says(ledger, waits.unwatched_produces == 0, &|| {
        format!(
            "broker {node} has {} produces that wait for all replicas, and nothing that ends that when \
             their time is over",
            waits.unwatched_produces
        )
    });
    remote(ledger, node, &waits);
    let first = [waits.produce, waits.fetch].into_iter().flatten().min();
    says(ledger, first.is_none_or(|first| waits.timer.is_some_and(|at| at <= first)), &|| {
        format!(
            "broker {node} has a request that waits until {first:?}, and its timer is due at {:?}",
            waits.timer
        )
    });
    copies(ledger, node, &waits);
    coordinator(ledger, node, &waits);
    ends(ledger, node, (&waits, talk.is_overruled(node)));
    groups(ledger, view, talk);
    let unguarded = view.broker.unguarded_member();
    says(ledger, unguarded.is_none(), &|| {
        format!("coordinator {node} would not notice a silent member, by group: {unguarded:?}")
    });
    let hanging = view.broker.hanging_group();
    says(ledger, hanging.is_none(), &|| {
        format!("coordinator {node} would wait for ever for members of {hanging:?}")
    });
    follows(ledger, view);
    for session in view.broker.fetch_sessions() {
        for part in &session.parts {
            news(ledger, view, &session, part);
            told(ledger, view, &session, (part, talk));
        }
    }
}

/// What is copied from leaders goes on: of all that a fetcher copies, nothing is without it.
fn copies(ledger: &mut Ledger, node: i32, waits: &WaitsView) {
    says(ledger, waits.lost_copies == 0, &|| {
        format!(
            "the fetchers of broker {node} and its disk differ by {} in the appends that are under way",
            waits.lost_copies
        )
    });
    says(ledger, waits.stuck_fetchers == 0, &|| {
        format!(
            "broker {node} has {} fetchers that wait for nothing, or for what will not come",
            waits.stuck_fetchers
        )
    });
    says(ledger, waits.unused_fetches == 0, &|| {
        format!(
            "broker {node} has {} fetchers that wait for leaders from which they have nothing to copy any more; \
             those may be gone, and lead again",
            waits.unused_fetches
        )
    });
}

/// What logs wait for of remote storage is under way: copies, lists and deletions are not begun twice. Nor is a thread
/// busy that reads nothing there.
fn remote(ledger: &mut Ledger, node: i32, waits: &WaitsView) {
    says(ledger, waits.lost_remote == 0, &|| {
        format!(
            "broker {node} waits for {} operations on remote storage, or has threads for them, that are not under \
             way",
            waits.lost_remote
        )
    });
}

/// What a coordinator waits for goes on.
fn coordinator(ledger: &mut Ledger, node: i32, waits: &WaitsView) {
    says(ledger, waits.unwatched_transactions == 0, &|| {
        format!(
            "coordinator {node} has {} open transactions, and no timer that ends those that take too \
             long",
            waits.unwatched_transactions
        )
    });
    says(ledger, waits.lost_writes == 0, &|| {
        format!(
            "coordinator {node} has {} appends whose end nobody will tell it",
            waits.lost_writes
        )
    });
    says(ledger, waits.stuck_changes == 0, &|| {
        format!(
            "coordinator {node} has {} transactional ids that wait for an append that is not under way, or do \
             not wait for one that is",
            waits.stuck_changes
        )
    });
    says(ledger, waits.idle_load.is_none(), &|| {
        format!(
            "coordinator {node} is loading partition {:?}, and no read of it is under way or to come",
            waits.idle_load
        )
    });
}

/// What is decided of a transaction is carried out, unless somebody else decides by now, or the broker is about to end.
fn ends(ledger: &mut Ledger, node: i32, (waits, is_overruled): (&WaitsView, bool)) {
    let is_excused = is_overruled || waits.is_closing;
    says(ledger, waits.idle_ends == 0 || is_excused, &|| {
        format!(
            "coordinator {node} has {} transactions whose end is decided, and nothing brings it about",
            waits.idle_ends
        )
    });
}

/// Whoever asks something of a group is not forgotten, and waits for what will come.
fn groups(ledger: &mut Ledger, view: &NodeView<'_>, talk: &Talk) {
    let (node, broker) = (view.node, view.broker);
    let (asked, owed) = (talk.questions(node), broker.answers_owed());
    says(ledger, asked == owed, &|| {
        format!(
            "{asked} requests about groups are not answered by coordinator {node}, and it knows of {owed}"
        )
    });
    // whoever goes may be the last that is missing (Kafka's `DelayedJoin` is looked at then, too)
    let idle = broker.idle_rebalance();
    says(ledger, idle.is_none(), &|| {
        format!("coordinator {node} waits for members of {idle:?} to join, and nobody is missing")
    });
    joined(ledger, node, broker.joined_unused());
    let stranded = broker.stranded_member();
    says(ledger, stranded.is_none(), &|| {
        format!(
            "coordinator {node} lets a member wait for what will not come, by group: {stranded:?}"
        )
    });
    let hidden = broker.hidden_group();
    says(ledger, hidden.is_none(), &|| {
        format!("coordinator {node} shows group {hidden:?} otherwise than its log has confirmed it")
    });
}

/// Who joins by an id that it was given has used it (KIP-394; Kafka's `ClassicGroup.add`): the next rebalances would wait
/// for it until the id ends, and whoever joins by it again would be added anew.
fn joined(ledger: &mut Ledger, node: i32, unused: Option<(&Arc<str>, &Arc<str>)>) {
    says(ledger, unused.is_none(), &|| {
        format!(
            "coordinator {node} has a member that has joined by an id which it takes to be unused, by group: \
             {unused:?}"
        )
    });
}

/// A follower copies from its leader, a leader from nobody.
fn follows(ledger: &mut Ledger, view: &NodeView<'_>) {
    let node = view.node;
    let followed = view.broker.followed();
    let forgotten = followed.iter().find(|followed| followed.is_forgotten);
    says(ledger, forgotten.is_none(), &|| {
        format!(
            "broker {node} leaves a partition out, and never looks whether that has ended: {forgotten:?}"
        )
    });
    for replica in view.broker.replica_views() {
        let leader = replica.leader.filter(|leader| leader.0 != node && replica.lead.is_none());
        let of: Vec<_> = followed.iter().filter(|f| f.tp == replica.tp).collect();
        let holds = match leader {
            None => of.is_empty(),
            Some(leader) => {
                of.len() == 1 && (of[0].leader, of[0].epoch) == (leader, replica.leader_epoch)
            }
        };
        says(ledger, holds, &|| {
            format!(
                "broker {node} knows leader {:?} of {:?} in epoch {}, and copies as {of:?} says",
                replica.leader, replica.tp, replica.leader_epoch
            )
        });
    }
}

/// A partition of a session that is not looked at again has nothing to say.
fn news(ledger: &mut Ledger, view: &NodeView<'_>, session: &SessionView, part: &SessionPartView) {
    let node = view.node;
    says(ledger, part.is_watched != Some(false), &|| {
        format!("broker {node} does not tell fetch session {} of news of {:?}", session.id, part.tp)
    });
    if part.is_queued || session.is_reading {
        return;
    }
    let replica = view.broker.replica_view(part.tp);
    let has_none = replica.as_ref().is_some_and(|replica| is_quiet(replica, session, part));
    says(ledger, has_none, &|| {
        let state = replica.as_ref().map(|replica| {
            let (high_watermark, log) = (replica.high_watermark, replica.log);
            let stable = log.last_stable_offset(high_watermark);
            let end = log.log_end_offset();
            (replica.leader_epoch, replica.lead.is_some(), stable, high_watermark, end)
        });
        format!(
            "broker {node} does not look again at {part:?} of fetch session {} (follower {:?}), \
             though there is news: its replica is {state:?} (epoch, leads, last stable offset, \
             high watermark, end)",
            session.id, session.replica
        )
    });
}

/// A follower was told the high watermark of a partition that is not looked at again, and has taken it.
fn told(
    ledger: &mut Ledger,
    view: &NodeView<'_>,
    session: &SessionView,
    (part, talk): (&SessionPartView, &Talk),
) {
    if session.replica.is_none() || part.is_queued || session.is_reading {
        return;
    }
    let node = view.node;
    let told = talk.told(node, session.id, part.tp);
    let is_untold = talk.is_untold(node, session.id, part.tp);
    if told.is_none() && !is_untold {
        return;
    }
    let Some(replica) = view.broker.replica_view(part.tp) else { return };
    let knows = replica.high_watermark;
    let is_led = replica.lead.is_some() && part.current_leader_epoch == replica.leader_epoch;
    let from = (part.log_start, part.fetch_offset);
    let differs = diverging(replica.log, part.last_fetched_epoch, from).is_some();
    says(ledger, told == Some(knows) || !is_led || differs, &|| {
        format!(
            "broker {node} has told follower {:?} high watermark {told:?} of {:?} in fetch session {} (None: \
             nothing that it has taken), it is {knows}, and is not to be told",
            session.replica, part.tp, session.id
        )
    });
}

fn is_quiet(replica: &ReplicaView<'_>, session: &SessionView, part: &SessionPartView) -> bool {
    let end: Offset = match (session.replica, session.isolation) {
        (Some(_), _) => replica.log.log_end_offset(),
        (None, IsolationLevel::ReadUncommitted) => replica.high_watermark,
        (None, IsolationLevel::ReadCommitted) => {
            replica.log.last_stable_offset(replica.high_watermark)
        }
    };
    if diverging(replica.log, part.last_fetched_epoch, (part.log_start, part.fetch_offset))
        .is_some()
    {
        return true; // told so, and waited for with another position
    }
    // a log that lost its last batches, and the offsets not, has nothing more to read (hunt seed 922152)
    let ends = part.fetch_offset >= end
        || matches!(replica.log.read_plan(part.fetch_offset, end, 1), Ok(None));
    let epoch = part.current_leader_epoch;
    // consumers may read from followers (KIP-392)
    let is_served = replica.lead.is_some() || session.replica.is_none();
    is_served
        && (epoch == NO_EPOCH || epoch == replica.leader_epoch)
        && ends
        && part.told_high_watermark == replica.high_watermark
        && (session.replica.is_none() || part.told_log_start == replica.log.log_start_offset())
}

/// In a healed cluster: a follower knows what was committed a while ago, of what it has (one that is throttled
/// may have little: hunt seed 1805933).
pub(crate) fn learns(
    p: &mut Partition,
    ledger: &mut Ledger,
    node: i32,
    replica: &ReplicaView<'_>,
    nodes: &[NodeView<'_>],
) {
    let Some(leader) = replica.leader.filter(|leader| *leader != NodeId(node)) else { return };
    let theirs = nodes.iter().find(|view| view.node == leader.0);
    let Some(theirs) = theirs.and_then(|view| view.broker.replica_view(replica.tp)) else { return };
    let is_same = theirs.lead.is_some() && theirs.leader_epoch == replica.leader_epoch;
    let now_ns = ledger.now_ns;
    let at = p.replica(node);
    let known = &mut p.replicas[at].leader_had;
    known.retain(|(epoch, ..)| *epoch == replica.leader_epoch && is_same);
    let past = known.iter().rev().find(|(_, at_ns, _)| now_ns - at_ns >= LEARNS_NS);
    let due = past.map_or(0, |(.., high_watermark)| *high_watermark);
    let due = due.min(replica.log.log_end_offset());
    if known.len() == 8 {
        known.remove(0);
    }
    if is_same {
        known.push((replica.leader_epoch, now_ns, theirs.high_watermark));
    }
    says(ledger, replica.high_watermark >= due, &|| {
        format!(
            "replica {node} of {:?} has high watermark {}, its leader {leader} had {due} {} s ago",
            replica.tp,
            replica.high_watermark,
            LEARNS_NS / 1_000_000_000
        )
    });
}

pub(super) fn says(ledger: &mut Ledger, holds: bool, seen: &dyn Fn() -> String) {
    ledger.checked(Check::Waits, 1);
    if !holds {
        ledger.broken(Check::Waits, ("", &History::default()), seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logs_wait_for_of_remote_storage_is_under_way() {
        let broken = |lost_remote| {
            let mut ledger = Ledger::default();
            remote(&mut ledger, 1, &WaitsView { lost_remote, ..WaitsView::default() });
            ledger.finish().1.len()
        };
        assert_eq!((broken(0), broken(1)), (0, 1));
    }

    #[test]
    fn what_a_coordinator_waits_for_is_under_way() {
        let broken = |waits: WaitsView| {
            let mut ledger = Ledger::default();
            coordinator(&mut ledger, 1, &waits);
            ledger.finish().1.len()
        };
        assert_eq!(broken(WaitsView::default()), 0);
        assert_eq!(broken(WaitsView { lost_writes: 1, ..WaitsView::default() }), 1);
        assert_eq!(broken(WaitsView { stuck_changes: 1, ..WaitsView::default() }), 1);
    }

    #[test]
    fn who_has_joined_has_used_its_id() {
        let broken = |unused| {
            let mut ledger = Ledger::default();
            joined(&mut ledger, 1, unused);
            ledger.finish().1.len()
        };
        let (group, member): (Arc<str>, Arc<str>) = ("g".into(), "m".into());
        assert_eq!((broken(None), broken(Some((&group, &member)))), (0, 1));
    }

    #[test]
    fn a_fetcher_waits_for_what_is_under_way() {
        let broken = |waits: WaitsView| {
            let mut ledger = Ledger::default();
            copies(&mut ledger, 1, &waits);
            ledger.finish().1.len()
        };
        assert_eq!(broken(WaitsView::default()), 0);
        assert_eq!(broken(WaitsView { lost_copies: 1, ..WaitsView::default() }), 1);
        assert_eq!(broken(WaitsView { stuck_fetchers: 1, ..WaitsView::default() }), 1);
        assert_eq!(broken(WaitsView { unused_fetches: 1, ..WaitsView::default() }), 1);
    }

    #[test]
    fn what_is_decided_is_carried_out() {
        let broken = |waits: WaitsView, is_overruled| {
            let mut ledger = Ledger::default();
            ends(&mut ledger, 1, (&waits, is_overruled));
            ledger.finish().1.len()
        };
        let idle = WaitsView { idle_ends: 1, ..WaitsView::default() };
        assert_eq!((broken(idle, false), broken(idle, true)), (1, 0));
        assert_eq!(broken(WaitsView { is_closing: true, ..idle }, false), 0);
        assert_eq!(broken(WaitsView::default(), false), 0);
    }
}
