//! Several faults that belong together: interleavings that chance alone seldom makes. Each one is a
//! class, drawn anew every time, not a schedule.

use super::{MS, Storm};
use stormglass_scenarios::plan::{Action, Endpoint, LinkEffect};

/// A class of interleavings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compound {
    /// A broker restarts, and again as it comes up: requests of two lives meet.
    RestartTwice,
    /// Leadership goes to and fro between two brokers, faster than anybody catches up.
    PingPong,
    /// Messages of a broker come late and out of order over its connections, and it restarts while
    /// they are under way.
    LateMessages,
    /// One broker comes back, far behind, as another one goes: the third one's state decides.
    Staggered,
    /// Syncs take long, more is written than usual, and the host loses power.
    UnsyncedPower,
    /// A host loses power, and its cold disk is slow when it loads.
    ColdStart,
    /// Controllers restart one after another, in the middle of the elections that this causes.
    ControllerRestarts,
}

impl Compound {
    pub(super) const ALL: [Self; 7] = [
        Self::RestartTwice,
        Self::PingPong,
        Self::LateMessages,
        Self::Staggered,
        Self::UnsyncedPower,
        Self::ColdStart,
        Self::ControllerRestarts,
    ];
}

impl Storm<'_> {
    pub(super) fn compound(&mut self, compound: Compound, node: i32, at: u64, lasts: u64) {
        match compound {
            Compound::RestartTwice => self.restart_twice(node, at),
            Compound::PingPong => self.ping_pong(node, at),
            Compound::LateMessages => self.late_messages(node, at, lasts),
            Compound::Staggered => self.staggered(node, at),
            Compound::UnsyncedPower => self.unsynced_power(node, at),
            Compound::ColdStart => self.cold_start(node, at),
            Compound::ControllerRestarts => self.controller_restarts(at),
        }
    }

    /// Power goes where it may, else the process is killed.
    fn crash(&mut self, node: i32) -> Action {
        if self.powerless.contains(&node) && self.dice.percent(50) {
            Action::HostCrash { node }
        } else {
            Action::ProcessCrash { node }
        }
    }

    fn restart_twice(&mut self, node: i32, at: u64) {
        let mut at = at;
        for _ in 0..self.dice.pick(&[2_u32, 2, 3]) {
            let down = self.dice.between(5, 60) * MS;
            self.push(at, down, Action::ProcessCrash { node });
            at += down + self.timing.process_start_ns + self.dice.around(150 * MS);
        }
    }

    fn ping_pong(&mut self, node: i32, at: u64) {
        let other = self.other(node);
        let every = self.timing.process_start_ns + self.dice.between(60, 1_500) * MS;
        let turns = self.dice.pick(&[3_u64, 4, 5]);
        if self.dice.percent(50) {
            // answers of one leader arrive under the next one
            let jitter_ns = self.dice.pick(&[50, 150, 400]) * MS;
            let effect = LinkEffect::Delay { extra_ns: jitter_ns / 4, jitter_ns };
            let (from, to) = (vec![Endpoint::Brokers], vec![Endpoint::Brokers]);
            let action = Action::Link { from, to, one_way: false, effect };
            self.push(at, every * turns, action);
        }
        let mut at = at;
        for turn in 0..turns {
            let node = if turn.is_multiple_of(2) { node } else { other };
            let down = self.dice.between(5, 60) * MS;
            self.push(at, down, Action::ProcessCrash { node });
            at += every;
        }
    }

    /// The link is slow until just before the restart, so that what is under way then belongs to the
    /// life before, and what comes after overtakes it.
    fn late_messages(&mut self, node: i32, at: u64, lasts: u64) {
        let extra_ns = self.dice.pick(&[60, 400, 900, 1_800]) * MS;
        let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 2 };
        let everybody = vec![Endpoint::Brokers];
        let (from, to, victim) = match self.dice.index(4) {
            0 => (vec![Endpoint::Node(node)], vec![Endpoint::Controllers], node),
            1 => (everybody, vec![Endpoint::Controllers], node),
            2 => (self.others_of(node), vec![Endpoint::Node(node)], self.other(node)),
            _ => (vec![Endpoint::Node(node)], self.others_of(node), node),
        };
        let one_way = self.dice.percent(70);
        let lasts = lasts.clamp(extra_ns, 4_000 * MS);
        self.push(at, lasts, Action::Link { from, to, one_way, effect });
        if self.dice.percent(40) {
            // it has just come back, and is about to be taken in
            let down = self.dice.between(5, 60) * MS;
            let back = down + self.timing.process_start_ns + self.dice.between(20, 900) * MS;
            let earlier = (at + lasts).saturating_sub(back).max(at);
            self.push(earlier, down, Action::ProcessCrash { node: victim });
        }
        let before = self.dice.around(40 * MS).min(lasts);
        let down = self.dice.between(5, 60) * MS;
        self.push(at + lasts - before, down, Action::ProcessCrash { node: victim });
    }

    fn staggered(&mut self, node: i32, at: u64) {
        let other = self.other(node);
        let away = self.timing.session_ns + self.timing.lag_ns + self.dice.around(800 * MS);
        let first = self.crash(node);
        self.push(at, away, first);
        let back = at + away + self.timing.process_start_ns;
        let before = self.dice.around(300 * MS).min(away);
        let second = self.crash(other);
        let away = self.timing.session_ns + self.dice.around(1_500 * MS);
        self.push(back - before, away, second);
    }

    fn unsynced_power(&mut self, node: i32, at: u64) {
        let extra_latency_ns = self.dice.pick(&[300, 800, 1_500]) * MS;
        let lasts = extra_latency_ns + self.dice.between(500, 4_000) * MS;
        self.push(at, lasts, Action::SlowDisk { node, rate_permille: 1_000, extra_latency_ns });
        if self.dice.percent(60) {
            self.push(at, lasts, Action::Load { producer: None, rate_permille: 3_000 });
        }
        let action = match self.powerless.contains(&node) {
            true => Action::HostCrash { node },
            false => Action::ProcessCrash { node },
        };
        let down = self.dice.between(20, 1_000) * MS;
        let before = self.dice.between(0, 400) * MS;
        self.push(at + lasts - before, down, action);
    }

    fn cold_start(&mut self, node: i32, at: u64) {
        let action = self.crash(node);
        let down = self.dice.between(20, 800) * MS;
        self.push(at, down, action);
        let up = at + down + self.timing.host_boot_ns + self.timing.process_start_ns;
        let extra_latency_ns = self.dice.pick(&[20, 100, 400]) * MS;
        let lasts = self.dice.between(1_500, 6_000) * MS;
        let slow = Action::SlowDisk { node, rate_permille: 100, extra_latency_ns };
        self.push(at + down, lasts, slow);
        if self.dice.percent(60) {
            // it leads, and loads what it coordinates, from a cold disk
            let other = self.other(node);
            let after = self.dice.between(300, 3_000) * MS;
            let down = self.dice.between(5, 800) * MS;
            self.push(up + after, down, Action::ProcessCrash { node: other });
        }
    }

    fn controller_restarts(&mut self, at: u64) {
        let mut at = at;
        let controllers = self.dice.shuffled(&self.controllers);
        let turns = self.dice.between(2, 5);
        for node in controllers.iter().cycle().take(usize::try_from(turns).unwrap_or(2)) {
            let node = *node;
            let action = match self.dice.percent(50) {
                true => Action::HostCrash { node },
                false => Action::ProcessCrash { node },
            };
            let down = self.dice.between(5, 80) * MS;
            self.push(at, down, action);
            at += self.dice.around(350 * MS);
        }
    }
}
