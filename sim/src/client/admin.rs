//! The admin client: creates topics with given replicas and waits until every partition is led by
//! its first one. Nothing else is modelled.

use super::cluster_view::TopicView;
use super::config::ConnectionConfig;
use super::connections::InFlight;
use super::io::{ClientCx, ClientInput, CreatedTopic, Outcome};
use super::network::Network;
use super::wakeup::{NEVER, Wakeup};
use crate::rng::Stream;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::protocol::{
    CreateTopicsRequest, CreateTopicsResponse, ElectLeadersRequest, ElectLeadersResponse,
    ElectionKind, NewTopic, Placement, Request, Response,
};

#[derive(Debug)]
enum Call {
    Metadata,
    Create,
    Elect,
}

/// Creates topics once.
#[derive(Debug)]
pub struct Admin {
    config: ConnectionConfig,
    network: Network<Call>,
    /// Not created yet.
    missing: Vec<NewTopic>,
    /// Who should lead each partition, by topic.
    preferred: BTreeMap<Arc<str>, Vec<NodeId>>,
    asked: bool,
    /// Preferred leaders were asked for.
    election_asked: bool,
    failures: u32,
    retry_ns: u64,
    started: bool,
    done: bool,
    wakeup: Wakeup,
}

impl Admin {
    /// An admin client that waits for [`ClientInput::Start`], then works until it has told
    /// [`Outcome::TopicsReady`].
    #[must_use]
    pub fn new(
        config: ConnectionConfig,
        bootstrap: &[NodeId],
        topics: Vec<NewTopic>,
        draws: Stream,
    ) -> Self {
        let names: Vec<Arc<str>> = topics.iter().map(|topic| topic.name.clone()).collect();
        let preferred = topics.iter().filter_map(preferred_leaders).collect();
        Self {
            config,
            network: Network::new(config, bootstrap, names, draws),
            missing: topics,
            preferred,
            asked: false,
            election_asked: false,
            failures: 0,
            retry_ns: 0,
            started: false,
            done: false,
            wakeup: Wakeup::new(),
        }
    }

    /// Whether the topics are ready.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes one input. Everything that follows from it is in `cx.effects`.
    pub fn step(&mut self, input: ClientInput, cx: &mut ClientCx<'_>) {
        if let ClientInput::Timer(timer) = input
            && !self.wakeup.fired(timer)
        {
            return;
        }
        self.handle(input, cx);
        if !self.started || self.done {
            return;
        }
        while let Some(node) = self.network.connections.expired(cx) {
            self.disconnected(node, cx.now_ns);
        }
        let create_ns = self.create(cx);
        let wake_ns = if self.missing.is_empty() {
            self.finish_if_ready(cx);
            if self.done {
                return;
            }
            self.network.view.want_refresh();
            self.elect(cx).min(self.network.refresh(Call::Metadata, cx))
        } else {
            create_ns
        };
        let wake_ns = wake_ns.min(self.network.connections.deadline_ns());
        if wake_ns != NEVER {
            self.wakeup.arm(wake_ns.max(cx.now_ns + 1), cx.effects);
        }
    }

    fn handle(&mut self, input: ClientInput, cx: &mut ClientCx<'_>) {
        match input {
            ClientInput::Start => self.started = true,
            ClientInput::Connected { node } => {
                self.network.connections.connected(node);
            }
            ClientInput::ConnectFailed { node } | ClientInput::Disconnected { node } => {
                self.disconnected(node, cx.now_ns);
            }
            ClientInput::Response { node, correlation, response } => {
                let request = self.network.connections.answered(node, correlation);
                match (request.map(|request| request.call), response) {
                    (Some(Call::Metadata), Response::Metadata(answer)) => {
                        self.network.view.update(&answer, &mut self.network.draws, cx.now_ns);
                    }
                    (Some(Call::Create), Response::CreateTopics(answer)) => {
                        self.created(&answer, cx);
                    }
                    (Some(Call::Elect), Response::ElectLeaders(answer)) => {
                        self.elected(&answer, cx);
                    }
                    (call, _) => debug_assert!(call.is_none(), "an answer has its request's kind"),
                }
            }
            ClientInput::Timer(_)
            | ClientInput::LoadChanged { .. }
            | ClientInput::StopLoad
            | ClientInput::Pause
            | ClientInput::Resume
            | ClientInput::Asked { .. } => {}
        }
    }

    fn create(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        if self.missing.is_empty() || self.asked {
            return NEVER;
        }
        if self.retry_ns > cx.now_ns {
            return self.retry_ns;
        }
        match self.network.any_ready(cx) {
            Ok(node) => {
                let topics = self.missing.clone();
                let request =
                    Request::CreateTopics(CreateTopicsRequest { topics, validate_only: false });
                self.network.connections.send(node, request, Some(Call::Create), cx);
                self.asked = true;
                NEVER
            }
            Err(retry_ns) => retry_ns,
        }
    }

    fn created(&mut self, answer: &CreateTopicsResponse, cx: &mut ClientCx<'_>) {
        self.asked = false;
        for created in &answer.topics {
            if matches!(created.error, ErrorCode::None | ErrorCode::TopicAlreadyExists) {
                self.missing.retain(|topic| topic.name != created.name);
            }
        }
        if self.missing.is_empty() {
            self.failures = 0;
        } else {
            cx.effects.marks.push("admin: topic creation retried");
            self.back_off(cx.now_ns);
        }
    }

