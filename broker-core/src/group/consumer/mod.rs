//! A group in the consumer protocol (KIP-848), without IO: the coordinator assigns, and each member
//! goes over to its new assignment at its own pace.
//!
//! - `state`: what the log says, and how records change it; `codec`: the records
//! - `heartbeat`, `leave`: what members ask; each thinks its changes out on a `draft`
//! - `topics`, `hash`, `assignor`: what members read, and who shall have what
//! - `reconcile`: a member's way to its target
//!
//! Changes count when the log has taken them, and are told when it has confirmed them. So there are
//! two states: [`ConsumerGroup::current`] decides, `committed` is what others are shown. An append
//! that was not confirmed in time stays in line, and is confirmed later.

mod assignor;
mod codec;
mod describe;
mod draft;
mod hash;
mod heartbeat;
mod leave;
mod reconcile;
mod refusal;
mod settings;
mod state;
mod topics;

#[cfg(test)]
mod tests;

pub use assignor::Assignor;
pub(super) use codec::ConsumerKey;
pub(super) use draft::Drafted;
pub(super) use refusal::Refusal;
pub(super) use settings::ConsumerSettings;

use super::timers::{Due, Timers};
use crate::error::ErrorCode;
use crate::ids::{ConnectionId, LeaderEpoch};
use crate::inspect::{ConsumerEpochsView, ConsumerGroupView, ConsumerSaidView};
use crate::metadata::MetadataImage;
use crate::plant::Plant;
use crate::protocol::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupState,
    DescribedConsumerGroup, LeaveGroupResponse, Response,
};
use crate::records::Record;
use crate::step::{ReplyTo, Step};
use crate::time::{Duration, Instant};
use draft::Draft;
use heartbeat::Given;
use regex::Regex;
pub(super) use state::Change;
use state::{MemberState, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// How long a member that is silent stays when the log did not take that it is to go.
const RETRY: Duration = Duration::from_millis(500);

/// What a group sees of the current step.
pub(super) struct ConsumerCx<'a, 's> {
    pub(super) step: &'a mut Step<'s>,
    pub(super) timers: &'a mut Timers,
    pub(super) settings: &'a ConsumerSettings,
    pub(super) plant: Option<Plant>,
}

/// When a member must have done something, and where it was heard.
#[derive(Debug, Default)]
struct Deadlines {
    session: Instant,
    /// When the queue of deadlines looks at the session next.
    queued: Option<Instant>,
    /// When it must have given up partitions, and the epoch in which it is until then.
    rebalance: Option<(Instant, i32)>,
    /// The connection of its last heartbeat.
    heard_on: Option<ConnectionId>,
}

/// An append that the log has taken, and not confirmed.
#[derive(Debug)]
struct Unconfirmed {
    token: u64,
    changes: Vec<Change>,
    /// Who waits for it; nobody any more once it took too long.
    waiting: Vec<(ReplyTo, Response)>,
    overdue: bool,
}

/// Regular expressions that a group keeps compiled, at most: one may take a mebibyte, and members are many.
const PATTERNS_MAX: usize = 32;

/// A group.
#[derive(Debug)]
pub(super) struct ConsumerGroup {
    id: Arc<str>,
    current: State,
    committed: State,
    unconfirmed: VecDeque<Unconfirmed>,
    deadlines: BTreeMap<Arc<str>, Deadlines>,
    /// What its regular expressions compile to: that takes longer than all else that a heartbeat does.
    patterns: BTreeMap<Arc<str>, Regex>,
    /// Topics may have changed.
    refresh: bool,
    /// It is being deleted.
    is_dying: bool,
}

/// What is to be done with a drafted answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// It says nothing that the log does not have.
    Now,
    /// It waits for an append that is under way.
    Later,
    /// An append must show first that the log goes on.
    Probe,
}

impl ConsumerGroup {
    pub(super) fn new(id: &Arc<str>) -> Self {
        Self {
            id: Arc::clone(id),
            current: State::default(),
            committed: State::default(),
            unconfirmed: VecDeque::new(),
            deadlines: BTreeMap::new(),
            patterns: BTreeMap::new(),
            refresh: true,
            is_dying: false,
        }
    }

    /// Whether it has no members, as the last append left it.
    pub(super) fn is_empty(&self) -> bool {
        self.current.members.is_empty()
    }

