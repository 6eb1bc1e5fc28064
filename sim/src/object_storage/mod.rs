//! Object storage as Amazon S3 describes it: what a request takes, how many are admitted, and what
//! is stored. Leaves out how buckets split into more partitions under load, list requests, and what
//! unfinished uploads cost.
//!
//! - A request is admitted while its prefix has tokens left: `remote.put_per_sec` (writes and
//!   deletions) and `remote.get_per_sec` flow in, at most a second's worth are kept. Without one it is
//!   answered with 503 Slow Down. Partitions are spread over `remote.prefixes` prefixes.
//! - An admitted request's answer begins after a latency from `remote_request`; its bytes then flow
//!   at no more than `remote.request_bytes_per_sec` (the network model's cap of a flow), through the
//!   broker's NIC like everything else.
//! - While a fault is on, a share of the requests is answered with 503, and latencies are longer.

mod chunks;
mod objects;
#[cfg(test)]
mod tests;

pub(crate) use chunks::{Chunk, ChunkCache};
pub(crate) use objects::{Objects, Stretch};

use crate::cpu::{MissingConstant, constant};
use crate::disk::Latency;
use crate::rng::{Stream, Streams};
use stormglass_broker_core::ids::TopicPartition;
use stormglass_scenarios::plan::{ModelPlan, Quantiles};

const SECOND_NS: u128 = 1_000_000_000;

/// Kinds of requests, by the limit that they fall under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// PUT, also of a part, and DELETE.
    Put,
    /// GET of a range.
    Get,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `false`: 503 Slow Down.
    pub(crate) admitted: bool,
    /// Time to the first byte of the answer, ns.
    pub(crate) latency_ns: u64,
}

/// Requests and bytes over the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meters {
    pub(crate) puts: u64,
    pub(crate) gets: u64,
    /// Requests answered with 503.
    pub(crate) rejected: u64,
    pub(crate) put_bytes: u64,
    pub(crate) get_bytes: u64,
}

/// What brokers' clients of the storage do, and how it is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientSpec {
    /// A segment is uploaded in parts of so many bytes.
    pub(crate) part_bytes: u64,
    /// Segments are read in ranges of so many bytes.
    pub(crate) chunk_bytes: u64,
    /// Chunks that are read ahead of a sequential reader.
    pub(crate) readahead_chunks: u64,
    /// Chunks that a broker keeps.
    pub(crate) cached_chunks: usize,
    /// Times that a request is sent before it counts as failed.
    pub(crate) attempts: u32,
    /// Pause before the second attempt, ns; doubled for each further one, half of it drawn.
    pub(crate) backoff_ns: u64,
    /// A look into the store of remote log metadata, or a change of it, ns.
    pub(crate) metadata_ns: u64,
    /// Highest rate of one request, bytes per second.
    pub(crate) request_bytes_per_sec: u64,
}

impl ClientSpec {
    fn new(model: &ModelPlan) -> Result<Self, MissingConstant> {
        let chunk_bytes = constant(model, "remote.chunk_bytes")?.max(1);
        let cached = constant(model, "remote.cache_bytes")? / chunk_bytes;
        let attempts = constant(model, "remote.attempts")?.max(1);
        Ok(Self {
            part_bytes: constant(model, "remote.part_bytes")?.max(1),
            chunk_bytes,
            readahead_chunks: constant(model, "remote.readahead_bytes")? / chunk_bytes,
            cached_chunks: usize::try_from(cached).unwrap_or(usize::MAX).max(1),
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            backoff_ns: constant(model, "remote.backoff_ns")?,
            metadata_ns: constant(model, "remote.metadata_ns")?,
            request_bytes_per_sec: constant(model, "remote.request_bytes_per_sec")?.max(1),
        })
    }
}

/// A fault of the storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StorageFault {
    /// Share of requests answered with 503, parts per thousand.
    pub(crate) reject_permille: u32,
    /// Added to every latency, ns.
    pub(crate) extra_latency_ns: u64,
}

