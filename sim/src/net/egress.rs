//! The sending side of a NIC: flows share its rate, max-min fair, each up to its own cap. Leaves
//! out packets: a flow is a fluid, and a message is through when its last byte has passed.
//!
//! Rates by water-filling: flows whose cap is below an even share run at their cap, the rest
//! share what is left evenly. Rates change only when a flow comes, goes or the credits run out, so
//! the fluid is exact between these times: such a [`Phase`] is worked out once, and a flow is not
//! touched before its own rate changes. Rounding: an even share loses less than 1 byte/s, an end is
//! at most 1 ns late.
//!
//! **Why a forecast is enough.** [`Egress::forecast`] tells when a message will be through if
//! nothing else is submitted. A later submission can only slow others down (max-min shares and
//! credits are both monotone), so a forecast is never too late: one event per message, and only
//! contention that arises afterwards costs another look.

mod ahead;

use super::bucket::{Bucket, UNITS_PER_BYTE};
use ahead::Ahead;
use stormglass_scenarios::plan::RatePlan;

/// No cap is above this, bytes per second: keeps products within 64 bits.
const CAP_MAX: u64 = 1_000_000_000_000;

/// Learns which message is through.
pub(super) trait Marks {
    /// The head message of `pipe` is through at `at_ns`. Returns the next one's units, 0 if none.
    fn through(&mut self, pipe: u32, at_ns: u64) -> u64;
}

/// The sending side of a NIC.
#[derive(Debug)]
pub(super) struct Egress {
    /// As of the beginning of the phase.
    bucket: Bucket,
    /// Flows with something to send, lowest cap first.
    flows: Vec<Flow>,
    phase: Phase,
    /// Flows have changed since the phase was worked out. The present is its beginning.
    stale: bool,
    /// Until when the fluid has run.
    at_ns: u64,
    sent_units: u128,
    saturated_ns: u64,
    ahead: Ahead,
}

/// The fluid for as long as rates stay as they are.
#[derive(Debug, Clone, Copy)]
struct Phase {
    began_ns: u64,
    /// When the first message is through or the credits run out; `u64::MAX` if neither will be.
    ends_ns: u64,
    limit: u64,
    fill: Fill,
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    cap: u64,
    /// Units left of the first message as of `since_ns`, and of all behind it.
    head: u64,
    behind: u64,
    pipe: u32,
    /// Units per ns since then; 0 before the first phase.
    rate: u64,
    since_ns: u64,
    /// When the first message is through at that rate.
    ends_ns: u64,
}

impl Flow {
    /// The flow with what is left of it at `now_ns`, not after the end of its first message.
    fn at(self, now_ns: u64) -> Self {
        let served = self.rate * (now_ns - self.since_ns);
        Self { head: self.head - served, since_ns: now_ns, ..self }
    }

    /// From `now_ns` on the flow runs at `rate`.
    fn set_rate(&mut self, now_ns: u64, rate: u64) {
        if rate != self.rate {
            *self = Self { rate, ..self.at(now_ns) };
            self.ends_ns = now_ns.saturating_add(self.head.div_ceil(rate));
        }
    }
}

/// How a rate is shared: the first `capped` flows run at their cap, the others at `share`.
#[derive(Debug, Clone, Copy)]
struct Fill {
    capped: usize,
    share: u64,
    total: u64,
}

impl Fill {
    /// Nobody sends.
    const NONE: Self = Self { capped: 0, share: 0, total: 0 };

    /// [`Self::of`] a single flow with this cap, which has the rate `total`.
    fn of_one(cap: u64, limit: u64) -> Self {
        if cap > limit {
            Self { capped: 0, share: limit, total: limit }
        } else {
            Self { capped: 1, share: 0, total: cap }
        }
    }

    /// For flows with these caps, lowest first.
    fn of(caps: impl ExactSizeIterator<Item = u64>, limit: u64) -> Self {
        let mut left = limit;
        let count = caps.len();
        for (index, cap) in caps.enumerate() {
            let sharers = (count - index) as u64;
            // A cap that is just the even share is not in anybody's way.
            if cap * sharers > left {
                // The rounding of the share counts as used, or credits would grow out of it.
                return Self { capped: index, share: (left / sharers).max(1), total: limit };
            }
            left -= cap;
        }
        Self { capped: count, share: 0, total: limit - left }
    }

