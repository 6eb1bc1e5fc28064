//! An administrator with a list of changes: each is asked of some broker once, when its time has come
//! and the one before is answered. A request that is lost is not repeated, as nobody knows whether it
//! has been carried out; one about a group, or for a leader, is asked of others until that is found. What came
//! of it is told in marks.

use super::config::ConnectionConfig;
use super::io::{ClientCx, ClientInput};
use super::network::Network;
use super::wakeup::{NEVER, Wakeup};
use crate::rng::Stream;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::{ProducerIdAndEpoch, Request, Response};

/// A change that is to be asked for.
#[derive(Debug, Clone)]
pub struct Task {
    /// When, ns of the client's time.
    pub due_ns: u64,
    /// What.
    pub request: Request,
    /// The topic that a commit of positions, or a transaction, is about, if this administrator makes it.
    pub of_own_topic: Option<Arc<str>>,
}

/// A broker that does not coordinate a group is not the last one to be asked, unless this many were.
const COORDINATORS_MAX: u32 = 12;
/// Pause before another broker is asked, ns.
const ELSEWHERE_NS: u64 = 20_000_000;
/// Pause before the same is asked for again, ns.
const AGAIN_NS: u64 = 300_000_000;

/// Asks for changes of the cluster, one after another.
#[derive(Debug)]
pub struct Operator {
    network: Network<()>,
    tasks: VecDeque<Task>,
    /// An answer is awaited to this; how many others were asked before.
    asked: Option<(Task, u32)>,
    /// Topics that it has made, as they were called last.
    made: BTreeMap<Arc<str>, TopicId>,
    /// Producers of its transactions, by their ids.
    producers: BTreeMap<Arc<str>, ProducerIdAndEpoch>,
    /// Brokers that have been asked for the first of the tasks.
    refused: u32,
    started: bool,
    wakeup: Wakeup,
}

impl Operator {
    /// An operator that waits for [`ClientInput::Start`]. Tasks in order of time.
    #[must_use]
    pub fn new(
        config: ConnectionConfig,
        bootstrap: &[NodeId],
        tasks: Vec<Task>,
        draws: Stream,
    ) -> Self {
        Self {
            network: Network::new(config, bootstrap, [], draws),
            tasks: tasks.into(),
            asked: None,
            made: BTreeMap::new(),
            producers: BTreeMap::new(),
            refused: 0,
            started: false,
            wakeup: Wakeup::new(),
        }
    }

