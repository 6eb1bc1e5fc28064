//! Membership of a group by the consumer protocol (KIP-848): Java's `ConsumerMembershipManager` and
//! `ConsumerHeartbeatRequestManager`.
//!
//! The coordinator tells in answers to heartbeats what a member may have. The member first gives up
//! what it shall not have any more, once its positions are committed; then it takes what is new, and
//! says so. Errors that end Java's consumer for good have its application begin anew under another
//! member id. A consumer that is closed leaves without a last commit.

use super::{GroupCall, HeartbeatSetup, Membership};
use crate::client::consumer::machine::{Call, Consumer};
use crate::client::consumer::partition::Phase;
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicPartition};
use stormglass_broker_core::protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, JOIN_EPOCH, LEAVE_EPOCH,
    Request, STATIC_LEAVE_EPOCH,
};

/// How long a request that its client has given up may still arrive, ns.
const LATE_NS: u64 = 30_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

/// Kafka's `MemberState`, as far as it makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Has to join.
    Joining,
    /// Has what it was told to have.
    Stable,
    /// Gives up and takes partitions.
    Reconciling {
        /// Positions are waited for until then, ns; 0 = no more.
        until_ns: u64,
        /// They are not sent again before, ns.
        retry_ns: u64,
    },
    /// Has what it was told to have, and has to say so.
    Acknowledging,
    /// Its application does not poll (Kafka's `STALE`).
    Left,
}

/// A heartbeat without an answer yet.
#[derive(Debug)]
struct Asked {
    number: u64,
    sent_ns: u64,
    /// What it said that the member has.
    owned: Option<Vec<TopicPartition>>,
}

/// What heartbeats that nobody answered said of the member: whenever they arrive, the coordinator may
/// take what is not in them for given up.
#[derive(Debug)]
struct Doubt {
    /// Partitions that are in all of them.
    owned: Vec<TopicPartition>,
    until_ns: u64,
}

/// A member of a group in the consumer protocol.
#[derive(Debug)]
pub(crate) struct ConsumerMember {
    setup: HeartbeatSetup,
    stage: Stage,
    id: Arc<str>,
    /// Members that the application has been so far.
    lives: u32,
    epoch: i32,
    /// Heartbeats so far.
    number: u64,
    asked: Option<Asked>,
    /// When it asked first since it was answered last, ns: the coordinator may have told it to give something up
    /// in an answer that was lost, and waits since then (hunt seed 1025827).
    first_asked_ns: Option<u64>,
    /// In which epoch it was told to give up what the coordinator knows it to have still, and when it had asked, ns.
    gives_up_since: Option<(i32, u64)>,
    /// What the coordinator knows to be the member's; `None`: it is told everything next time.
    told: Option<Vec<TopicPartition>>,
    /// What the member shall have, in order.
    target: Vec<TopicPartition>,
    interval_ns: u64,
    due_ns: u64,
    retry_ns: u64,
    failures: u32,
    /// Since when the application does not poll, ns.
    idle_since_ns: Option<u64>,
    doubt: Option<Doubt>,
    /// What it has of topics that match its regular expression, or that it has named before they were there, and that
    /// the application does not know: nothing is read of them.
    unread: Vec<TopicPartition>,
}

impl ConsumerMember {
    pub(super) fn new(setup: HeartbeatSetup) -> Self {
        Self {
            id: Arc::clone(&setup.member),
            setup,
            stage: Stage::Joining,
            lives: 1,
            epoch: JOIN_EPOCH,
            number: 0,
            asked: None,
            first_asked_ns: None,
            gives_up_since: None,
            told: None,
            target: Vec::new(),
            interval_ns: 0,
            due_ns: 0,
            retry_ns: 0,
            failures: 0,
            idle_since_ns: None,
            doubt: None,
            unread: Vec::new(),
        }
    }

    /// Member id.
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Member epoch.
    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(super) fn instance(&self) -> Option<Arc<str>> {
        self.setup.instance.clone()
    }

    pub(super) fn is_member(&self) -> bool {
        self.epoch > JOIN_EPOCH
    }

    /// Who has an identity of its own is the same member after a restart.
    fn identity(&self) -> Arc<str> {
        self.instance().unwrap_or_else(|| Arc::clone(&self.id))
    }

