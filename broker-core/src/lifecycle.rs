//! A broker's registration, heartbeats and controlled shutdown (Kafka's
//! `BrokerLifecycleManager`, KIP-631). What fencing means for partitions is the replicas' matter.

use crate::config::NodeConfig;
use crate::error::ErrorCode;
use crate::ids::{CorrelationId, NO_OFFSET, NodeId, Offset};
use crate::protocol::{
    BrokerEndpoint, BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, Request, Response,
};
use crate::seam::{Channel, PeerError, TimerKey, TraceEvent};
use crate::step::{Owner, Step};
use crate::time::{Duration, Instant};
use std::sync::Arc;

/// Pause before the second heartbeat of a controlled shutdown, as in Kafka.
const SHUTDOWN_POLL: Duration = Duration::from_millis(50);
/// First pause after a failure; it doubles up to a session, as in Kafka (without its 2 % jitter).
const RETRY: Duration = Duration::from_millis(100);

/// Where a broker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokerState {
    /// Not yet unfenced for the first time.
    Starting,
    /// Has been unfenced; may be fenced again meanwhile.
    Running,
    /// Has asked to shut down and waits until it leads nothing.
    PendingControlledShutdown,
    /// May end.
    ShuttingDown,
}

/// What the lifecycle sees of its node with each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// `Raft::leader`: the active controller, if known.
    pub(crate) controller: Option<NodeId>,
    /// Offset of the last metadata record that the broker has applied.
    pub(crate) metadata_offset: Offset,
}

/// Registration, heartbeats, shutdown.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    broker: NodeId,
    incarnation: u128,
    rack: Option<Arc<str>>,
    endpoint: Option<Arc<BrokerEndpoint>>,
    previous_broker_epoch: i64,
    interval: Duration,
    timeout: Duration,
    epoch: Option<Offset>,
    fenced: bool,
    ready: bool,
    /// Has applied its own registration.
    caught_up: bool,
    state: BrokerState,
    in_flight: Option<CorrelationId>,
    next_at: Instant,
    failures: u32,
    asked: Option<NodeId>,
    shutdown_answers: u32,
    armed: Instant,
}

impl Lifecycle {
    /// `previous_broker_epoch` is that of a clean shutdown before, `-1` otherwise (KIP-966).
    pub(crate) fn new(config: &NodeConfig, previous_broker_epoch: i64) -> Self {
        Self {
            broker: config.node,
            incarnation: config.incarnation,
            rack: config.rack.clone(),
            endpoint: config.endpoint.clone(),
            previous_broker_epoch,
            interval: config.server.broker_heartbeat_interval,
            // half a session, so that a lost request leaves time for another
            timeout: Duration::from_nanos(config.server.broker_session_timeout.as_nanos() / 2),
            epoch: None,
            fenced: true,
            ready: false,
            caught_up: false,
            state: BrokerState::Starting,
            in_flight: None,
            next_at: Instant::ZERO,
            failures: 0,
            asked: None,
            shutdown_answers: 0,
            armed: Instant::FAR_FUTURE,
        }
    }

    /// The controller or the metadata offset may have changed; also the first call of a life.
    pub(crate) fn on_view(&mut self, step: &mut Step<'_>, view: View) {
        if view.controller.is_some_and(|controller| self.asked.is_some_and(|a| a != controller)) {
            // the old one may never answer, and the new one has not heard from this broker
            self.in_flight = None;
            self.next_at = step.now;
        }
        if !self.caught_up && self.epoch.is_some_and(|epoch| view.metadata_offset >= epoch) {
            self.caught_up = true;
            self.next_at = step.now;
        }
        self.drive(step, view);
    }

    /// Logs are loaded: the broker may be unfenced.
    pub(crate) fn set_ready(&mut self, step: &mut Step<'_>, view: View) {
        self.ready = true;
        self.next_at = step.now;
        self.drive(step, view);
    }

