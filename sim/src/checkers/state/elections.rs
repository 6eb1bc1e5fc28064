//! An active controller looks from time to time who does not lead what it should: leaderships go back to the preferred
//! replicas of brokers that miss too many of theirs (`leader.imbalance.per.broker.percentage`), and what nobody leads
//! gets any replica as its leader once its config allows that (KAFKA-12670). A look leaves nothing of that undone, the
//! next one is always ahead, and a timer rings in time for all that a controller does by itself.

use super::NodeView;
use super::metadata::says_of;
use super::waits::says;
use crate::checkers::ledger::Ledger;
use crate::checkers::suite::Checkers;
use crate::checkers::unclean;
use std::collections::BTreeMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, TopicPartition};
use stormglass_broker_core::inspect::ControllerView;
use stormglass_broker_core::metadata::PartitionImage;
use stormglass_broker_core::seam::TimerKey;
use stormglass_broker_core::time::{Duration, Instant};

/// What the next look may be later than an interval from now: one that was cut short goes on after a pause that may be
/// longer than the interval.
const LATE: Duration = Duration::from_millis(100);

/// A partition as a look has left it.
type Left<'a> = (TopicPartition, &'a PartitionImage);

/// The active controller whose timer rings in this very step, if one does.
#[derive(Debug, Default)]
pub(crate) struct Elections(Option<Ringing>);

/// A controller before its timer rings.
#[derive(Debug, Clone, Copy)]
struct Ringing {
    node: i32,
    /// When, ns.
    at_ns: u64,
    epoch: LeaderEpoch,
    balance_at: Instant,
    unclean_at: Option<Instant>,
}

impl Ringing {
    fn of((node, at_ns): (i32, u64), by: &ControllerView<'_>) -> Self {
        let (epoch, balance_at, unclean_at) = (by.epoch, by.balance_at, by.unclean_at);
        Self { node, at_ns, epoch, balance_at, unclean_at }
    }

    /// Whether the controller has looked since for leaderships to give back, and at what nobody leads: the next look
    /// is another one.
    fn looked(&self, by: &ControllerView<'_>) -> (bool, bool) {
        let is_same = by.epoch == self.epoch;
        let elects = self.unclean_at.is_some() && by.unclean_at != self.unclean_at;
        (is_same && by.balance_at != self.balance_at, is_same && elects)
    }
}

impl Elections {
    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.0.take_if(|of| of.node == node);
    }

    /// A node's timer rings.
    pub(super) fn rings(&mut self, at_ns: u64, (node, broker): (i32, &Broker), key: TimerKey) {
        let by = (key == TimerKey::Controller).then(|| broker.active_view()).flatten();
        self.0 = by.map(|by| Ringing::of((node, at_ns), &by));
    }

    /// A node has taken an input: the controller that it was, if its timer rang.
    fn rang(&mut self, node: i32) -> Option<Ringing> {
        self.0.take().filter(|of| of.node == node)
    }
}

impl Checkers {
    /// A node has taken an input: its controller may have looked.
    pub(super) fn has_elected(&mut self, node: i32, broker: &Broker) {
        let Some(rang) = self.elections.rang(node) else { return };
        let Some(by) = broker.active_view() else { return };
        self.ledger.now_ns = rang.at_ns;
        let (balances, elects) = rang.looked(&by);
        let mut leaves = |left: Option<Left<'_>>, what: &str| {
            let tp = left.map_or(TopicPartition::METADATA, |(tp, _)| tp);
            says_of(&mut self.ledger, (by.image, tp), left.is_none(), &|| {
                format!("controller {node} has looked for {what}, and leaves one: {left:?}")
            });
        };
        if balances && by.server.auto_leader_rebalance_enable {
            leaves(not_given_back(&by), "leaderships that brokers miss too many of");
        }
        if elects {
            leaves(not_elected(&by), "partitions that nobody leads and any replica may");
        }
    }
}