    /// Whether a pause of the application is the end of its consumer.
    fn closes(&self) -> bool {
        self.setup.closes && self.setup.instance.is_some()
    }

    /// What its application subscribes to: of the topics that it knows, and what is yet to come.
    fn subscribed(&self, mut names: Vec<Arc<str>>) -> Vec<Arc<str>> {
        let turn = self.lives.checked_sub(2).zip(self.setup.leaves_out);
        if let Some((turn, first)) = turn
            && names.len() > 1
        {
            let at = (turn as usize + first as usize) % names.len();
            names.remove(at);
        }
        names.extend(self.setup.ahead.clone());
        names
    }

    /// The regular expression by which it subscribes, where its application knows these topics.
    fn pattern(&self, names: &[Arc<str>]) -> Option<Arc<str>> {
        let pattern = self.setup.pattern.as_ref()?;
        if self.setup.leaves_out.is_none() {
            return Some(Arc::clone(pattern));
        }
        let kept = self.subscribed(names.to_vec());
        let is_kept = |part: &&str| part.ends_with(".*") || kept.iter().any(|of| **of == **part);
        let parts: Vec<&str> = pattern.split('|').filter(is_kept).collect();
        Some(parts.join("|").into())
    }

    fn rebalance_timeout_ns(&self) -> u64 {
        u64::from(self.setup.rebalance_timeout_ms.unsigned_abs()) * NS_PER_MS
    }

    /// What it waits for, in words.
    pub(super) fn waits(&self) -> String {
        let Self { stage, id, epoch, .. } = self;
        format!("member {id:?} of epoch {epoch} is {stage:?}")
    }

    /// A heartbeat that nobody answered.
    fn doubts(&mut self, owned: Vec<TopicPartition>, now_ns: u64) {
        let before = self.doubt.take().filter(|doubt| doubt.until_ns > now_ns);
        let owned = match before {
            None => owned,
            Some(doubt) => owned.into_iter().filter(|tp| doubt.owned.contains(tp)).collect(),
        };
        self.doubt = Some(Doubt { owned, until_ns: now_ns + LATE_NS });
    }

    /// Partitions that the coordinator gives to nobody else while it believes the member alive: the
    /// member has said that it has them, was told to keep them, and nothing else can still arrive.
    fn holds(&self, now_ns: u64) -> Vec<TopicPartition> {
        let in_doubt = |tp: &TopicPartition| {
            let doubt = self.doubt.as_ref().filter(|doubt| doubt.until_ns > now_ns);
            doubt.is_some_and(|doubt| !doubt.owned.contains(tp))
        };
        let told = self.told.iter().flatten().copied();
        told.filter(|tp| self.target.contains(tp) && !in_doubt(tp)).collect()
    }

    /// The coordinator has answered what was asked at a time. When the member had asked as it was first told in its
    /// epoch to give up what it still has, ns: the coordinator waits for that since then, however often it is heard.
    fn gives_up_since(&mut self, asked_ns: u64) -> Option<u64> {
        let mut told = self.told.iter().flatten();
        if told.all(|tp| self.target.contains(tp)) {
            self.gives_up_since = None;
        } else if self.gives_up_since.is_none_or(|(epoch, _)| epoch != self.epoch) {
            self.gives_up_since = Some((self.epoch, asked_ns));
        }
        self.gives_up_since.map(|(_, since_ns)| since_ns)
    }

    /// Is no member any more, and has nothing.
    fn is_out(&mut self, stage: Stage, now_ns: u64) {
        if let Some(Asked { owned: Some(owned), .. }) = self.asked.take() {
            self.doubts(owned, now_ns);
        }
        (self.stage, self.epoch, self.told) = (stage, JOIN_EPOCH, None);
        (self.first_asked_ns, self.gives_up_since) = (None, None);
        self.target.clear();
        self.unread.clear();
    }

    /// The application has another consumer.
    fn begin_anew(&mut self) {
        self.lives += 1;
        self.id = format!("{}+{}", self.setup.member, self.lives).into();
    }
}

impl Consumer {
    fn consumer_member(&mut self) -> Option<&mut ConsumerMember> {
        self.membership.as_mut().and_then(Membership::consumer_mut)
    }