    /// Takes one input. Everything that follows from it is in `cx.effects`.
    pub fn step(&mut self, input: ClientInput, cx: &mut ClientCx<'_>) {
        if let ClientInput::Timer(timer) = input
            && !self.wakeup.fired(timer)
        {
            return;
        }
        self.handle(input, cx);
        if !self.started {
            return;
        }
        while let Some(node) = self.network.connections.expired(cx) {
            self.disconnected(node, cx.now_ns);
        }
        let wake_ns = self.ask(cx).min(self.network.connections.deadline_ns());
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
                if self.network.connections.answered(node, correlation).is_some() {
                    self.answered(&response, cx);
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

    fn answered(&mut self, response: &Response, cx: &mut ClientCx<'_>) {
        let Some((task, refused)) = self.asked.take() else { return };
        let is_tried = is_rehearsal(&task.request);
        if let Response::CreateTopics(answer) = response
            && !is_tried
        {
            let made = answer.topics.iter().filter(|topic| topic.error.is_ok());
            self.made.extend(made.map(|topic| (Arc::clone(&topic.name), topic.id)));
        }
        if let (Request::InitProducerId(asked), Response::InitProducerId(answer)) =
            (&task.request, response)
            && let Some(of) = asked.transactional.as_ref().filter(|_| answer.error.is_ok())
        {
            let (id, epoch) = (answer.producer_id, answer.producer_epoch);
            self.producers.insert(Arc::clone(&of.id), ProducerIdAndEpoch { id, epoch });
        }
        if is_undecided(response) {
            self.tasks.push_front(Task { due_ns: cx.now_ns + AGAIN_NS, ..task });
        } else if is_elsewhere(response) && refused < COORDINATORS_MAX {
            self.tasks.push_front(Task { due_ns: cx.now_ns + ELSEWHERE_NS, ..task });
            self.refused = refused + 1;
        } else {
            let mark = if is_tried { "operator: a change was tried" } else { came_of(response) };
            cx.effects.marks.push(mark);
        }
    }

    /// Asks for what is due. When to come back, ns.
    fn ask(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(task) = self.tasks.front().filter(|_| self.asked.is_none()) else {
            return NEVER;
        };
        if task.due_ns > cx.now_ns {
            return task.due_ns;
        }
        match self.next_ready(cx) {
            Ok(node) => {
                let Some(mut task) = self.tasks.pop_front() else { return NEVER };
                self.name_topic(&mut task);
                self.network.connections.send(node, task.request.clone(), Some(()), cx);
                self.asked = Some((task, std::mem::take(&mut self.refused)));
                NEVER
            }
            Err(retry_ns) => retry_ns,
        }
    }

    /// A topic of its own is called by the id that it has now; nobody knows that of one whose creation was not
    /// answered. So are producers of its transactions.
    fn name_topic(&self, task: &mut Task) {
        let Some(id) = task.of_own_topic.as_ref().and_then(|name| self.made.get(name)) else {
            return;
        };
        match &mut task.request {
            Request::OffsetCommit(commit) => {
                commit.offsets.iter_mut().for_each(|at| at.tp.topic = *id);
            }
            Request::AddPartitionsToTxn(asked) => {
                for transaction in &mut asked.transactions {
                    transaction.partitions.iter_mut().for_each(|tp| tp.topic = *id);
                    let producer = self.producers.get(&transaction.transactional_id);
                    transaction.producer = producer.copied().unwrap_or(transaction.producer);
                }
            }
            _ => {}
        }
    }

    /// The broker to ask: one after another, once one has said that it is not the one.
    fn next_ready(&mut self, cx: &mut ClientCx<'_>) -> Result<NodeId, u64> {
        let brokers = self.network.view.brokers();
        if self.refused == 0 || brokers.is_empty() {
            return self.network.any_ready(cx);
        }
        let node = brokers[self.refused as usize % brokers.len()];
        let ready = self.network.ready(node, cx);
        self.refused += u32::from(ready.is_err());
        ready
    }

    fn disconnected(&mut self, node: NodeId, now_ns: u64) {
        let network = &mut self.network;
        let lost = network.connections.disconnected(node, &mut network.draws, now_ns);
        if lost.is_empty() {
            return;
        }
        if let Some((task, _)) = self.asked.take()
            && matches!(task.request, Request::AlterClientQuotas(_))
        {
            self.tasks.push_front(Task { due_ns: now_ns + AGAIN_NS, ..task });
        }
    }
}

/// Whether somebody only asks if a change could be made.
fn is_rehearsal(asked: &Request) -> bool {
    match asked {
        Request::CreateTopics(asked) => asked.validate_only,
        Request::CreatePartitions(asked) => asked.validate_only,
        Request::AlterConfigs(asked) => asked.validate_only,
        _ => false,
    }
}

/// Whether quotas are to be asked for again: who answers does not know whether they are set.
fn is_undecided(response: &Response) -> bool {
    let Response::AlterClientQuotas(answer) = response else { return false };
    let is_decided =
        |error: ErrorCode| matches!(error, ErrorCode::None | ErrorCode::InvalidRequest);
    answer.entries.iter().any(|entry| !is_decided(entry.error))
}

/// Whether a group is to be looked for at another broker.
fn is_elsewhere(response: &Response) -> bool {
    let is_so = |error: ErrorCode| {
        matches!(
            error,
            ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::CoordinatorLoadInProgress
        )
    };
    match response {
        Response::OffsetCommit(answer) => answer.partitions.iter().any(|(_, error)| is_so(*error)),
        Response::OffsetFetch(answer) => answer.groups.iter().any(|of| is_so(of.error)),
        Response::OffsetDelete(answer) => is_so(answer.error),
        Response::DeleteGroups(answer) => answer.groups.iter().any(|(_, error)| is_so(*error)),
        Response::LeaveGroup(answer) => is_so(answer.error),
        Response::JoinGroup(answer) => is_so(answer.error),
        Response::InitProducerId(answer) => is_so(answer.error),
        Response::AddPartitionsToTxn(answer) => {
            let mut all = answer.transactions.iter().flat_map(|of| &of.partitions);
            all.any(|(_, error)| is_so(*error))
        }
        Response::Produce(answer) => {
            answer.partitions.iter().any(|of| of.error == ErrorCode::NotLeaderOrFollower)
        }
        _ => false,
    }
}

/// A mark for what became of a change.
fn came_of(response: &Response) -> &'static str {
    let is_done = |error: ErrorCode| error == ErrorCode::None;
    let (done, mark) = match response {
        Response::ElectLeaders(answer) => (is_done(answer.error), "operator: leaders elected"),
        Response::AlterPartitionReassignments(answer) => (
            is_done(answer.error) && answer.partitions.iter().all(|(_, error)| is_done(*error)),
            "operator: reassignment changed",
        ),
        Response::AlterConfigs(answer) => {
            (answer.resources.iter().all(|of| is_done(of.error)), "operator: configs changed")
        }
        Response::CreateTopics(answer) => {
            (answer.topics.iter().all(|of| is_done(of.error)), "operator: topic created")
        }
        Response::CreatePartitions(answer) => {
            (answer.topics.iter().all(|(_, error)| is_done(*error)), "operator: partitions added")
        }
        Response::DeleteTopics(answer) => {
            (answer.topics.iter().all(|of| is_done(of.error)), "operator: topic deleted")
        }
        // of several brokers each leads some
        Response::DeleteRecords(answer) => {
            (answer.partitions.iter().any(|of| is_done(of.2)), "operator: records deleted")
        }
        Response::ListOffsets(answer) => {
            (answer.partitions.iter().any(|of| is_done(of.error)), "operator: offsets listed")
        }
        Response::OffsetForLeaderEpoch(answer) => {
            (answer.partitions.iter().any(|of| is_done(of.1)), "operator: ends of epochs told")
        }
        Response::DescribeTopicPartitions(_) => (true, "operator: partitions listed"),
        Response::UnregisterBroker(answer) => {
            (is_done(answer.error), "operator: broker unregistered")
        }
        Response::OffsetCommit(answer) => {
            (answer.partitions.iter().any(|of| is_done(of.1)), "operator: positions committed")
        }
        Response::OffsetFetch(answer) => {
            (answer.groups.iter().all(|of| is_done(of.error)), "operator: positions told")
        }
        Response::OffsetDelete(answer) => {
            let all = answer.partitions.iter().all(|of| is_done(of.1));
            (is_done(answer.error) && all, "operator: positions deleted")
        }
        Response::DeleteGroups(answer) => {
            (answer.groups.iter().all(|of| is_done(of.1)), "operator: group deleted")
        }
        Response::DescribeConfigs(answer) => {
            (answer.resources.iter().any(|of| is_done(of.error)), "operator: configs described")
        }
        Response::AlterClientQuotas(answer) => {
            (answer.entries.iter().all(|of| is_done(of.error)), "operator: quotas changed")
        }
        Response::DescribeClientQuotas(answer) => {
            (is_done(answer.error), "operator: quotas described")
        }
        Response::Metadata(_) => (true, "operator: a topic was looked for"),
        // that is what it is for
        Response::Produce(answer) => (
            answer.partitions.iter().all(|of| !is_done(of.error)),
            "operator: a flawed batch was refused",
        ),
        other => came_of_clients(other),
    };
    if done { mark } else { "operator: a change was refused" }
}

/// The same, of what others than administrators ask for, too.
fn came_of_clients(response: &Response) -> (bool, &'static str) {
    match response {
        Response::Fetch(_) => (true, "operator: a reader was answered"),
        Response::ListGroups(answer) => (answer.error.is_ok(), "operator: groups listed"),
        Response::LeaveGroup(answer) if answer.members.iter().any(|(.., error)| error.is_ok()) => {
            (answer.error.is_ok(), "operator: members removed")
        }
        // that is what it is for
        Response::LeaveGroup(answer) => {
            (answer.error.is_ok(), "operator: a former member was refused")
        }
        Response::JoinGroup(answer) => {
            (answer.error == ErrorCode::MemberIdRequired, "operator: a member id was given")
        }
        Response::InitProducerId(answer) => (answer.error.is_ok(), "operator: producer named"),
        Response::AddPartitionsToTxn(answer) => {
            let mut all = answer.transactions.iter().flat_map(|of| &of.partitions);
            (all.all(|(_, error)| error.is_ok()), "operator: transaction begun")
        }
        _ => (false, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::mock::{MS, Mock};
    use stormglass_broker_core::protocol::{
        CreateTopicsRequest, DeleteGroupsResponse, ElectLeadersRequest, ElectionKind,
        JoinGroupResponse, LeaveGroupResponse,
    };
    use stormglass_scenarios::plan::ClientProfile;

    const ELECTED: &str = "operator: leaders elected";

    fn mock() -> Mock<Operator> {
        let config = ConnectionConfig::parse(ClientProfile::Java, &Default::default()).unwrap();
        let elect = || {
            let kind = ElectionKind::Preferred;
            Request::ElectLeaders(ElectLeadersRequest { kind, partitions: None })
        };
        let request = CreateTopicsRequest { topics: Vec::new(), validate_only: false };
        let task = |ms: u64, request| Task { due_ns: ms * MS, request, of_own_topic: None };
        let tasks = vec![
            task(100, elect()),
            task(200, Request::CreateTopics(request)),
            task(3_000, elect()),
        ];
        let draws = crate::rng::Streams::new(9).stream("client", "draws");
        Mock::new(Operator::new(config, &[NodeId(1)], tasks, draws), 1, 1)
    }

    fn told(mock: &Mock<Operator>) -> usize {
        mock.marks.iter().filter(|mark| mark.starts_with("operator:")).count()
    }

    #[test]
    fn changes_are_asked_for_when_their_time_has_come() {
        let mut mock = mock();
        mock.run_until(90 * MS);
        assert_eq!(told(&mock), 0);
        mock.run_until(2_900 * MS);
        assert_eq!((told(&mock), mock.logs[0].leader), (2, 1));
        mock.run_until(5_000 * MS);
        assert_eq!(mock.marks.iter().filter(|mark| **mark == ELECTED).count(), 2);
    }

    #[test]
    fn what_is_only_tried_has_changed_nothing() {
        let of = |validate_only| {
            Request::CreateTopics(CreateTopicsRequest { topics: Vec::new(), validate_only })
        };
        assert!(is_rehearsal(&of(true)) && !is_rehearsal(&of(false)));
        let kind = ElectionKind::Preferred;
        let elect = ElectLeadersRequest { kind, partitions: None };
        assert!(!is_rehearsal(&Request::ElectLeaders(elect)));
    }

    #[test]
    fn a_group_is_looked_for_at_other_brokers() {
        let groups = |error| {
            Response::DeleteGroups(DeleteGroupsResponse { groups: vec![("g".into(), error)] })
        };
        assert!(is_elsewhere(&groups(ErrorCode::NotCoordinator)));
        assert!(!is_elsewhere(&groups(ErrorCode::None)));
        assert!(!is_elsewhere(&groups(ErrorCode::NonEmptyGroup)));
        assert_eq!(came_of(&groups(ErrorCode::None)), "operator: group deleted");
    }

    #[test]
    fn a_former_member_is_refused_by_who_coordinates_its_group() {
        let told = |error, of: Option<ErrorCode>| {
            let members = of.map(|of| ("n-former".into(), Some("n".into()), of));
            let members = members.into_iter().collect();
            Response::LeaveGroup(LeaveGroupResponse { error, members })
        };
        assert!(is_elsewhere(&told(ErrorCode::NotCoordinator, None)));
        let fenced = told(ErrorCode::None, Some(ErrorCode::FencedInstanceId));
        assert!(!is_elsewhere(&fenced));
        assert_eq!(came_of(&fenced), "operator: a former member was refused");
        let gone = told(ErrorCode::None, Some(ErrorCode::None));
        assert_eq!(came_of(&gone), "operator: members removed");
    }

    #[test]
    fn who_asks_to_join_is_told_to_come_again() {
        let told = |error| {
            let answer = JoinGroupResponse {
                error,
                generation: -1,
                protocol_type: None,
                protocol: None,
                leader: "".into(),
                skip_assignment: false,
                member: "stranger-1".into(),
                members: Vec::new(),
            };
            Response::JoinGroup(Box::new(answer))
        };
        assert!(is_elsewhere(&told(ErrorCode::NotCoordinator)));
        let given = told(ErrorCode::MemberIdRequired);
        assert!(!is_elsewhere(&given));
        assert_eq!(came_of(&given), "operator: a member id was given");
        let full = told(ErrorCode::GroupMaxSizeReached);
        assert_eq!(came_of(&full), "operator: a change was refused");
    }

    #[test]
    fn what_nobody_can_be_asked_for_waits() {
        let mut mock = mock();
        mock.down.insert(NodeId(1));
        mock.run_until(2_000 * MS);
        assert_eq!(told(&mock), 0);
        mock.down.clear();
        mock.run_until(8_000 * MS);
        assert_eq!(told(&mock), 3);
    }
}
