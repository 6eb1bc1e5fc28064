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
    /// What a broker has on its disk cannot be read, and it leads more and more.
    RotTakesOver,
    /// A broker ends in order while another one does not hear of who leads now.
    DeafSuccessor,
    /// A follower goes on copying, and more is written than it can copy.
    LagsBehind,
    /// Next to nothing is written for a while, so that logs may be deleted to their ends, and the host
    /// loses power.
    IdlePower,
}

impl Compound {
    pub(super) const ALL: [Self; 11] = [
        Self::RestartTwice,
        Self::PingPong,
        Self::LateMessages,
        Self::Staggered,
        Self::UnsyncedPower,
        Self::ColdStart,
        Self::ControllerRestarts,
        Self::RotTakesOver,
        Self::DeafSuccessor,
        Self::LagsBehind,
        Self::IdlePower,
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
            Compound::RotTakesOver => self.rot_takes_over(node, at),
            Compound::DeafSuccessor => self.deaf_successor(node, at),
            Compound::LagsBehind => self.lags_behind(node, at),
            Compound::IdlePower => self.idle_power(node, at),
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

    fn rot_takes_over(&mut self, node: i32, at: u64) {
        let lasts = self.dice.between(2_000, 8_000) * MS;
        let share_permille = self.dice.pick(&[200, 1_000, 1_000]);
        self.push(at, lasts, Action::BitRot { node, share_permille });
        let others: Vec<i32> = self.brokers.iter().copied().filter(|id| *id != node).collect();
        let mut at = at;
        for other in self.dice.shuffled(&others).into_iter().take(2) {
            at += self.dice.around(400 * MS);
            let down = self.timing.session_ns + self.dice.around(600 * MS);
            self.push(at, down, Action::ProcessCrash { node: other });
            at += down + self.timing.process_start_ns;
        }
    }

    fn deaf_successor(&mut self, node: i32, at: u64) {
        let other = self.other(node);
        // not so long that it is fenced
        let deaf = self.timing.session_ns * self.dice.between(30, 95) / 100;
        let action = match self.dice.percent(50) {
            true => Action::ProcessPause { node: other },
            false => {
                let (from, to) = (vec![Endpoint::Controllers], vec![Endpoint::Node(other)]);
                let extra_ns = deaf.min(1_500 * MS);
                let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 20 };
                Action::Link { from, to, one_way: true, effect }
            }
        };
        self.push(at, deaf, action);
        let late = self.dice.around(150 * MS).min(deaf);
        self.orderly_restart(node, at + late);
    }

    fn idle_power(&mut self, node: i32, at: u64) {
        let lasts = self.dice.between(2_500, 9_000) * MS;
        self.push(at, lasts, Action::Load { producer: None, rate_permille: 2 });
        let node = match self.powerless.first() {
            Some(powerless) if self.dice.percent(70) => *powerless,
            _ => node,
        };
        let action = match self.powerless.contains(&node) {
            true => Action::HostCrash { node },
            false => Action::ProcessCrash { node },
        };
        let down = self.dice.between(20, 1_000) * MS;
        let before = self.dice.between(0, 1_200) * MS;
        self.push(at + lasts - before, down, action);
    }

    fn lags_behind(&mut self, node: i32, at: u64) {
        let lasts = 3 * self.timing.lag_ns + self.dice.between(2_000, 5_000) * MS;
        let extra_ns = self.dice.pick(&[30, 80, 200]) * MS;
        let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 10 };
        let (from, to) = (vec![Endpoint::Node(node)], self.others_of(node));
        self.push(at, lasts, Action::Link { from, to, one_way: false, effect });
        if self.dice.percent(70) {
            self.push(at, lasts, Action::Load { producer: None, rate_permille: 3_000 });
        }
    }
}
