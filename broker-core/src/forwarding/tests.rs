//! Requests of clients while there is no controller, and when there is another one.

use crate::config::{NodeConfig, ServerConfig};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, CorrelationId, NodeId};
use crate::protocol::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, CreateTopicsRequest,
    CreateTopicsResponse, CreatedTopic, NewTopic, Placement, Request, Response,
};
use crate::role::BrokerRole;
use crate::seam::{Effects, PeerError, PeerRequest, TimerKey};
use crate::step::{IdCounters, ReplyTo, Step};
use crate::time::Instant;
use std::collections::BTreeMap;

const OLD: NodeId = NodeId(10_001);
const NEW: NodeId = NodeId(10_002);
const CLIENT: ReplyTo = ReplyTo { conn: ConnectionId(5), correlation: CorrelationId(9) };

/// Broker 1; the test says who is its controller.
struct Rig {
    role: BrokerRole,
    effects: Effects,
    ids: IdCounters,
    now_ms: u64,
}

impl Rig {
    fn new(controller: Option<NodeId>) -> Self {
        let config = NodeConfig {
            node: NodeId(1),
            broker: true,
            controller: false,
            voters: vec![OLD, NEW],
            rack: None,
            endpoint: None,
            server: ServerConfig::kafka_defaults(),
            limits: crate::BrokerLimits::default(),
            features: crate::features::UNCHOSEN,
            seed: 7,
            incarnation: 1,
            first_producer_epoch: 0,
            plant: None,
        };
        let mut role = BrokerRole::new(config, Vec::new());
        role.controller = controller;
        Self { role, effects: Effects::default(), ids: IdCounters::default(), now_ms: 1_000 }
    }

    fn act(&mut self, act: impl FnOnce(&mut BrokerRole, &mut Step<'_>)) {
        let Self { role, effects, ids, now_ms } = self;
        let now = Instant::from_nanos(*now_ms * 1_000_000);
        act(role, &mut Step { now, wall_ms: 0, effects, ids });
    }

    fn ask(&mut self) {
        self.act(|role, step| role.forward(step, CLIENT, create()));
    }

    /// The quorum's leader changes.
    fn elect(&mut self, controller: Option<NodeId>) {
        self.role.controller = controller;
        self.act(BrokerRole::resume_forwarding);
    }

    /// Time passes, and timers ring.
    fn wait_until(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let now = Instant::from_nanos(now_ms * 1_000_000);
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.effects.timers).into_iter().partition(|(at, _)| *at <= now);
        self.effects.timers = later;
        for (_, key) in due {
            assert_eq!(key, TimerKey::Forward);
            self.act(BrokerRole::forwarding_due);
        }
    }

    fn answer(&mut self, sent: &PeerRequest, result: Result<Response, PeerError>) {
        let id = sent.correlation;
        self.act(|role, step| role.forwarded_response(step, id, result));
    }

    /// The one request that was sent.
    fn sent(&mut self) -> PeerRequest {
        let mut sends = std::mem::take(&mut self.effects.sends);
        assert_eq!(sends.len(), 1, "{sends:?}");
        sends.remove(0)
    }

    fn waits(&self) -> bool {
        self.effects.sends.is_empty() && self.effects.replies.is_empty()
    }

    /// What the client is told of its topic.
    fn told(&mut self) -> ErrorCode {
        let mut replies = std::mem::take(&mut self.effects.replies);
        assert_eq!(replies.len(), 1, "{replies:?}");
        let reply = replies.remove(0);
        assert_eq!((reply.conn, reply.correlation), (CLIENT.conn, CLIENT.correlation));
        let Some(Response::CreateTopics(response)) = reply.response else { panic!("{reply:?}") };
        response.topics[0].error
    }
}

/// Asks for the topic `orders`.
pub(crate) fn create() -> Request {
    let topic = NewTopic {
        name: "orders".into(),
        placement: Placement::Automatic { partitions: 1, replication_factor: 1 },
        config: BTreeMap::new(),
    };
    Request::CreateTopics(CreateTopicsRequest { topics: vec![topic], validate_only: false })
}

fn created(error: ErrorCode) -> Response {
    let topics = vec![CreatedTopic::refused("orders".into(), error, None)];
    Response::CreateTopics(CreateTopicsResponse { topics })
}