    /// Leaderships go to the first replicas, as `kafka-leader-election.sh` has it done: after a
    /// restart of all brokers together, the last member of each ISR leads.
    fn elect(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        if self.election_asked || !self.is_led_elsewhere() {
            return NEVER;
        }
        if self.retry_ns > cx.now_ns {
            return self.retry_ns;
        }
        match self.network.any_ready(cx) {
            Ok(node) => {
                let request = Request::ElectLeaders(ElectLeadersRequest {
                    kind: ElectionKind::Preferred,
                    partitions: None,
                });
                self.network.connections.send(node, request, Some(Call::Elect), cx);
                self.election_asked = true;
                NEVER
            }
            Err(retry_ns) => retry_ns,
        }
    }

    /// Whether every partition has a leader, and some of them not the preferred one.
    fn is_led_elsewhere(&self) -> bool {
        let topics = self.network.view.topics();
        let is_led = topics.iter().flat_map(|topic| &topic.partitions).all(|p| p.leader.is_some());
        is_led && topics.iter().any(|topic| !self.is_preferred(topic))
    }

    fn is_preferred(&self, topic: &TopicView) -> bool {
        let leaders = topic.partitions.iter().map(|partition| partition.leader);
        let preferred = self.preferred.get(&topic.name);
        preferred.is_none_or(|preferred| leaders.eq(preferred.iter().map(|node| Some(*node))))
    }

    fn elected(&mut self, answer: &ElectLeadersResponse, cx: &mut ClientCx<'_>) {
        let is_done =
            |error: ErrorCode| matches!(error, ErrorCode::None | ErrorCode::ElectionNotNeeded);
        if is_done(answer.error) && answer.partitions.iter().all(|(_, error)| is_done(*error)) {
            self.failures = 0;
        } else {
            cx.effects.marks.push("admin: leader election retried");
            self.election_asked = false;
            self.back_off(cx.now_ns);
        }
    }

    fn back_off(&mut self, now_ns: u64) {
        let backoff = self.config.retry_backoff();
        self.retry_ns = now_ns + backoff.after(self.failures, &mut self.network.draws);
        self.failures = self.failures.saturating_add(1);
    }

    fn disconnected(&mut self, node: NodeId, now_ns: u64) {
        let network = &mut self.network;
        for InFlight { call, .. } in
            network.connections.disconnected(node, &mut network.draws, now_ns)
        {
            match call {
                Call::Metadata => network.view.failed(&mut network.draws, now_ns),
                Call::Create => self.asked = false,
                Call::Elect => self.election_asked = false,
            }
        }
        if !self.asked && !self.missing.is_empty() {
            self.back_off(now_ns);
        }
    }

    fn finish_if_ready(&mut self, cx: &mut ClientCx<'_>) {
        let mut ready = Vec::new();
        for topic in self.network.view.topics() {
            let led = self.is_preferred(topic)
                && topic.partitions.iter().all(|partition| partition.leader.is_some());
            let Some(id) = topic.id.filter(|_| led && !topic.partitions.is_empty()) else { return };
            let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
            ready.push(CreatedTopic { name: topic.name.clone(), id, partitions });
        }
        self.done = true;
        cx.effects.outcomes.push(Outcome::TopicsReady(ready));
    }
}

/// The first replicas of a topic with a manual placement.
fn preferred_leaders(topic: &NewTopic) -> Option<(Arc<str>, Vec<NodeId>)> {
    let Placement::Manual(replicas) = &topic.placement else { return None };
    let first = replicas.iter().filter_map(|replicas| replicas.first().copied()).collect();
    Some((Arc::clone(&topic.name), first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::mock::{MS, Mock, TOPIC};
    use stormglass_broker_core::protocol::Placement;
    use stormglass_scenarios::plan::ClientProfile;

    fn mock() -> Mock<Admin> {
        let config = ConnectionConfig::parse(ClientProfile::Java, &Default::default()).unwrap();
        let placement = Placement::Manual(vec![vec![NodeId(1)], vec![NodeId(2)]]);
        let topic = NewTopic { name: Arc::from("t"), placement, config: Default::default() };
        let draws = crate::rng::Streams::new(9).stream("client", "draws");
        Mock::new(Admin::new(config, &[NodeId(1)], vec![topic], draws), 2, 2)
    }

    #[test]
    fn leaders_that_are_not_preferred_are_replaced_first() {
        let mut mock = mock();
        mock.logs[0].leader = 2;
        mock.run_until(3_000 * MS);
        assert_eq!(mock.logs[0].leader, 1);
        assert!(mock.client.is_done());
    }

    #[test]
    fn creation_is_retried_and_leaders_are_awaited() {
        let mut mock = mock();
        mock.created = false;
        mock.down.insert(NodeId(2));
        mock.run_until(3_000 * MS);
        assert!(mock.outcomes.is_empty(), "partition 1 has no leader");
        assert!(mock.marks.contains(&"admin: topic creation retried"));
        mock.down.clear();
        mock.run_until(5_000 * MS);
        let ready = CreatedTopic { name: Arc::from("t"), id: TOPIC, partitions: 2 };
        assert_eq!(mock.outcomes, [Outcome::TopicsReady(vec![ready])]);
        assert!(mock.client.is_done());
    }
}