    /// A response with `Owner::Lifecycle`.
    pub(crate) fn on_response(
        &mut self,
        step: &mut Step<'_>,
        view: View,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) {
        if self.in_flight != Some(id) {
            return;
        }
        self.in_flight = None;
        match result {
            Ok(Response::BrokerRegistration(response)) => self.registered(step, response),
            Ok(Response::BrokerHeartbeat(response)) => self.heard(step, response),
            _ => self.retry(step.now),
        }
        self.drive(step, view);
    }

    /// `TimerKey::Lifecycle`.
    pub(crate) fn on_timer(&mut self, step: &mut Step<'_>, view: View) {
        if step.now >= self.armed {
            self.armed = Instant::FAR_FUTURE;
        }
        self.drive(step, view);
    }

    /// Begins controlled shutdown; [`Self::state`] says when the process may end. Said again, it does
    /// so without the controller, which may be gone for good.
    pub(crate) fn begin_shutdown(&mut self, step: &mut Step<'_>, view: View) {
        match self.state {
            BrokerState::Running => self.state = BrokerState::PendingControlledShutdown,
            // it leads nothing yet: there is nothing to hand over
            BrokerState::Starting | BrokerState::PendingControlledShutdown => {
                self.state = BrokerState::ShuttingDown;
            }
            BrokerState::ShuttingDown => return,
        }
        self.next_at = step.now;
        self.drive(step, view);
    }

    /// Epoch of the registration.
    pub(crate) fn broker_epoch(&self) -> Option<Offset> {
        self.epoch
    }

    /// Whether the broker has applied its own registration.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether the controller has it fenced, as of the last heartbeat.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Where it is in its life.
    pub(crate) fn state(&self) -> BrokerState {
        self.state
    }

    /// When it asks the controller next, and when its timer rings, for checkers. `None`: it waits for an answer or for
    /// a controller, or is over.
    pub(crate) fn asks_next(&self, controller: Option<NodeId>) -> Option<(Instant, Instant)> {
        let has_asked = self.in_flight.is_some() || self.state == BrokerState::ShuttingDown;
        (!has_asked && controller.is_some()).then_some((self.next_at, self.armed))
    }

    /// When its timer rings, for checkers.
    pub(crate) fn armed(&self) -> Option<Instant> {
        Some(self.armed).filter(|at| *at != Instant::FAR_FUTURE)
    }

    fn registered(&mut self, step: &mut Step<'_>, response: BrokerRegistrationResponse) {
        if response.error.is_ok() {
            self.epoch = Some(response.broker_epoch);
            self.fenced = true;
            self.caught_up = false;
            self.failures = 0;
            self.next_at = step.now;
        } else {
            // `DuplicateBrokerRegistration`: the session of the last life has not ended yet
            self.retry(step.now);
        }
    }

    fn heard(&mut self, step: &mut Step<'_>, response: BrokerHeartbeatResponse) {
        match response.error {
            ErrorCode::None => {}
            ErrorCode::StaleBrokerEpoch | ErrorCode::BrokerIdNotRegistered => {
                step.trace(TraceEvent::Mark("broker-registers-again"));
                self.epoch = None;
                self.fenced = true;
                self.failures = 0;
                self.next_at = step.now;
                return;
            }
            _ => {
                self.retry(step.now);
                return;
            }
        }
        self.failures = 0;
        if response.is_fenced && !self.fenced {
            step.trace(TraceEvent::Mark("broker-found-itself-fenced"));
        }
        self.fenced = response.is_fenced;
        if self.state == BrokerState::Starting && !self.fenced {
            self.state = BrokerState::Running;
        }
        self.next_at = step.now + self.interval;
        if self.state == BrokerState::PendingControlledShutdown {
            if response.should_shut_down {
                self.state = BrokerState::ShuttingDown;
            } else if self.shutdown_answers == 0 {
                self.next_at = step.now + SHUTDOWN_POLL;
            }
            self.shutdown_answers += 1;
        }
    }

    fn retry(&mut self, now: Instant) {
        let pause = RETRY.as_nanos() << self.failures.min(16);
        self.failures += 1;
        self.next_at = now + Duration::from_nanos(pause.min(2 * self.timeout.as_nanos()));
    }