/// Tokens of one prefix: a billionth of a request each.
#[derive(Debug, Clone, Copy)]
struct Tokens {
    level: u128,
    at_ns: u64,
}

impl Tokens {
    /// Takes a request's worth, if there is one.
    fn take(&mut self, now_ns: u64, per_sec: u64) -> bool {
        let full = u128::from(per_sec) * SECOND_NS;
        let earned = u128::from(per_sec) * u128::from(now_ns - self.at_ns);
        self.level = (self.level + earned).min(full);
        self.at_ns = now_ns;
        let admits = self.level >= SECOND_NS;
        if admits {
            self.level -= SECOND_NS;
        }
        admits
    }
}

/// Object storage of a cluster.
#[derive(Debug)]
pub(crate) struct ObjectStorage {
    pub(crate) client: ClientSpec,
    pub(crate) objects: Objects,
    pub(crate) meters: Meters,
    pub(crate) fault: StorageFault,
    put_per_sec: u64,
    get_per_sec: u64,
    /// Per prefix, writes and reads.
    prefixes: Vec<[Tokens; 2]>,
    latency: Latency,
    chance: Stream,
}

impl ObjectStorage {
    /// From the `remote.*` constants of a plan.
    ///
    /// # Errors
    /// Names the constant that is missing.
    pub(crate) fn new(model: &ModelPlan, streams: &Streams) -> Result<Self, MissingConstant> {
        let (put_per_sec, get_per_sec) =
            (constant(model, "remote.put_per_sec")?, constant(model, "remote.get_per_sec")?);
        let prefixes = usize::try_from(constant(model, "remote.prefixes")?).unwrap_or(1).max(1);
        let full = |per_sec: u64| Tokens { level: u128::from(per_sec) * SECOND_NS, at_ns: 0 };
        let none = Quantiles { points: Vec::new(), source: String::new(), confidence: "U".into() };
        let latency = model.remote_request.as_ref().unwrap_or(&none);
        Ok(Self {
            client: ClientSpec::new(model)?,
            objects: Objects::default(),
            meters: Meters::default(),
            fault: StorageFault::default(),
            put_per_sec,
            get_per_sec,
            prefixes: vec![[full(put_per_sec), full(get_per_sec)]; prefixes],
            latency: Latency::new(latency, streams.stream("object-storage", "latency")),
            chance: streams.stream("object-storage", "faults"),
        })
    }

    /// Answers a request for a partition's objects that moves `bytes` if it is admitted.
    pub(crate) fn answer(
        &mut self,
        now_ns: u64,
        tp: TopicPartition,
        (verb, bytes): (Verb, u64),
    ) -> Answer {
        let prefix = prefix_of(tp, self.prefixes.len());
        let (which, per_sec) = match verb {
            Verb::Put => (0, self.put_per_sec),
            Verb::Get => (1, self.get_per_sec),
        };
        let within_limit = self.prefixes[prefix][which].take(now_ns, per_sec);
        let fault = self.fault;
        let refused =
            fault.reject_permille > 0 && self.chance.chance_ppm(fault.reject_permille * 1000);
        let admitted = within_limit && !refused;
        let latency_ns = self.latency.draw() + fault.extra_latency_ns;
        let meters = &mut self.meters;
        match (admitted, verb) {
            (false, _) => meters.rejected += 1,
            (true, Verb::Put) => {
                meters.puts += 1;
                meters.put_bytes += bytes;
            }
            (true, Verb::Get) => {
                meters.gets += 1;
                meters.get_bytes += bytes;
            }
        }
        Answer { admitted, latency_ns }
    }
}

/// Objects of a partition share a prefix.
fn prefix_of(tp: TopicPartition, prefixes: usize) -> usize {
    let topic = tp.topic.0;
    let hash = ((topic ^ (topic >> 64)) as u64).wrapping_mul(31);
    let hash = hash.wrapping_add(u64::from(tp.partition.unsigned_abs()));
    usize::try_from(hash % prefixes as u64).unwrap_or(0)
}