    /// Whether it is being deleted.
    pub(super) fn is_dying(&self) -> bool {
        self.is_dying
    }

    /// State of the group that the log has confirmed.
    pub(super) fn shown_state(&self) -> ConsumerGroupState {
        self.committed.group_state()
    }

    /// Whether it has no members, and no append is under way.
    pub(super) fn is_unused(&self) -> bool {
        self.current.members.is_empty() && self.unconfirmed.is_empty()
    }

    /// Whether somebody waits for the log; that ends when the log confirms, or takes too long.
    pub(super) fn is_awaited(&self) -> bool {
        self.unconfirmed.iter().any(|append| !append.waiting.is_empty())
    }

    pub(super) fn set_dead(&mut self, dead: bool) {
        self.is_dying = dead;
    }

    /// Topics that members read.
    pub(super) fn subscriptions(&self) -> BTreeSet<Arc<str>> {
        let members = self.current.members.values();
        members.flat_map(|m| self.current.topics_of(&m.subscription)).cloned().collect()
    }

    /// A topic was created or deleted, or its partitions are more, or elsewhere.
    pub(super) fn topic_changed(&mut self, name: &str) {
        self.refresh = self.refresh || !self.current.regexes.is_empty() || self.current.reads(name);
    }

    /// Brokers have registered, or are no longer: their racks count, too.
    pub(super) fn brokers_changed(&mut self, image: &MetadataImage) {
        // most that befalls a broker befalls its partitions, too: then nothing has to be hashed to know
        self.refresh = self.refresh
            || topics::metadata_hash(&self.current, image) != self.current.metadata_hash;
    }

