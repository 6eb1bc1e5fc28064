//! What a managed service lets one broker do, all of its clients together: the quotas of an MSK
//! Express broker, or a broker's part of those of a Serverless cluster. Kafka has quotas for
//! clients only; these are measured and answered in the same way.

use super::rate::{Rate, WINDOWS};
use crate::ids::TopicPartition;
use rustc_hash::FxHashMap;

/// Limits of a broker; `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Produce requests, bytes per second.
    pub produce_bytes_per_sec: Option<u64>,
    /// Answers to consumers, bytes per second.
    pub fetch_bytes_per_sec: Option<u64>,
    /// Records produced to one partition, bytes per second.
    pub partition_produce_bytes_per_sec: Option<u64>,
    /// Records of one partition for consumers, bytes per second.
    pub partition_fetch_bytes_per_sec: Option<u64>,
    /// Requests of clients per second.
    pub requests_per_sec: Option<u64>,
    /// Present where the broker's own figures (not those of a partition) are its part of quotas of the
    /// whole cluster, with so many brokers up. Those that are up share the whole.
    pub shared_by: Option<u32>,
}

impl BrokerLimits {
    /// Whether anything is limited.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }

    /// The limits while so many brokers of the cluster are up.
    pub(super) fn with_active(self, brokers: u32) -> Self {
        let Some(shared_by) = self.shared_by else { return self };
        let share = |part: Option<u64>| {
            part.map(|part| part.saturating_mul(u64::from(shared_by)) / u64::from(brokers.max(1)))
        };
        Self {
            produce_bytes_per_sec: share(self.produce_bytes_per_sec),
            fetch_bytes_per_sec: share(self.fetch_bytes_per_sec),
            requests_per_sec: share(self.requests_per_sec),
            ..self
        }
    }

    /// Limits of the broker and of a partition in one direction.
    pub(super) fn of(&self, flow: Flow) -> (Option<u64>, Option<u64>) {
        match flow {
            Flow::Produce => (self.produce_bytes_per_sec, self.partition_produce_bytes_per_sec),
            Flow::Fetch => (self.fetch_bytes_per_sec, self.partition_fetch_bytes_per_sec),
        }
    }
}

/// How much was done under the limits.
#[derive(Debug, Default)]
pub(super) struct LimitRates {
    produce: Rate,
    fetch: Rate,
    requests: Rate,
    /// By partition: produced, fetched. Looked up, never walked.
    partitions: FxHashMap<TopicPartition, [Rate; 2]>,
}

/// Direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    /// From producers.
    Produce,
    /// To consumers.
    Fetch,
}

/// Bytes of one request or answer.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub(super) flow: Flow,
    /// All of it, headers included.
    pub(super) bytes: u64,
    /// Records by partition.
    pub(super) partitions: Vec<(TopicPartition, u64)>,
}

impl Moved {
    /// Of the same partitions, nothing: asks how long what was counted must wait.
    pub(super) fn without_bytes(mut self) -> Self {
        self.bytes = 0;
        self.partitions.iter_mut().for_each(|(_, bytes)| *bytes = 0);
        self
    }
}

impl LimitRates {
    /// Counts a request. How long its sender must wait, ms.
    pub(super) fn request(&mut self, limits: &BrokerLimits, now_ms: u64) -> u64 {
        let Some(bound) = limits.requests_per_sec else { return 0 };
        self.requests.record(now_ms, 1);
        self.requests.throttle_ms(now_ms, 0, bound)
    }

    /// How long `bytes` must wait if they are counted now, ms.
    pub(super) fn throttle_ms(&mut self, limits: &BrokerLimits, now_ms: u64, moved: &Moved) -> u64 {
        let (bound, bound_of_partition) = limits.of(moved.flow);
        let rate = self.of(moved.flow);
        let mut wait_ms = bound.map_or(0, |bound| rate.throttle_ms(now_ms, moved.bytes, bound));
        if let Some(bound) = bound_of_partition {
            for (tp, bytes) in &moved.partitions {
                let rate = &mut self.partitions.entry(*tp).or_default()[moved.flow as usize];
                wait_ms = wait_ms.max(rate.throttle_ms(now_ms, *bytes, bound));
            }
        }
        wait_ms
    }

    /// Counts bytes.
    pub(super) fn record(&mut self, limits: &BrokerLimits, now_ms: u64, moved: &Moved) {
        let (bound, bound_of_partition) = limits.of(moved.flow);
        if bound.is_some() {
            self.of(moved.flow).record(now_ms, moved.bytes);
        }
        if bound_of_partition.is_some() {
            for (tp, bytes) in &moved.partitions {
                let rate = &mut self.partitions.entry(*tp).or_default()[moved.flow as usize];
                rate.record(now_ms, *bytes);
            }
        }
    }

    fn of(&mut self, flow: Flow) -> &mut Rate {
        match flow {
            Flow::Produce => &mut self.produce,
            Flow::Fetch => &mut self.fetch,
        }
    }
}

/// What fits into the windows of a quota: no answer may be larger, or it could never be sent
/// (`getMaxValueInQuotaWindow`).
pub(super) fn window_bytes(bound: u64) -> u64 {
    bound.saturating_mul((WINDOWS - 1) * Rate::WINDOW_MS / 1000)
}
