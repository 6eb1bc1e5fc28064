//! The sending side of a NIC: flows share its rate, max-min fair, each up to its own cap. Leaves
//! out packets: a flow is a fluid, and a message is through when its last byte has passed.
//!
//! Rates by water-filling: flows whose cap is below an even share run at their cap, the rest
//! share what is left evenly. Rates change only when a flow comes, goes or the credits run out, so
//! the fluid is exact between these times. Rounding: an even share loses less than 1 byte/s, an end
//! is at most 1 ns late.
//!
//! **Why a forecast is enough.** [`Egress::forecast`] tells when a message will be through if
//! nothing else is submitted. A later submission can only slow others down (max-min shares and
//! credits are both monotone), so a forecast is never too late: one event per message, and only
//! contention that arises afterwards costs another look.

use super::bucket::{Bucket, UNITS_PER_BYTE};
use stormglass_scenarios::plan::RatePlan;

/// Flows that leave, at most, in a forecast; beyond, it is only a lower bound.
const FORECAST_STEPS: u32 = 8;

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
    bucket: Bucket,
    /// Flows with something to send, lowest cap first.
    flows: Vec<Flow>,
    at_ns: u64,
    sent_units: u128,
    saturated_ns: u64,
    scratch: Vec<Flow>,
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    cap: u64,
    /// Units left of the first message, and of all behind it.
    head: u64,
    behind: u64,
    pipe: u32,
}

/// How a rate is shared: the first `capped` flows run at their cap, the others at `share`.
#[derive(Debug, Clone, Copy)]
struct Fill {
    capped: usize,
    share: u64,
    total: u64,
}

impl Fill {
    fn of(flows: &[Flow], limit: u64) -> Self {
        let mut left = limit;
        for (index, flow) in flows.iter().enumerate() {
            let sharers = (flows.len() - index) as u64;
            if flow.cap * sharers >= left {
                // The rounding of the share counts as used, or credits would grow out of it.
                return Self { capped: index, share: (left / sharers).max(1), total: limit };
            }
            left -= flow.cap;
        }
        Self { capped: flows.len(), share: 0, total: limit - left }
    }

    fn rate(&self, index: usize, flow: &Flow) -> u64 {
        if index < self.capped { flow.cap } else { self.share }
    }
}

impl Egress {
    pub(super) fn new(plan: RatePlan) -> Self {
        Self {
            bucket: Bucket::new(plan),
            flows: Vec::new(),
            at_ns: 0,
            sent_units: 0,
            saturated_ns: 0,
            scratch: Vec::new(),
        }
    }

    /// Lets the fluid run until `now_ns`.
    pub(super) fn advance(&mut self, now_ns: u64, marks: &mut impl Marks) {
        debug_assert!(now_ns >= self.at_ns, "a NIC never goes back");
        while self.at_ns < now_ns {
            if self.flows.is_empty() {
                self.bucket.flow(0, now_ns - self.at_ns);
                self.at_ns = now_ns;
                return;
            }
            let limit = self.bucket.limit();
            let fill = Fill::of(&self.flows, limit);
            let next_ns = self.next_head_ns(fill).min(now_ns - self.at_ns);
            let dt_ns = self.bucket.depletion_within(fill.total, next_ns);
            self.bucket.flow(fill.total, dt_ns);
            self.sent_units += u128::from(fill.total) * u128::from(dt_ns);
            self.saturated_ns += if fill.total == limit { dt_ns } else { 0 };
            self.at_ns += dt_ns;
            self.serve(fill, dt_ns, marks);
        }
    }

    /// Adds a message. The caller has advanced to now.
    pub(super) fn push(&mut self, pipe: u32, cap: u64, units: u64) {
        assert!(units > 0, "a message has bytes");
        if let Some(flow) = self.flows.iter_mut().find(|flow| flow.pipe == pipe) {
            flow.behind += units;
            return;
        }
        let cap = cap.clamp(1, CAP_MAX);
        let place = self.flows.partition_point(|flow| flow.cap <= cap);
        self.flows.insert(place, Flow { cap, head: units, behind: 0, pipe });
    }

    /// Forgets what a pipe has not sent yet.
    pub(super) fn remove(&mut self, pipe: u32) {
        self.flows.retain(|flow| flow.pipe != pipe);
    }

    /// Changes a flow's cap. The caller has advanced to now.
    pub(super) fn set_cap(&mut self, pipe: u32, cap: u64) {
        let Some(place) = self.flows.iter().position(|flow| flow.pipe == pipe) else { return };
        let flow = Flow { cap: cap.clamp(1, CAP_MAX), ..self.flows.remove(place) };
        let place = self.flows.partition_point(|other| other.cap <= flow.cap);
        self.flows.insert(place, flow);
    }

    /// Sets the credits. The caller has advanced to now.
    pub(super) fn set_credits(&mut self, permille: u32) {
        self.bucket.set_permille(permille);
    }

    /// When the first message of `pipe` is through if nothing else comes; never later than what
    /// will happen. The caller has advanced to now.
    pub(super) fn forecast(&mut self, pipe: u32) -> u64 {
        if let [flow] = self.flows.as_slice() {
            assert_eq!(flow.pipe, pipe, "only a pipe with something to send has a forecast");
            let rate = flow.cap.min(self.bucket.limit());
            let dt_ns = flow.head.div_ceil(rate);
            if self.bucket.depletion_within(rate, dt_ns) == dt_ns {
                return self.at_ns + dt_ns;
            }
        }
        match step(&self.flows, &self.bucket, pipe) {
            (_, Step::Ends(dt_ns)) => self.at_ns + dt_ns,
            (fill, Step::Changes(dt_ns)) => self.forecast_far(pipe, fill, dt_ns),
        }
    }