    fn drive(&mut self, step: &mut Step<'_>, view: View) {
        if self.in_flight.is_some() || self.state == BrokerState::ShuttingDown {
            return;
        }
        let Some(controller) = view.controller else { return };
        if step.now < self.next_at {
            if self.next_at < self.armed {
                self.armed = self.next_at;
                step.timer(self.next_at, TimerKey::Lifecycle);
            }
            return;
        }
        let request = match self.epoch {
            None => Request::BrokerRegistration(Box::new(BrokerRegistrationRequest {
                broker: self.broker,
                incarnation: self.incarnation,
                rack: self.rack.clone(),
                endpoint: self.endpoint.clone(),
                previous_broker_epoch: self.previous_broker_epoch,
            })),
            Some(broker_epoch) => Request::BrokerHeartbeat(BrokerHeartbeatRequest {
                broker: self.broker,
                broker_epoch,
                current_metadata_offset: view.metadata_offset.max(NO_OFFSET),
                want_fence: !self.ready,
                want_shut_down: self.state == BrokerState::PendingControlledShutdown,
            }),
        };
        self.asked = Some(controller);
        let (owner, channel) = (Owner::Lifecycle, Channel::Lifecycle);
        self.in_flight = Some(step.send(owner, controller, channel, self.timeout, request));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerConfig;
    use crate::seam::Effects;
    use crate::step::IdCounters;

    struct Rig {
        lifecycle: Lifecycle,
        effects: Effects,
        ids: IdCounters,
        now_ms: u64,
        view: View,
    }

    impl Rig {
        fn new() -> Self {
            let config = NodeConfig {
                node: NodeId(4),
                broker: true,
                controller: false,
                voters: vec![NodeId(1)],
                rack: None,
                endpoint: None,
                server: ServerConfig::kafka_defaults(),
                limits: crate::BrokerLimits::default(),
                features: crate::features::UNCHOSEN,
                seed: 1,
                incarnation: 9,
                first_producer_epoch: 0,
                plant: None,
            };
            Self {
                lifecycle: Lifecycle::new(&config, -1),
                effects: Effects::default(),
                ids: IdCounters::default(),
                now_ms: 0,
                view: View { controller: Some(NodeId(1)), metadata_offset: -1 },
            }
        }

        fn act(&mut self, act: impl FnOnce(&mut Lifecycle, &mut Step<'_>, View)) {
            let mut step = Step {
                now: Instant::ZERO + Duration::from_millis(self.now_ms),
                wall_ms: 0,
                effects: &mut self.effects,
                ids: &mut self.ids,
            };
            act(&mut self.lifecycle, &mut step, self.view);
        }

        /// The one request that was sent since the last call.
        fn sent(&mut self) -> (CorrelationId, NodeId, Request) {
            assert_eq!(self.effects.sends.len(), 1, "{:?}", self.effects.sends);
            let sent = self.effects.sends.pop().unwrap();
            (sent.correlation, sent.to, sent.request)
        }

        fn answer(&mut self, id: CorrelationId, response: Response) {
            self.act(|l, step, view| l.on_response(step, view, id, Ok(response)));
        }

        fn answer_heartbeat(&mut self, error: ErrorCode, fenced: bool, shut_down: bool) {
            let (id, _, request) = self.sent();
            assert!(matches!(request, Request::BrokerHeartbeat(_)), "{request:?}");
            self.answer(
                id,
                Response::BrokerHeartbeat(BrokerHeartbeatResponse {
                    error,
                    is_caught_up: true,
                    is_fenced: fenced,
                    should_shut_down: shut_down,
                }),
            );
        }

        fn register(&mut self, epoch: Offset) {
            let (id, _, request) = self.sent();
            assert!(matches!(request, Request::BrokerRegistration(_)), "{request:?}");
            let response =
                BrokerRegistrationResponse { error: ErrorCode::None, broker_epoch: epoch };
            self.answer(id, Response::BrokerRegistration(response));
        }

        fn running() -> Self {
            let mut rig = Self::new();
            rig.act(Lifecycle::on_view);
            rig.register(7);
            rig.answer_heartbeat(ErrorCode::None, true, false);
            rig.view.metadata_offset = 7;
            rig.act(Lifecycle::set_ready);
            rig.answer_heartbeat(ErrorCode::None, false, false);
            assert_eq!(rig.lifecycle.state(), BrokerState::Running);
            rig
        }

        fn wait(&mut self, ms: u64) {
            self.now_ms += ms;
            self.act(Lifecycle::on_timer);
        }
    }

    #[test]
    fn heartbeats_every_interval_once_running() {
        let mut rig = Rig::running();
        rig.wait(1999);
        assert!(rig.effects.sends.is_empty());
        assert_eq!(rig.lifecycle.asks_next(None), None, "nobody to ask");
        let due = rig.lifecycle.armed();
        assert_eq!(rig.lifecycle.asks_next(rig.view.controller), due.zip(due));
        rig.wait(1);
        assert_eq!(rig.lifecycle.asks_next(rig.view.controller), None, "an answer is to come");
        let (_, _, request) = rig.sent();
        assert!(matches!(
            request,
            Request::BrokerHeartbeat(BrokerHeartbeatRequest {
                broker_epoch: 7,
                current_metadata_offset: 7,
                want_fence: false,
                want_shut_down: false,
                ..
            })
        ));
    }

    #[test]
    fn registers_again_when_its_epoch_is_stale() {
        let mut rig = Rig::running();
        rig.wait(2000);
        rig.answer_heartbeat(ErrorCode::StaleBrokerEpoch, true, false);
        assert!(rig.lifecycle.is_fenced());
        assert_eq!(rig.lifecycle.broker_epoch(), None);
        rig.register(90);
        assert_eq!(rig.lifecycle.broker_epoch(), Some(90));
    }

    #[test]
    fn controlled_shutdown_waits_for_permission_and_asks_soon_again() {
        let mut rig = Rig::running();
        rig.act(Lifecycle::begin_shutdown);
        rig.answer_heartbeat(ErrorCode::None, false, false);
        assert_eq!(rig.lifecycle.state(), BrokerState::PendingControlledShutdown);
        rig.wait(50);
        rig.answer_heartbeat(ErrorCode::None, true, true);
        assert_eq!(rig.lifecycle.state(), BrokerState::ShuttingDown);
        rig.wait(5000);
        assert!(rig.effects.sends.is_empty());
    }

    #[test]
    fn said_again_a_shutdown_waits_for_nobody() {
        let mut rig = Rig::running();
        rig.act(Lifecycle::begin_shutdown);
        assert_eq!(rig.lifecycle.state(), BrokerState::PendingControlledShutdown);
        rig.act(Lifecycle::begin_shutdown);
        assert_eq!(rig.lifecycle.state(), BrokerState::ShuttingDown);
    }

    #[test]
    fn a_new_controller_hears_at_once_and_late_answers_of_the_old_one_count_for_nothing() {
        let mut rig = Rig::running();
        rig.wait(2000);
        let (old, _, _) = rig.sent();
        rig.view.controller = Some(NodeId(2));
        rig.act(Lifecycle::on_view);
        let (_, to, _) = rig.sent();
        assert_eq!(to, NodeId(2));
        rig.answer(
            old,
            Response::BrokerHeartbeat(BrokerHeartbeatResponse {
                error: ErrorCode::StaleBrokerEpoch,
                is_caught_up: true,
                is_fenced: true,
                should_shut_down: false,
            }),
        );
        assert_eq!(rig.lifecycle.broker_epoch(), Some(7));
    }

    #[test]
    fn failures_back_off() {
        let mut rig = Rig::new();
        rig.act(Lifecycle::on_view);
        let (id, _, _) = rig.sent();
        rig.act(|l, step, view| l.on_response(step, view, id, Err(PeerError::Disconnected)));
        rig.wait(99);
        assert!(rig.effects.sends.is_empty());
        rig.wait(1);
        let (id, _, _) = rig.sent();
        rig.act(|l, step, view| l.on_response(step, view, id, Err(PeerError::TimedOut)));
        rig.wait(199);
        assert!(rig.effects.sends.is_empty());
        rig.wait(1);
        rig.sent();
    }
}