    #[cold]
    pub(super) fn go_on_as_consumer(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let idle_ns = self.step_out_if_idle(cx);
        if self.consumer_member().is_none_or(|member| member.stage == Stage::Left) {
            return idle_ns;
        }
        let reconciled_ns = self.reconcile(cx);
        idle_ns.min(reconciled_ns).min(self.heartbeat_if_due(cx))
    }

    /// An application that does not poll for `max.poll.interval.ms` leaves its group, and joins again
    /// when it goes on.
    fn step_out_if_idle(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let paused = self.paused;
        let Some(member) = self.consumer_member() else { return NEVER };
        if !paused {
            member.idle_since_ns = None;
            if member.stage == Stage::Left {
                member.stage = Stage::Joining;
                if member.closes() {
                    cx.effects.marks.push("consumer: a static member came back as another one");
                    member.begin_anew();
                }
            }
            return NEVER;
        }
        let since_ns = *member.idle_since_ns.get_or_insert(cx.now_ns);
        let patience_ns = if member.closes() { 0 } else { member.rebalance_timeout_ns() };
        let due_ns = since_ns.saturating_add(patience_ns);
        if cx.now_ns < due_ns {
            return due_ns;
        }
        if member.stage != Stage::Left {
            let was_member = member.is_member();
            self.give_up_all(Stage::Left, cx);
            if was_member {
                self.say_goodbye(cx);
            }
        }
        NEVER
    }

    fn say_goodbye(&mut self, cx: &mut ClientCx<'_>) {
        let Ok(node) = self.coordinator_ready(cx) else { return };
        let Some(mut request) = self.heartbeat_request() else { return };
        let is_static = request.instance.is_some();
        request.epoch = if is_static { STATIC_LEAVE_EPOCH } else { LEAVE_EPOCH };
        let request = Request::ConsumerGroupHeartbeat(Box::new(request));
        let call = Some(Call::Group(GroupCall::Leave));
        self.network.connections.send(node, request, call, cx);
    }

    /// A heartbeat that says nothing but who it comes from.
    fn heartbeat_request(&self) -> Option<ConsumerGroupHeartbeatRequest> {
        let member = self.membership.as_ref()?.consumer()?;
        Some(ConsumerGroupHeartbeatRequest {
            group: self.config.group.clone(),
            member: Arc::clone(&member.id),
            epoch: member.epoch,
            instance: member.instance(),
            rack: None,
            rebalance_timeout_ms: -1,
            topics: None,
            regex: None,
            assignor: None,
            owned: None,
            makes_member_id: true,
            client_id: Arc::clone(&member.setup.client_id),
            client_host: Arc::from("/127.0.0.1"),
        })
    }

    fn heartbeat_if_due(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(member) = self.consumer_member().filter(|member| member.asked.is_none()) else {
            return NEVER;
        };
        let at_once = matches!(member.stage, Stage::Joining | Stage::Acknowledging);
        let due_ns = if at_once { member.retry_ns } else { member.due_ns.max(member.retry_ns) };
        if due_ns > cx.now_ns {
            return due_ns;
        }
        if self.network.view.topics().iter().any(|topic| topic.id.is_none()) {
            return NEVER; // metadata will tell
        }
        match self.coordinator_ready(cx) {
            Ok(node) => self.send_heartbeat(node, cx),
            Err(retry_ns) => return retry_ns,
        }
        NEVER
    }

    fn send_heartbeat(&mut self, node: NodeId, cx: &mut ClientCx<'_>) {
        let owned = self.owned_partitions();
        let names = self.network.view.topics().iter().map(|topic| Arc::clone(&topic.name));
        let names: Vec<Arc<str>> = names.collect();
        let rack = Some(Arc::clone(&self.config.rack)).filter(|rack| !rack.is_empty());
        let Some(mut request) = self.heartbeat_request() else { return };
        let Some(member) = self.consumer_member() else { return };
        let is_full = member.told.is_none();
        if is_full {
            request.rack = rack;
            request.rebalance_timeout_ms = member.setup.rebalance_timeout_ms;
            request.regex = member.pattern(&names);
            request.topics = request.regex.is_none().then(|| member.subscribed(names));
            request.assignor = Some(Arc::clone(&member.setup.assignor));
        }
        if is_full || member.told.as_ref() != Some(&owned) {
            request.owned = Some(owned.clone());
        }
        member.number += 1;
        let number = member.number;
        member.asked = Some(Asked { number, sent_ns: cx.now_ns, owned: request.owned.clone() });
        member.first_asked_ns.get_or_insert(cx.now_ns);
        member.due_ns = cx.now_ns + member.interval_ns;
        if member.stage == Stage::Acknowledging {
            member.stage = Stage::Stable;
        }
        let request = Request::ConsumerGroupHeartbeat(Box::new(request));
        let call = Some(Call::Group(GroupCall::ConsumerHeartbeat(number)));
        self.network.connections.send(node, request, call, cx);
        self.reconcile_if_told(cx.now_ns);
    }