    /// As [`Self::forecast`] when rates, which are `fill` now, change after `dt_ns`.
    fn forecast_far(&mut self, pipe: u32, mut fill: Fill, mut dt_ns: u64) -> u64 {
        let mut flows = std::mem::take(&mut self.scratch);
        flows.clone_from(&self.flows);
        let (mut bucket, mut at_ns) = (self.bucket, self.at_ns);
        let mut left = FORECAST_STEPS;
        let through_ns = loop {
            bucket.flow(fill.total, dt_ns);
            at_ns += dt_ns;
            run_ahead(&mut flows, fill, dt_ns);
            left -= 1;
            if left == 0 {
                let flow = flows.iter().find(|flow| flow.pipe == pipe).expect("not ended yet");
                break at_ns + (flow.head / flow.cap.min(bucket.limit())).max(1);
            }
            match step(&flows, &bucket, pipe) {
                (_, Step::Ends(dt_ns)) => break at_ns + dt_ns,
                (now, Step::Changes(after_ns)) => (fill, dt_ns) = (now, after_ns),
            }
        };
        self.scratch = flows;
        through_ns
    }

    /// Pipes with something to send.
    pub(super) fn pipes(&self) -> Vec<u32> {
        self.flows.iter().map(|flow| flow.pipe).collect()
    }

    /// Bytes sent since the last call, and for how long the limit was reached, ns.
    pub(super) fn take_usage(&mut self) -> (u64, u64) {
        let bytes = self.sent_units / u128::from(UNITS_PER_BYTE);
        self.sent_units -= bytes * u128::from(UNITS_PER_BYTE);
        (bytes as u64, std::mem::take(&mut self.saturated_ns))
    }

    /// Bytes that wait.
    pub(super) fn backlog_bytes(&self) -> u64 {
        let units = self.flows.iter().map(|flow| u128::from(flow.head) + u128::from(flow.behind));
        (units.sum::<u128>() / u128::from(UNITS_PER_BYTE)) as u64
    }

    /// Credits left, parts per thousand.
    pub(super) fn credits_permille(&self) -> u32 {
        self.bucket.permille()
    }

    fn next_head_ns(&self, fill: Fill) -> u64 {
        let (capped, fair) = self.flows.split_at(fill.capped);
        let first_capped = capped.iter().map(|flow| flow.head.div_ceil(flow.cap)).min();
        // All fair flows have one rate, so the least work is the first to end.
        let first_fair = fair.iter().map(|flow| flow.head).min().map(|u| u.div_ceil(fill.share));
        first_capped.into_iter().chain(first_fair).min().unwrap_or(u64::MAX)
    }

    fn serve(&mut self, fill: Fill, dt_ns: u64, marks: &mut impl Marks) {
        let mut idle = false;
        for (index, flow) in self.flows.iter_mut().enumerate() {
            let served = fill.rate(index, flow) * dt_ns;
            if served < flow.head {
                flow.head -= served;
                continue;
            }
            let next = marks.through(flow.pipe, self.at_ns);
            assert!(next <= flow.behind, "a pipe and its NIC disagree");
            flow.behind -= next;
            // What the rounded-up time served beyond the end belongs to the next message.
            let beyond = served - flow.head;
            flow.head = if next == 0 { 0 } else { next.saturating_sub(beyond).max(1) };
            idle |= next == 0;
        }
        if idle {
            self.flows.retain(|flow| flow.head > 0);
        }
    }
}

/// What comes first while rates stay as they are.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The head of the pipe in question is through after this time, ns.
    Ends(u64),
    /// Rates change after this time, ns.
    Changes(u64),
}

fn step(flows: &[Flow], bucket: &Bucket, pipe: u32) -> (Fill, Step) {
    let fill = Fill::of(flows, bucket.limit());
    let index = flows.iter().position(|flow| flow.pipe == pipe);
    let index = index.expect("only a pipe with something to send has a forecast");
    let end_ns = flows[index].head.div_ceil(fill.rate(index, &flows[index]));
    // Who runs at its cap does so whoever leaves, and the use of credits only falls.
    if index < fill.capped && bucket.depletion_within(fill.total, end_ns) == end_ns {
        return (fill, Step::Ends(end_ns));
    }
    let leave_ns = first_leave_ns(flows, fill, pipe);
    let dt_ns = bucket.depletion_within(fill.total, leave_ns.min(end_ns));
    (fill, if end_ns <= dt_ns { Step::Ends(end_ns) } else { Step::Changes(dt_ns) })
}

/// Lets copies of flows run for `dt_ns`. Where one message ends and the next begins is not kept.
fn run_ahead(flows: &mut Vec<Flow>, fill: Fill, dt_ns: u64) {
    for (index, flow) in flows.iter_mut().enumerate() {
        let served = fill.rate(index, flow) * dt_ns;
        let from_behind = served.saturating_sub(flow.head);
        flow.behind = flow.behind.saturating_sub(from_behind);
        flow.head = flow.head.saturating_sub(served);
    }
    flows.retain(|flow| flow.head + flow.behind > 0);
}

/// When the first flow other than `pipe` has nothing left.
fn first_leave_ns(flows: &[Flow], fill: Fill, pipe: u32) -> u64 {
    let left = |flow: &Flow| flow.head.saturating_add(flow.behind);
    let (capped, fair) = flows.split_at(fill.capped);
    let others = |flow: &&Flow| flow.pipe != pipe;
    let first_capped = capped.iter().filter(others).map(|flow| left(flow).div_ceil(flow.cap)).min();
    // One division for all that share evenly.
    let first_fair = fair.iter().filter(others).map(left).min().map(|u| u.div_ceil(fill.share));
    first_capped.into_iter().chain(first_fair).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