/// A partition whose preferred replica could lead, and does not, and whose broker misses more of the leaderships that
/// are its own than it may.
fn not_given_back<'a>(by: &ControllerView<'a>) -> Option<Left<'a>> {
    // those that each broker should have, and those of them that it has not
    let mut counts: BTreeMap<NodeId, (u64, u64)> = BTreeMap::new();
    for (_, state) in by.image.partitions() {
        let Some(first) = state.preferred_leader() else { continue };
        let (all, missed) = counts.entry(first).or_default();
        *all += 1;
        *missed += u64::from(state.leader != Some(first));
    }
    let percentage = by.server.leader_imbalance_per_broker_percentage.max(0).unsigned_abs();
    let misses_too_many = |id: NodeId| {
        let (all, missed) = counts.get(&id).copied().unwrap_or_default();
        missed * 100 > all * u64::from(percentage)
    };
    by.image.partitions().find(|(_, state)| {
        state.preferred_leader().is_some_and(|first| {
            let could = state.in_isr(first) && by.image.is_active(first);
            // what is being moved may end with an election, and then has others
            could && state.moving.is_none() && state.leader != Some(first) && misses_too_many(first)
        })
    })
}

/// A partition that nobody leads, though a replica is up and any may lead.
fn not_elected<'a>(by: &ControllerView<'a>) -> Option<Left<'a>> {
    by.image.partitions().find(|(tp, state)| {
        let could = || state.replicas.iter().any(|id| by.image.is_active(*id));
        state.leader.is_none() && could() && unclean::in_force(by, *tp)
    })
}

/// All that an active controller does by itself is ahead.
pub(super) fn are_ahead(ledger: &mut Ledger, view: &NodeView<'_>) {
    let Some(by) = view.broker.active_view() else { return };
    let missing = not_ahead(&by, view.mono);
    says(ledger, missing.is_none(), &|| {
        format!(
            "controller {} has no {} in time, at {:?}: its looks for leaderships to give back and at what nobody \
             leads are due at {:?} and {:?}, the end of a session at {:?}, the next record at {:?}, its timer at \
             {:?}",
            view.node,
            missing.unwrap_or_default(),
            view.mono,
            by.balance_at,
            by.unclean_at,
            by.session_ends_at,
            by.idle_at,
            by.rings_at
        )
    });
}