    /// Takes the answer to a heartbeat.
    pub(crate) fn consumer_heartbeat_answered(
        &mut self,
        number: u64,
        answer: &ConsumerGroupHeartbeatResponse,
        cx: &mut ClientCx<'_>,
    ) {
        let Some(member) = self.consumer_member() else { return };
        let Some(asked) = member.asked.take_if(|asked| asked.number == number) else {
            return; // it is another member by now
        };
        let since_ns = member.first_asked_ns.take().unwrap_or(asked.sent_ns);
        if !answer.error.is_ok() {
            member.told = None;
            return self.heartbeat_refused(answer.error, cx);
        }
        if member.stage == Stage::Joining {
            cx.effects.marks.push("consumer: joined its group by heartbeats");
            member.stage = Stage::Stable;
        }
        member.failures = 0;
        member.interval_ns = u64::from(answer.heartbeat_interval_ms.unsigned_abs()) * NS_PER_MS;
        member.due_ns = asked.sent_ns + member.interval_ns;
        if asked.owned.is_some() {
            member.told = asked.owned;
        }
        let is_news = member.epoch != answer.epoch || answer.assignment.is_some();
        member.epoch = answer.epoch;
        if let Some(assignment) = &answer.assignment {
            member.target.clone_from(assignment);
            member.target.sort_unstable();
        }
        let gives_up_since_ns = member.gives_up_since(since_ns);
        let identity = member.identity();
        if is_news {
            cx.effects.outcomes.push(Outcome::Assigned {
                generation: member.epoch,
                member: Arc::clone(&identity),
                partitions: member.target.clone(),
                asked_ns: asked.sent_ns,
                consumer_protocol: true,
            });
        }
        cx.effects.outcomes.push(Outcome::Holds {
            member: identity,
            partitions: member.holds(cx.now_ns),
            epoch: member.epoch,
            since_ns,
            gives_up_since_ns,
        });
        self.reconcile_if_told(cx.now_ns);
    }