    /// Rate of the flow at `index`, whose cap is `cap`.
    fn rate(&self, index: usize, cap: u64) -> u64 {
        if index < self.capped { cap } else { self.share }
    }
}

impl Egress {
    pub(super) fn new(plan: RatePlan) -> Self {
        let bucket = Bucket::new(plan);
        let (fill, limit) = (Fill::NONE, bucket.limit());
        Self {
            bucket,
            flows: Vec::new(),
            phase: Phase { began_ns: 0, ends_ns: u64::MAX, limit, fill },
            stale: false,
            at_ns: 0,
            sent_units: 0,
            saturated_ns: 0,
            ahead: Ahead::default(),
        }
    }

    /// Lets the fluid run until `now_ns`.
    #[inline]
    pub(super) fn advance(&mut self, now_ns: u64, marks: &mut impl Marks) {
        debug_assert!(now_ns >= self.at_ns, "a NIC never goes back");
        if self.stale && now_ns > self.at_ns {
            self.begin_phase();
        }
        while self.phase.ends_ns <= now_ns {
            self.flow_until(self.phase.ends_ns);
            self.pass(marks);
            self.begin_phase();
        }
        self.at_ns = now_ns;
    }

    /// Adds a message. The caller has advanced to now.
    pub(super) fn push(&mut self, pipe: u32, cap: u64, units: u64) {
        assert!(units > 0, "a message has bytes");
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.pipe == pipe) {
            flow.behind += units;
            return;
        }
        let cap = cap.clamp(1, CAP_MAX);
        let (since_ns, ends_ns) = (self.at_ns, u64::MAX);
        self.insert(Flow { cap, head: units, behind: 0, pipe, rate: 0, since_ns, ends_ns });
        self.change();
    }

    /// Forgets what a pipe has not sent yet.
    pub(super) fn remove(&mut self, pipe: u32) {
        self.flows.retain(|flow| flow.pipe != pipe);
        self.change();
    }

    /// Changes a flow's cap. The caller has advanced to now.
    pub(super) fn set_cap(&mut self, pipe: u32, cap: u64) {
        let Some(place) = self.flows.iter().position(|flow| flow.pipe == pipe) else { return };
        let flow = Flow { cap: cap.clamp(1, CAP_MAX), ..self.flows.remove(place) };
        self.insert(flow);
        self.change();
    }

    /// Sets the credits. The caller has advanced to now.
    pub(super) fn set_credits(&mut self, permille: u32) {
        self.change();
        self.bucket.set_permille(permille);
    }

    /// When the first message of `pipe` is through if nothing else comes; never later than what
    /// will happen. The caller has advanced to now.
    pub(super) fn forecast(&mut self, pipe: u32) -> u64 {
        if self.stale {
            self.begin_phase();
        }
        let Phase { began_ns, ends_ns, fill, .. } = self.phase;
        let index = self.flows.iter().position(|flow| flow.pipe == pipe);
        let index = index.expect("only a pipe with something to send has a forecast");
        let through_ns = self.flows[index].ends_ns;
        if through_ns == ends_ns {
            return through_ns;
        }
        // Who runs at its cap does so whoever leaves, and the use of credits only falls.
        let end_ns = through_ns - began_ns;
        if index < fill.capped && self.bucket.depletion_within(fill.total, end_ns) == end_ns {
            return through_ns;
        }
        self.ahead.look(began_ns, &self.flows, index, self.bucket)
    }

    /// Pipes with something to send.
    pub(super) fn pipes(&self) -> Vec<u32> {
        self.flows.iter().map(|flow| flow.pipe).collect()
    }

    /// Bytes sent since the last call, and for how long the limit was reached, ns.
    pub(super) fn take_usage(&mut self) -> (u64, u64) {
        self.flow_until(self.at_ns);
        let bytes = self.sent_units / u128::from(UNITS_PER_BYTE);
        self.sent_units -= bytes * u128::from(UNITS_PER_BYTE);
        (bytes as u64, std::mem::take(&mut self.saturated_ns))
    }

    /// Bytes that wait.
    pub(super) fn backlog_bytes(&self) -> u64 {
        let left = self
            .flows
            .iter()
            .map(|flow| u128::from(flow.at(self.at_ns).head) + u128::from(flow.behind));
        (left.sum::<u128>() / u128::from(UNITS_PER_BYTE)) as u64
    }

    /// Credits left, parts per thousand.
    pub(super) fn credits_permille(&mut self) -> u32 {
        self.flow_until(self.at_ns);
        self.bucket.permille()
    }

    /// Keeps flows in order of their caps.
    fn insert(&mut self, flow: Flow) {
        let place = self.flows.partition_point(|other| other.cap <= flow.cap);
        self.flows.insert(place, flow);
    }

    /// Flows or credits change now: the phase is worked out anew when it is needed, which is once
    /// for all that comes at one time.
    fn change(&mut self) {
        self.flow_until(self.at_ns);
        self.stale = true;
    }

    /// Works out the phase that begins where the last one was left. Most NICs send one message, or
    /// none: that takes no loop.
    #[inline]
    fn begin_phase(&mut self) {
        self.stale = false;
        let (phase, limit) = (&mut self.phase, self.bucket.limit());
        match self.flows.as_mut_slice() {
            [] => {
                *phase = Phase { ends_ns: u64::MAX, limit, fill: Fill::NONE, ..*phase };
            }
            [only] => {
                let fill = Fill::of_one(only.cap, limit);
                only.set_rate(phase.began_ns, fill.total);
                let dt_ns = only.ends_ns - phase.began_ns;
                let dt_ns = self.bucket.depletion_within(fill.total, dt_ns);
                *phase = Phase { ends_ns: phase.began_ns + dt_ns, limit, fill, ..*phase };
            }
            _ => self.begin_shared_phase(),
        }
    }

    fn begin_shared_phase(&mut self) {
        let phase = &mut self.phase;
        phase.limit = self.bucket.limit();
        phase.fill = Fill::of(self.flows.iter().map(|flow| flow.cap), phase.limit);
        phase.ends_ns = u64::MAX;
        for (index, flow) in self.flows.iter_mut().enumerate() {
            flow.set_rate(phase.began_ns, phase.fill.rate(index, flow.cap));
            phase.ends_ns = phase.ends_ns.min(flow.ends_ns);
        }
        if phase.ends_ns < u64::MAX {
            let dt_ns = phase.ends_ns - phase.began_ns;
            phase.ends_ns = phase.began_ns + self.bucket.depletion_within(phase.fill.total, dt_ns);
        }
    }

    /// Moves the beginning of the phase to `at_ns`. The phase goes on as it is.
    fn flow_until(&mut self, at_ns: u64) {
        let phase = &mut self.phase;
        let dt_ns = at_ns - phase.began_ns;
        phase.began_ns = at_ns;
        self.bucket.flow(phase.fill.total, dt_ns);
        self.sent_units += u128::from(phase.fill.total) * u128::from(dt_ns);
        self.saturated_ns += if phase.fill.total == phase.limit { dt_ns } else { 0 };
    }

    /// Messages that end where the phase is are through.
    fn pass(&mut self, marks: &mut impl Marks) {
        let now_ns = self.phase.began_ns;
        let mut idle = false;
        for flow in self.flows.iter_mut().filter(|flow| flow.ends_ns <= now_ns) {
            let next = marks.through(flow.pipe, now_ns);
            assert!(next <= flow.behind, "a pipe and its NIC disagree");
            if next == 0 {
                flow.head = 0;
                idle = true;
                continue;
            }
            flow.behind -= next;
            // What the rounded-up time served beyond the end belongs to the next message.
            let beyond = flow.rate * (now_ns - flow.since_ns) - flow.head;
            flow.head = next.saturating_sub(beyond).max(1);
            flow.since_ns = now_ns;
            flow.ends_ns = now_ns.saturating_add(flow.head.div_ceil(flow.rate));
        }
        if idle {
            self.flows.retain(|flow| flow.head > 0);
        }
    }
}

#[cfg(test)]
mod tests;
