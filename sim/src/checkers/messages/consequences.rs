//! What has become of an input: what a follower heard counts or does not, proposals and heartbeats have been taken, and
//! what must not have changed has not.

use super::{
    Speaker, TakenIn, Talk, awaited, controller, copied, learned, overtaken, peers, proven,
    session_times, shutdowns,
};
use crate::checkers::suite::Checkers;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::seam::Reply;

impl Checkers {
    /// Whether a node is looked at after its step, though it says nothing.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        let Talk {
            fenced,
            before,
            unproven,
            proposed,
            shutdowns,
            carried_out,
            proven,
            awaited,
            overtaken,
            put_off,
            unwritten,
            ..
        } = &self.talk;
        let is_silent = before.is_empty() && unproven.is_empty() && proposed.is_empty();
        let is_silent = is_silent && proven.is_empty() && !awaited.is_due();
        let is_silent = is_silent && !overtaken.is_asked() && unwritten.is_none();
        let is_silent = is_silent && !put_off.is_due();
        let asks = fenced.is_some() || shutdowns.is_asked() || carried_out.is_asked();
        asks || !is_silent
    }

    /// What has become of the input.
    pub(super) fn has_taken(&mut self, by: Speaker<'_>, replies: &[Reply]) {
        let mut befores = std::mem::take(&mut self.talk.before);
        for before in befores.drain(..) {
            self.about(before.tp, |says| {
                peers::stale_answer(says, by, before);
                copied::are_taken(says, by, &before);
            });
        }
        self.talk.before = befores; // its room serves the next answer
        for told in std::mem::take(&mut self.talk.learned) {
            self.about(told.tp(), |says| learned::is_taken_over(says, by, told));
        }
        for unproven in std::mem::take(&mut self.talk.unproven) {
            self.about(unproven.tp, |says| peers::counts_unproven(says, by, unproven));
        }
        self.follows_from(by, replies);
        if let Some(key) = self.talk.awaited.due() {
            self.rest(|says| awaited::at_once(says, by.node, key, replies));
        }
        let unwritten = self.talk.unwritten.take().filter(|of| of.node == by.node);
        if let Some(unwritten) = unwritten {
            self.rest(|says| unwritten.are_still_due(says, by));
        }
        if self.talk.overtaken.is_asked() {
            let markers = self.talk.overtaken.taken(by.node);
            self.rest(|says| overtaken::count_no_more(says, by, (&markers, replies)));
        }
        if self.talk.put_off.is_due() {
            let mut put_off = std::mem::take(&mut self.talk.put_off);
            self.rest(|says| put_off.is_not_too_long(says, by));
            self.talk.put_off = put_off;
        }
        for (tp, elected) in std::mem::take(&mut self.talk.proposed) {
            self.counts_taken_in(by, tp, elected);
        }
        if let Some(asked) = self.talk.shutdowns.taken(by) {
            self.rest(|says| shutdowns::lets_end(says, by, &asked));
        }
        if let Some(fenced) = self.talk.fenced.take() {
            self.rest(|says| controller::is_let_in_in_time(says, by, fenced));
        }
        if let Some((key, objection)) = self.talk.carried_out.objection(by.broker) {
            self.talk.objections.insert(key, objection);
        }
        if let Some(beat) = self.talk.carried_out.beat() {
            let changed = std::mem::take(&mut self.changed_sessions);
            self.rest(|says| beat.is_heard(says, by, (&changed, replies)));
            self.changed_sessions = changed;
            if let Some(member) = beat.taken(by.node, replies) {
                self.is_heard(by, member, session_times::configured(by.broker, member.0));
            }
        }
        if let Some(heard) = self.talk.carried_out.heard() {
            self.rest(|says| heard.handled(says, by, replies));
        }
        for tp in self.talk.carried_out.moved_wrongly(by.broker) {
            self.about(tp, |says| {
                says.rule(false, &|| {
                    format!(
                        "controller {} ends a reassignment before all is in sync, or otherwise than it was asked to",
                        by.node
                    )
                });
            });
        }
    }

    /// What was asked or answered counts.
    fn follows_from(&mut self, by: Speaker<'_>, replies: &[Reply]) {
        let mut proven = std::mem::take(&mut self.talk.proven);
        if !proven::is_refused(replies) {
            for one in &proven {
                self.about(one.tp, |says| proven::is_counted(says, by, *one));
            }
        }
        proven.clear();
        self.talk.proven = proven;
        if let Some(rehearsed) = self.talk.carried_out.rehearsed() {
            self.rest(|says| rehearsed.changes_nothing(says, by));
        }
        for tp in std::mem::take(&mut self.talk.refused) {
            let Some(view) = by.broker.replica_view(tp) else { continue };
            self.about(tp, |says| proven::gives_up(says, by.node, &view));
        }
    }

    /// A leader has heard of its proposal: whom the controller has taken in, it counts, whatever it was told
    /// (KIP-497), and until it hears of an election that came of it. It may know of more, and the controller
    /// of fewer.
    fn counts_taken_in(&mut self, by: Speaker<'_>, tp: TopicPartition, elected: Option<TakenIn>) {
        let Some(view) = by.broker.replica_view(tp) else { return };
        let at = self.partition(tp);
        let p = &self.partitions[at];
        let known = || (p.isr.iter().map(|member| member.node).collect(), p.controller_epoch);
        let taken_in: TakenIn = match elected {
            Some((isr, epoch)) if view.leader_epoch < epoch => (isr, view.leader_epoch),
            _ => known(),
        };
        self.about(tp, |says| peers::counts_taken_in(says, by.node, &view, &taken_in));
    }
}