/// What does not come in time.
fn not_ahead(by: &ControllerView<'_>, now: Instant) -> Option<&'static str> {
    let seconds = by.server.leader_imbalance_check_interval_seconds.max(1).unsigned_abs();
    let interval = Duration::from_millis(seconds.saturating_mul(1_000));
    if by.balance_at > now + interval + LATE {
        return Some("look for leaderships to give back");
    }
    let latest = now + by.server.unclean_leader_election_interval + LATE;
    let is_led = by.image.partitions().all(|(_, state)| state.leader.is_some());
    if !is_led && by.unclean_at.is_none_or(|at| at > latest) {
        return Some("look at what nobody leads");
    }
    let own = [Some(by.balance_at), by.unclean_at, by.session_ends_at, by.idle_at];
    let first = own.into_iter().flatten().min();
    let rings = first.is_none_or(|first| by.rings_at.is_some_and(|at| at <= first));
    (!rings).then_some("timer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::unclean::testing::{State, controller, enable, image};
    use stormglass_broker_core::config::ServerConfig;
    use stormglass_broker_core::metadata::ConfigResource;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Whether a look for leaderships to give back may leave partitions like this.
    fn is_left(percentage: i32, up: &[i32], partitions: &[State<'_>]) -> bool {
        let mut server = ServerConfig::kafka_defaults();
        server.leader_imbalance_per_broker_percentage = percentage;
        let image = image(up, partitions);
        not_given_back(&controller(&image, &server)).is_some()
    }

    #[test]
    fn who_has_lost_all_it_should_lead_gets_it_back() {
        let all = [1, 2, 3];
        let led = |leader: i32| -> State<'static> { (&[1, 2, 3], &[1, 2, 3], &[], Some(leader)) };
        assert!(!is_left(10, &all, &[led(1), led(1)]));
        assert!(is_left(10, &all, &[led(2), led(3)]), "it leads nothing");
        assert!(is_left(10, &all, &[led(1), led(2)]));
        assert!(!is_left(50, &all, &[led(1), led(2)]), "so many may be elsewhere");
        assert!(is_left(49, &all, &[led(1), led(2)]));
        assert!(!is_left(10, &[2, 3], &[led(2)]), "it is not up");
        let behind: State<'_> = (&[1, 2, 3], &[2, 3], &[], Some(2));
        assert!(!is_left(10, &all, &[behind]), "it is not in sync");
        assert!(is_left(10, &all, &[behind, led(2)]), "the other one could go back");
        let moving: State<'_> = (&[1, 2, 3], &[1, 2, 3], &[1], Some(2));
        assert!(!is_left(10, &all, &[moving]));
    }

    #[test]
    fn what_nobody_leads_is_led_once_any_replica_may() {
        let mut server = ServerConfig::kafka_defaults();
        let state: State<'_> = (&[1, 2], &[1], &[], None);
        let is_left = |up: &[i32], value: Option<&str>, server: &ServerConfig| {
            let mut image = image(up, &[state]);
            if let Some(value) = value {
                enable(&mut image, ConfigResource::Topic("t".into()), value);
            }
            not_elected(&controller(&image, server)).is_some()
        };
        assert!(!is_left(&[2, 3], None, &server));
        assert!(is_left(&[2, 3], Some("true"), &server));
        assert!(!is_left(&[3], Some("true"), &server), "no replica is up");
        server.unclean_leader_election_enable = true;
        assert!(is_left(&[2], None, &server) && !is_left(&[2], Some("false"), &server));
        let led = image(&[2], &[(&[1, 2], &[2], &[], Some(2))]);
        assert!(not_elected(&controller(&led, &server)).is_none());
    }

    #[test]
    fn who_has_looked_has_another_look_ahead() {
        let (image, server) = (image(&[1], &[]), ServerConfig::kafka_defaults());
        let by = ControllerView { unclean_at: Some(at(6_000)), ..controller(&image, &server) };
        let rang = Ringing::of((9, 0), &by);
        assert_eq!(rang.looked(&by), (false, false));
        let balances = ControllerView { balance_at: at(9_000), ..by };
        assert_eq!(rang.looked(&balances), (true, false));
        assert_eq!(rang.looked(&ControllerView { unclean_at: None, ..by }), (false, true));
        assert_eq!(rang.looked(&ControllerView { epoch: 4, ..balances }), (false, false));
        let begins = Ringing { unclean_at: None, ..rang };
        assert_eq!(begins.looked(&by), (false, false), "somebody has just lost its leader");
    }

    #[test]
    fn a_controller_whose_timer_rings_is_looked_at_once() {
        let (image, server) = (image(&[1], &[]), ServerConfig::kafka_defaults());
        let rings = || Elections(Some(Ringing::of((9, 0), &controller(&image, &server))));
        let mut elections = rings();
        assert!(elections.rang(9).is_some() && elections.rang(9).is_none());
        assert!(rings().rang(8).is_none(), "another node has taken an input");
        let mut elections = rings();
        elections.node_down(8);
        elections.node_down(9);
        assert!(elections.rang(9).is_none(), "it has ended meanwhile");
    }

    #[test]
    fn looks_are_ahead_as_long_as_a_controller_is_active() {
        let server = ServerConfig {
            leader_imbalance_check_interval_seconds: 1,
            unclean_leader_election_interval: Duration::from_millis(2_000),
            ..ServerConfig::kafka_defaults()
        };
        let led = image(&[2], &[(&[1, 2], &[2], &[], Some(2))]);
        let by = controller(&led, &server);
        assert_eq!(not_ahead(&by, at(5_000)), None);
        assert!(not_ahead(&by, at(4_500)).is_some(), "the next look is too far away");
        let leaderless = image(&[2], &[(&[1, 2], &[1], &[], None)]);
        let by = controller(&leaderless, &server);
        let looks = |ms: Option<u64>| {
            let by = ControllerView { unclean_at: ms.map(at), ..by };
            not_ahead(&by, at(5_000))
        };
        assert_eq!(looks(None), Some("look at what nobody leads"));
        assert_eq!((looks(Some(6_500)), looks(Some(7_000))), (None, None));
        assert_eq!(looks(Some(7_200)), Some("look at what nobody leads"));
        assert_eq!(looks(Some(5_500)), Some("timer"), "it rings after that");
    }

    #[test]
    fn a_timer_rings_for_all_that_a_controller_does_by_itself() {
        let (image, server) = (image(&[1], &[]), ServerConfig::kafka_defaults());
        let by = controller(&image, &server);
        assert_eq!(not_ahead(&by, at(5_000)), None);
        for wrong in [
            ControllerView { session_ends_at: Some(at(5_500)), ..by },
            ControllerView { idle_at: Some(at(5_500)), ..by },
            ControllerView { rings_at: None, ..by },
            ControllerView { rings_at: Some(at(6_001)), ..by },
        ] {
            assert_eq!(not_ahead(&wrong, at(5_000)), Some("timer"), "{wrong:?}");
        }
    }
}
