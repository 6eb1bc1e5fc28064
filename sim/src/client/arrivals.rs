//! Where a producer's records come from: a lazily pulled sequence of intended times.

use std::fmt::Debug;

/// One record that the workload wants sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When, ns. Never earlier than the arrival before it.
    pub intended_ns: u64,
    /// Size of key and value as Kafka sees them, bytes.
    pub bytes: u32,
    /// murmur2 of the key; `None` without a key.
    pub key_hash: Option<u32>,
}

/// The arrivals of one producer instance.
pub trait Arrivals: Debug + Send {
    /// The next record. `None`: none for now; asked again after [`Arrivals::completed`] or
    /// [`Arrivals::set_rate`].
    fn pull(&mut self) -> Option<Arrival>;

    /// The load changes now. Arrivals pulled but intended later than `now_ns` have been dropped;
    /// the sequence goes on from `now_ns`.
    fn set_rate(&mut self, now_ns: u64, rate_permille: u32);

    /// Records ended (closed loops start new ones).
    fn completed(&mut self, now_ns: u64, records: u64) {
        let _ = (now_ns, records);
    }
}
