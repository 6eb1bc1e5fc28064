//! Membership of a group by the consumer protocol (KIP-848): Java's `ConsumerMembershipManager` and
//! `ConsumerHeartbeatRequestManager`.
//!
//! The coordinator tells in answers to heartbeats what a member may have. The member first gives up
//! what it shall not have any more, once its positions are committed; then it takes what is new, and
//! says so. Errors that end Java's consumer for good have its application begin anew under another
//! member id. A consumer that is closed leaves without a last commit.

mod heartbeats;
mod reconciling;

use super::{HeartbeatSetup, Membership};
use crate::client::consumer::machine::Consumer;
use crate::client::consumer::partition::Phase;
use crate::client::io::{ClientCx, Outcome};
use crate::client::wakeup::NEVER;
use std::sync::Arc;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::JOIN_EPOCH;

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
        // its parts are names of topics, but for what is yet to come
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

    /// Partitions are somebody else's by now, and nothing of them can be committed.
    fn give_up_all(&mut self, stage: Stage, cx: &mut ClientCx<'_>) {
        let partitions = self.owned_partitions();
        self.revoke_all(cx);
        let Some(member) = self.consumer_member() else { return };
        let released = Outcome::Released { member: member.identity(), partitions };
        member.is_out(stage, cx.now_ns);
        cx.effects.outcomes.push(released);
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