    fn heartbeat_refused(&mut self, error: ErrorCode, cx: &mut ClientCx<'_>) {
        match error {
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => {
                cx.effects.marks.push("consumer: fenced by its coordinator");
                self.give_up_all(Stage::Joining, cx);
            }
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.lose_coordinator(cx.now_ns);
            }
            ErrorCode::CoordinatorLoadInProgress => self.member_backs_off(cx.now_ns),
            _ => {
                cx.effects.marks.push("consumer: began anew as another member");
                self.give_up_all(Stage::Joining, cx);
                if let Some(member) = self.consumer_member() {
                    member.begin_anew();
                }
                self.member_backs_off(cx.now_ns);
            }
        }
    }

    fn member_backs_off(&mut self, now_ns: u64) {
        let backoff = self.config.connection.retry_backoff();
        let membership = self.membership.as_mut().and_then(Membership::consumer_mut);
        let Some(member) = membership else { return };
        member.retry_ns = now_ns + backoff.after(member.failures, &mut self.network.draws);
        member.failures = member.failures.saturating_add(1);
    }

    /// Partitions are somebody else's by now, and nothing of them can be committed.
    fn give_up_all(&mut self, stage: Stage, cx: &mut ClientCx<'_>) {
        let partitions = self.owned_partitions();
        self.revoke_all(cx);
        let Some(member) = self.consumer_member() else { return };
        let released = Outcome::Released { member: member.identity(), partitions };
        member.is_out(stage, cx.now_ns);
        cx.effects.outcomes.push(released);
    }

    /// A heartbeat got no answer. The next one says everything.
    pub(super) fn heartbeat_lost(&mut self, call: GroupCall, now_ns: u64) {
        let GroupCall::ConsumerHeartbeat(number) = call else { return };
        let Some(member) = self.consumer_member() else { return };
        let Some(asked) = member.asked.take_if(|asked| asked.number == number) else { return };
        member.told = None;
        if let Some(owned) = asked.owned {
            member.doubts(owned, now_ns);
        }
        self.member_backs_off(now_ns);
    }

    /// A commit came back with an error that is about the member. What a new epoch helps against is
    /// tried again; otherwise a heartbeat will hear of it, and nobody waits for positions.
    pub(super) fn commit_of_member_refused(&mut self, error: ErrorCode, now_ns: u64) {
        let backoff_ns = self.config.connection.retry_backoff_ns;
        let Some(member) = self.consumer_member() else { return };
        if let Stage::Reconciling { until_ns, retry_ns } = &mut member.stage {
            match error {
                ErrorCode::StaleMemberEpoch => *retry_ns = now_ns + backoff_ns,
                _ => *until_ns = 0,
            }
        }
    }

    /// Begins to reconcile what the member has with what it shall have. What it has to give up is
    /// read no further.
    fn reconcile_if_told(&mut self, now_ns: u64) {
        let owned = self.owned_partitions();
        let Some(member) = self.consumer_member() else { return };
        match member.stage {
            Stage::Stable if member.target != owned => {
                let until_ns = now_ns + member.rebalance_timeout_ns();
                member.stage = Stage::Reconciling { until_ns, retry_ns: 0 };
            }
            Stage::Reconciling { .. } => {}
            Stage::Joining | Stage::Stable | Stage::Acknowledging | Stage::Left => return,
        }
        let target = member.target.clone();
        for at in 0..self.partitions.len() {
            let stays = self.tp(at).is_some_and(|tp| target.contains(&tp));
            let is_read = !matches!(self.partitions[at].phase, Phase::Unassigned | Phase::Revoking);
            if is_read && !stays {
                self.drop_buffered(at);
                self.set_phase(at, Phase::Revoking);
                self.touch(at, now_ns);
            }
        }
    }

    /// Goes on with it. When to come back, ns.
    fn reconcile(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        let Some(member) = self.consumer_member() else { return NEVER };
        let Stage::Reconciling { until_ns, retry_ns } = member.stage else { return NEVER };
        let mut revoking = self.partitions.iter().filter(|p| p.phase == Phase::Revoking);
        let waits = self.commit_in_flight || revoking.any(|state| state.uncommitted);
        if waits && cx.now_ns < until_ns {
            if self.commit_in_flight {
                return until_ns;
            }
            if retry_ns > cx.now_ns {
                return retry_ns.min(until_ns);
            }
            return match self.coordinator_ready(cx) {
                Ok(node) => {
                    self.send_commit(node, cx);
                    let retry_ns = cx.now_ns + self.config.connection.retry_backoff_ns;
                    if let Some(member) = self.consumer_member() {
                        member.stage = Stage::Reconciling { until_ns, retry_ns };
                    }
                    until_ns
                }
                Err(retry_ns) => retry_ns.min(until_ns),
            };
        }
        self.take_and_give_up(cx);
        NEVER
    }

    /// Everything that had to be done before is done: partitions change hands.
    fn take_and_give_up(&mut self, cx: &mut ClientCx<'_>) {
        let Some(member) = self.consumer_member() else { return };
        member.stage = Stage::Acknowledging;
        let (identity, target) = (member.identity(), member.target.clone());
        let mut unread = std::mem::take(&mut member.unread);
        unread.retain(|tp| !target.contains(tp));
        let mut released = unread;
        let known: Vec<_> = (0..self.partitions.len()).filter_map(|at| self.tp(at)).collect();
        if let Some(member) = self.consumer_member() {
            member.unread = target.iter().filter(|tp| !known.contains(tp)).copied().collect();
        }
        for at in 0..self.partitions.len() {
            let Some(tp) = self.tp(at) else { continue };
            if self.partitions[at].phase == Phase::Revoking {
                self.recommit_lost(at);
                self.unassign(at, cx.now_ns);
                released.push(tp);
            }
            if self.partitions[at].phase == Phase::Unassigned && target.contains(&tp) {
                self.assign(at, cx.now_ns);
            }
        }
        cx.effects.outcomes.push(Outcome::Released { member: identity, partitions: released });
    }

    /// What the member has, in order.
    fn owned_partitions(&self) -> Vec<TopicPartition> {
        let owned = |at: &usize| self.partitions[*at].phase != Phase::Unassigned;
        let all = (0..self.partitions.len()).filter(owned);
        let mut owned: Vec<TopicPartition> = all.filter_map(|at| self.tp(at)).collect();
        let member = self.membership.as_ref().and_then(Membership::consumer);
        owned.extend(member.into_iter().flat_map(|member| &member.unread));
        owned.sort_unstable();
        owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::mock::TOPIC;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new(TOPIC, partition)
    }

    fn member() -> ConsumerMember {
        ConsumerMember::new(HeartbeatSetup {
            member: Arc::from("m"),
            assignor: Arc::from("uniform"),
            instance: None,
            client_id: Arc::from("c"),
            rebalance_timeout_ms: 1_000,
            pattern: None,
            leaves_out: None,
            ahead: None,
            closes: false,
        })
    }

    #[test]
    fn what_is_to_be_given_up_is_so_since_it_was_first_told_in_its_epoch() {
        let mut member = member();
        (member.epoch, member.target) = (5, vec![tp(0)]);
        assert_eq!(member.gives_up_since(1), None, "it has nothing yet");
        member.told = Some(vec![tp(0), tp(1)]);
        assert_eq!((member.gives_up_since(2), member.gives_up_since(3)), (Some(2), Some(2)));
        member.epoch = 6;
        assert_eq!(member.gives_up_since(4), Some(4));
        member.told = Some(vec![tp(0)]);
        assert_eq!(member.gives_up_since(5), None);
        member.told = Some(vec![tp(0), tp(1)]);
        assert_eq!(member.gives_up_since(6), Some(6));
    }

    #[test]
    fn who_is_back_as_another_one_may_subscribe_to_other_topics() {
        let mut member = member();
        let names = |of: &[&str]| -> Vec<Arc<str>> { of.iter().copied().map(Arc::from).collect() };
        let all = names(&["a", "b"]);
        member.begin_anew();
        assert_eq!(member.subscribed(all.clone()), all);
        member.setup.leaves_out = Some(1);
        let mut then = || {
            let said = member.subscribed(all.clone());
            member.begin_anew();
            said
        };
        assert_eq!([then(), then(), then()], [names(&["a"]), names(&["b"]), names(&["a"])]);
        assert_eq!(member.subscribed(names(&["a"])), names(&["a"]), "there is no other one");
        member.lives = 1;
        assert_eq!(member.subscribed(all.clone()), all, "it is the first one");
        member.setup.ahead = Some("c".into());
        assert_eq!(member.subscribed(all), names(&["a", "b", "c"]), "one that is not there yet");
    }

    #[test]
    fn so_may_who_subscribes_by_a_regular_expression() {
        let mut member = member();
        let names: Vec<Arc<str>> = ["a", "b"].map(Arc::<str>::from).to_vec();
        assert_eq!(member.pattern(&names), None);
        member.setup.pattern = Some("a|b|spare.*".into());
        member.begin_anew();
        assert_eq!(member.pattern(&names).as_deref(), Some("a|b|spare.*"));
        member.setup.leaves_out = Some(0);
        assert_eq!(member.pattern(&names).as_deref(), Some("b|spare.*"));
        member.lives = 1;
        assert_eq!(member.pattern(&names).as_deref(), Some("a|b|spare.*"), "it is the first one");
    }

    #[test]
    fn what_an_unanswered_heartbeat_denies_is_not_held_while_it_may_arrive() {
        let mut member = member();
        member.told = Some(vec![tp(0), tp(1), tp(2)]);
        member.target = vec![tp(0), tp(1)];
        assert_eq!(member.holds(0), [tp(0), tp(1)]);
        member.doubts(vec![tp(0), tp(1)], 0);
        assert_eq!(member.holds(1), [tp(0), tp(1)]);
        member.doubts(vec![tp(1)], 5);
        assert_eq!(member.holds(6), [tp(1)]);
        assert_eq!(member.holds(5 + LATE_NS), [tp(0), tp(1)]);
    }
}