    /// Records that delete the group.
    pub(super) fn tombstones(&self) -> Vec<Record> {
        self.current.tombstones().iter().map(|change| codec::record(&self.id, change)).collect()
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Records of changes.
    pub(super) fn records(&self, drafted: &Drafted) -> Vec<Record> {
        drafted.changes.iter().map(|change| codec::record(&self.id, change)).collect()
    }

    /// Takes a change that the log tells of while it is loaded.
    pub(super) fn replay(&mut self, change: &Change) {
        self.current.apply(change);
    }

    /// Whether the log has said that the group is over.
    pub(super) fn is_gone(&self) -> bool {
        self.current.group_epoch == 0 && self.current.members.is_empty()
    }

    /// The log is read: from now on members must show that they are alive.
    pub(super) fn loaded(&mut self, cx: &mut ConsumerCx<'_, '_>) {
        self.committed = self.current.clone();
        let members: Vec<_> = self.current.members.keys().cloned().collect();
        for id in members {
            self.expect(cx, &id);
        }
    }

    /// A member is alive: its session begins anew; so does the time for giving up partitions if it
    /// has to.
    fn expect(&mut self, cx: &mut ConsumerCx<'_, '_>, id: &Arc<str>) {
        let Some(member) = self.current.members.get(id) else { return };
        let deadlines = self.deadlines.entry(Arc::clone(id)).or_default();
        deadlines.session = cx.step.now + cx.settings.session_timeout;
        if deadlines.queued.is_none_or(|queued| deadlines.session < queued) {
            deadlines.queued = Some(deadlines.session);
            cx.timers.insert(deadlines.session, &self.id, Due::Session(Arc::clone(id)));
        }
        let epoch = member.current.epoch;
        if member.current.state != MemberState::UnrevokedPartitions {
            deadlines.rebalance = None;
        } else if deadlines.rebalance.is_none_or(|(_, known)| known != epoch) {
            let ms = u64::try_from(member.subscription.rebalance_timeout_ms).unwrap_or(0);
            let at = cx.step.now + Duration::from_millis(ms);
            deadlines.rebalance = Some((at, epoch));
            cx.timers.insert(at, &self.id, Due::Rebalance(Arc::clone(id)));
        }
    }

    /// Compiles the regular expressions that the group goes by, and the one that is `asked` for, unless it has them;
    /// drops others. Those beyond the most that it keeps are compiled whenever they are needed.
    fn learn_patterns(&mut self, asked: Option<&Arc<str>>) {
        let Self { current, patterns, .. } = self;
        patterns.retain(|regex, _| asked == Some(regex) || current.regexes.contains_key(regex));
        for regex in current.regexes.keys().chain(asked) {
            if patterns.len() < PATTERNS_MAX
                && !patterns.contains_key(regex)
                && let Ok(compiled) = topics::compile(regex)
            {
                patterns.insert(Arc::clone(regex), compiled);
            }
        }
    }

    fn given<'a>(&'a self, cx: &'a ConsumerCx<'_, '_>, image: &'a MetadataImage) -> Given<'a> {
        Given {
            image,
            patterns: &self.patterns,
            settings: cx.settings,
            wall_ms: cx.step.wall_ms,
            refresh: self.refresh,
            is_elsewhere: false,
            plant: cx.plant,
        }
    }

    /// What a heartbeat comes to. `id`: the member's, which may be new.
    pub(super) fn heartbeat(
        &mut self,
        cx: &ConsumerCx<'_, '_>,
        image: &MetadataImage,
        (id, conn): (&Arc<str>, ConnectionId),
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<(Drafted, ConsumerGroupHeartbeatResponse), Refusal> {
        if self.is_dying {
            return Err(ErrorCode::CoordinatorNotAvailable.into());
        }
        self.learn_patterns(request.regex.as_ref().filter(|regex| !regex.is_empty()));
        let heard_on = self.deadlines.get(id).and_then(|deadlines| deadlines.heard_on);
        let is_elsewhere = heard_on != Some(conn);
        let given = Given { is_elsewhere, ..self.given(cx, image) };
        let mut draft = Draft::new(&self.current);
        let answer = if request.epoch < 0 {
            leave::leave(&mut draft, &given, request)?
        } else {
            heartbeat::heartbeat(&mut draft, &given, id, request)?
        };
        Ok((draft.finish(), answer))
    }

    /// A tool removes a static member (LeaveGroup without a member id).
    pub(super) fn remove_static(
        &mut self,
        cx: &ConsumerCx<'_, '_>,
        image: &MetadataImage,
        instance: &str,
    ) -> Result<Drafted, ErrorCode> {
        self.learn_patterns(None);
        let id = self.current.instances.get(instance).ok_or(ErrorCode::UnknownMemberId)?;
        let (mut draft, given) = (Draft::new(&self.current), self.given(cx, image));
        leave::fence(&mut draft, &given, id);
        Ok(draft.finish())
    }

    /// What follows from a deadline; `None` if it was not meant.
    pub(super) fn due(
        &mut self,
        cx: &mut ConsumerCx<'_, '_>,
        image: &MetadataImage,
        at: Instant,
        due: &Due,
    ) -> Option<Drafted> {
        let (Due::Session(id) | Due::Rebalance(id)) = due else { return None };
        let deadlines = self.deadlines.get_mut(id)?;
        let member = self.current.members.get(id)?;
        if matches!(due, Due::Rebalance(_)) {
            let is_meant = deadlines.rebalance == Some((at, member.current.epoch));
            if !is_meant || member.current.state != MemberState::UnrevokedPartitions {
                return None;
            }
        } else {
            if deadlines.queued != Some(at) {
                return None;
            }
            deadlines.queued = None;
            if deadlines.session > at {
                deadlines.queued = Some(deadlines.session);
                cx.timers.insert(deadlines.session, &self.id, Due::Session(Arc::clone(id)));
                return None;
            }
        }
        self.learn_patterns(None);
        let (mut draft, given) = (Draft::new(&self.current), self.given(cx, image));
        leave::fence(&mut draft, &given, id);
        Some(draft.finish())
    }

    /// The log did not take what followed from a deadline: it is looked at again soon.
    pub(super) fn due_again(&mut self, cx: &mut ConsumerCx<'_, '_>, due: &Due) {
        let (Due::Session(id) | Due::Rebalance(id)) = due else { return };
        let Some(deadlines) = self.deadlines.get_mut(id) else { return };
        let at = cx.step.now + RETRY;
        if matches!(due, Due::Rebalance(_)) {
            // a member that is alive moves its session on; this deadline must not move with it
            let Some((_, epoch)) = deadlines.rebalance else { return };
            deadlines.rebalance = Some((at, epoch));
        } else {
            deadlines.session = at;
            deadlines.queued = Some(at);
        }
        cx.timers.insert(at, &self.id, due.clone());
    }

    /// What an answer without changes must wait for.
    pub(super) fn answer_to_unchanged(&self) -> Answer {
        match self.unconfirmed.back() {
            None => Answer::Now,
            Some(last) if last.overdue => Answer::Probe,
            Some(_) => Answer::Later,
        }
    }

    /// An answer waits for the last append.
    pub(super) fn wait(&mut self, to: ReplyTo, response: Response) {
        if let Some(last) = self.unconfirmed.back_mut() {
            last.waiting.push((to, response));
        }
    }

    /// A change that changes nothing.
    pub(super) fn probe(&self) -> Drafted {
        let mut draft = Draft::new(&self.current);
        draft.put(Change::Group(Some(self.current.epoch())));
        draft.finish()
    }

    /// The log has taken changes.
    pub(super) fn appended(
        &mut self,
        token: u64,
        drafted: Drafted,
        waiting: Option<(ReplyTo, Response)>,
    ) {
        if let Some(state) = drafted.state {
            self.current = *state;
        }
        for change in &drafted.changes {
            if let Change::Member(id, None) = change {
                self.deadlines.remove(id);
            }
        }
        let waiting = waiting.into_iter().collect();
        let changes = drafted.changes;
        self.unconfirmed.push_back(Unconfirmed { token, changes, waiting, overdue: false });
    }

    /// A member's heartbeat is done: the topics have been looked at, and it is alive.
    pub(super) fn heard(&mut self, cx: &mut ConsumerCx<'_, '_>, id: &Arc<str>, conn: ConnectionId) {
        self.refresh = false;
        self.expect(cx, id);
        if let Some(deadlines) = self.deadlines.get_mut(id) {
            deadlines.heard_on = Some(conn);
        }
    }

    /// An append is confirmed, and with it all before it; or it is not.
    pub(super) fn written(&mut self, step: &mut Step<'_>, token: u64, error: ErrorCode) {
        if !error.is_ok() {
            let waited = self.unconfirmed.iter_mut().find(|append| append.token == token);
            if let Some(append) = waited {
                append.overdue = true;
                for (to, response) in append.waiting.drain(..) {
                    step.reply(to, refused(&response, error));
                }
            }
            return;
        }
        while self.unconfirmed.front().is_some_and(|append| append.token <= token) {
            let Some(append) = self.unconfirmed.pop_front() else { return };
            for change in &append.changes {
                self.committed.apply(change);
            }
            for (to, response) in append.waiting {
                step.reply(to, response);
            }
        }
    }

    /// This broker coordinates the group no longer.
    pub(super) fn unload(&mut self, step: &mut Step<'_>) {
        for append in self.unconfirmed.drain(..) {
            for (to, response) in append.waiting {
                step.reply(to, refused(&response, ErrorCode::NotCoordinator));
            }
        }
    }

    /// Whether a commit may come from a member with this epoch, by a client that knows epochs, or does not.
    pub(super) fn check_commit(
        &self,
        member: &str,
        epoch: i32,
        knows_epochs: bool,
    ) -> Result<(), ErrorCode> {
        if self.is_dying {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        leave::check_commit(&self.current, member, epoch, knows_epochs)
    }

    /// Whether a member with this epoch may ask for positions.
    pub(super) fn check_fetch(&self, member: &str, epoch: i32) -> Result<(), ErrorCode> {
        leave::check_epoch_of(&self.committed, member, epoch)
    }

    /// A member's epoch, for checkers.
    pub(super) fn epoch_of(&self, member: &str) -> Option<i32> {
        self.current.members.get(member).map(|member| member.current.epoch)
    }

    /// A member's epochs, and what it has, for checkers.
    pub(super) fn epochs_of(&self, member: &str) -> Option<ConsumerEpochsView> {
        let current = &self.current.members.get(member)?.current;
        Some(ConsumerEpochsView {
            epoch: current.epoch,
            previous: current.previous_epoch,
            assigned: current.assigned.clone(),
            revoking: current.revoking.clone(),
            is_confirmed: self.unconfirmed.is_empty(),
        })
    }

    /// What a member has said of itself, for checkers.
    pub(super) fn said_of(&self, member: &str) -> Option<ConsumerSaidView<'_>> {
        self.current.said_of(member)
    }

    /// How many members there are, for checkers.
    pub(super) fn member_count(&self) -> usize {
        self.current.members.len()
    }

    /// Answers that wait for the log, for checkers.
    pub(super) fn answers_owed(&self) -> usize {
        self.unconfirmed.iter().map(|append| append.waiting.len()).sum()
    }

    /// Those of them that wait for one of these appends, for checkers.
    pub(super) fn late_answers(&self, overdue: &BTreeSet<u64>) -> usize {
        let late = self.unconfirmed.iter().filter(|append| overdue.contains(&append.token));
        late.map(|append| append.waiting.len()).sum()
    }

    /// Whether others are shown something else than what the log has confirmed, for checkers.
    pub(super) fn is_hidden(&self) -> bool {
        self.unconfirmed.is_empty() && self.committed != self.current
    }

    /// When a member's session ends, for checkers.
    pub(super) fn session_of(&self, member: &str) -> Option<Instant> {
        self.deadlines.get(member).map(|deadlines| deadlines.session)
    }

    /// A member without a deadline for its next heartbeat, or for what it has to give up; for checkers. One that is
    /// away for a while is waited for as long as its session lasts, and has nothing to give up.
    pub(super) fn unguarded(&self, timers: &Timers) -> Option<&Arc<str>> {
        let members = &self.current.members;
        let is_guarded = |id: &Arc<str>| {
            let queued = self.deadlines.get(id).and_then(|deadlines| deadlines.queued);
            queued.is_some_and(|at| timers.will_look(at, &self.id, id))
        };
        let has_time = |id: &Arc<str>| {
            let given = self.deadlines.get(id).and_then(|deadlines| deadlines.rebalance);
            let current = members.get(id).map(|known| &known.current);
            current.is_none_or(|current| {
                current.state != MemberState::UnrevokedPartitions
                    || current.epoch < 0
                    || given.is_some_and(|(_, epoch)| epoch == current.epoch)
            })
        };
        let mut confirmed = self.committed.members.keys().filter(|_| !self.is_dying);
        confirmed.find(|id| members.contains_key(*id) && !(is_guarded(id) && has_time(id)))
    }

    /// Members in an epoch beyond that of the targets, or all of a group whose targets are beyond its own epoch; for
    /// checkers.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &Arc<str>> {
        let State { group_epoch, assignment_epoch, members, .. } = &self.current;
        let is_group_ahead = assignment_epoch > group_epoch;
        let is_ahead = move |epoch: i32| is_group_ahead || epoch > *assignment_epoch;
        members.iter().filter(move |(_, member)| is_ahead(member.current.epoch)).map(|(id, _)| id)
    }

    /// Its members, as the last append left them; for checkers.
    pub(in crate::group) fn member_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.current.members.keys()
    }

    /// What it goes on with, as its log is led in an epoch; for checkers.
    pub(in crate::group) fn view<'a>(
        &'a self,
        epoch: LeaderEpoch,
        image: &'a MetadataImage,
    ) -> ConsumerGroupView<'a> {
        self.current.view((&self.id, epoch), image, !self.refresh)
    }

    /// How the group differs from what its log says, for checkers; nothing while an append is under way.
    pub(super) fn differs_from(&self, log: &Self) -> Option<String> {
        let differs = self.unconfirmed.is_empty() && self.current != log.current;
        differs.then(|| format!("{:?}, by its log {:?}", self.current, log.current))
    }

    /// What tools are told.
    pub(super) fn describe(
        &self,
        image: &MetadataImage,
        settings: &ConsumerSettings,
    ) -> DescribedConsumerGroup {
        describe::describe(&self.committed, &self.id, image, settings)
    }
}

/// Refuses a heartbeat that makes no sense, whatever the group.
pub(super) fn check(
    request: &ConsumerGroupHeartbeatRequest,
    settings: &ConsumerSettings,
) -> Result<(), Refusal> {
    heartbeat::check(request, settings)
}

/// The answer to a heartbeat that is refused.
pub(super) fn refusal(refusal: Refusal) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        error: refusal.error,
        message: refusal.message,
        member: None,
        epoch: 0,
        heartbeat_interval_ms: 0,
        assignment: None,
    }
}

/// What is said instead of an answer when the log did not take what it says.
fn refused(response: &Response, error: ErrorCode) -> Response {
    match response {
        Response::LeaveGroup(_) => Response::LeaveGroup(LeaveGroupResponse::refused(error)),
        _ => Response::ConsumerGroupHeartbeat(Box::new(refusal(error.into()))),
    }
}