#[test]
fn a_request_waits_until_a_controller_is_known() {
    let mut rig = Rig::new(None);
    rig.ask();
    assert!(rig.waits() && !rig.role.forwarding.is_unwatched());
    rig.elect(Some(NEW));
    let sent = rig.sent();
    assert_eq!((sent.to, rig.role.forwarding.answers_owed()), (NEW, 1));
    rig.answer(&sent, Ok(created(ErrorCode::TopicAlreadyExists)));
    assert_eq!(rig.told(), ErrorCode::TopicAlreadyExists, "whatever it says is passed on");
    assert_eq!(rig.role.forwarding.answers_owed(), 0);
    rig.elect(Some(OLD));
    assert!(rig.waits(), "it is asked once");
}

#[test]
fn who_is_no_controller_any_more_does_not_have_the_last_word() {
    for answer in [Ok(created(ErrorCode::NotController)), Err(PeerError::Disconnected)] {
        let mut rig = Rig::new(Some(OLD));
        rig.ask();
        let sent = rig.sent();
        rig.answer(&sent, answer.clone());
        rig.wait_until(1_099);
        assert!(rig.waits(), "the same one is asked again after a pause");
        rig.wait_until(1_100);
        let sent = rig.sent();
        assert_eq!(sent.to, OLD);
        rig.answer(&sent, answer);
        rig.elect(None);
        rig.wait_until(5_000);
        assert!(rig.waits());
        rig.elect(Some(NEW));
        let sent = rig.sent();
        assert_eq!(sent.to, NEW, "another one at once");
        rig.answer(&sent, Ok(created(ErrorCode::None)));
        assert_eq!(rig.told(), ErrorCode::None);
    }
}

#[test]
fn after_a_minute_without_a_controller_the_client_is_told() {
    let mut rig = Rig::new(None);
    rig.ask();
    rig.wait_until(60_999);
    assert!(rig.waits());
    rig.wait_until(61_000);
    assert_eq!(rig.told(), ErrorCode::RequestTimedOut);
    rig.elect(Some(NEW));
    assert!(rig.waits());
}

#[test]
fn what_a_closed_connection_asked_is_forgotten() {
    let mut rig = Rig::new(None);
    rig.ask();
    rig.role.forwarding.drop_connection(CLIENT.conn);
    rig.elect(Some(NEW));
    assert!(rig.waits());
}

#[test]
fn what_a_broker_asks_for_itself_fails_at_once() {
    let ask = |rig: &mut Rig| {
        rig.role.creating_topics.insert("orders".into());
        rig.act(|role, step| role.ask_controller(step, create()));
    };
    let mut rig = Rig::new(None);
    ask(&mut rig);
    assert!(rig.waits() && rig.role.creating_topics.is_empty(), "whoever wants it asks again");
    let mut rig = Rig::new(Some(OLD));
    ask(&mut rig);
    let sent = rig.sent();
    rig.answer(&sent, Err(PeerError::TimedOut));
    assert!(rig.waits() && rig.role.creating_topics.is_empty());
    let request = AllocateProducerIdsRequest { broker: NodeId(1), broker_epoch: 3 };
    rig.act(|role, step| role.ask_controller(step, Request::AllocateProducerIds(request)));
    let sent = rig.sent();
    let error = ErrorCode::NotController;
    let refused = AllocateProducerIdsResponse { error, first: -1, len: 0 };
    rig.answer(&sent, Ok(Response::AllocateProducerIds(refused)));
    assert!(rig.waits());
}

#[test]
fn a_pause_that_is_over_while_no_controller_is_known_sets_no_timer() {
    let mut rig = Rig::new(Some(OLD));
    rig.ask();
    let sent = rig.sent();
    rig.answer(&sent, Err(PeerError::Disconnected));
    rig.elect(None);
    rig.wait_until(1_100);
    assert!(rig.waits());
    let now = Instant::from_nanos(1_100 * 1_000_000);
    assert!(rig.effects.timers.iter().all(|(at, _)| *at > now), "{:?}", rig.effects.timers);
    rig.elect(Some(OLD));
    assert_eq!(rig.sent().to, OLD);
}
