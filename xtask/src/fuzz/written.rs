//! Whether a broker still has what another one has written.

use super::asker::{Asker, Topic};
use super::damage::Damage;
use super::disk::{Kept, Logs, reaches};
use super::fill::{Filled, GROUP, PAYER, POSITION, begin, find_coordinator, fresh};
use crate::conformance::differential::peer::Peer;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::protocol::{
    AbortedTransaction, Acks, CoordinatorKind, FetchPartition, FetchPartitionResponse,
    FetchRequest, IsolationLevel, MetadataRequest, OffsetFetchGroup, OffsetFetchRequest,
    ProducePartition, ProduceRequest, Request, Response,
};
use stormglass_broker_core::records::{Batch, Records};

/// Tries until a partition must be led after a start, about 10 s.
pub(super) const TRIES: u32 = 10_000;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(1);
/// The log without which nobody knows any topic.
const METADATA: &str = "__cluster_metadata-0";
/// Where logs begin, as operators' deletions have it.
const LOG_STARTS: &str = "log-start-offset-checkpoint";

/// Appends, and waits while the partition is not led yet.
pub(super) fn append(asker: &mut Asker, partition: i32, batch: &Arc<Batch>) -> Result<(), String> {
    let tp = TopicPartition::new(asker.topic.id, partition);
    let name = Arc::clone(&asker.topic.name);
    let mut tries = 0;
    loop {
        let records = Records::single(Arc::clone(batch));
        let partitions = vec![ProducePartition { tp, records }];
        let request = ProduceRequest { acks: Acks::All, timeout_ms: 5000, partitions };
        match asker.ask(&Request::Produce(request))? {
            Response::Produce(answer) => match answer.partitions[0].error {
                ErrorCode::None => return Ok(()),
                error if error.is_retriable() && tries < TRIES => pause(&mut tries),
                error => return Err(format!("{name}-{partition} takes no records: {error:?}")),
            },
            other => return Err(format!("produce was answered with {other:?}")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a broker of another thread is waited for")]
pub(super) fn pause(tries: &mut u32) {
    *tries += 1;
    std::thread::sleep(PAUSE);
}

/// What a sound broker says of a topic's transactions: those that were aborted.
pub(super) type Aborted = Vec<(i64, Offset)>;

/// Aborted transactions that a reader of committed records is told of.
pub(super) fn aborted(address: SocketAddr, topic: &Topic) -> Result<Aborted, String> {
    let mut asker = Asker::connect(address, topic.clone())?;
    let all = Wanted { offset: 0, max_bytes: 1 << 20, isolation: IsolationLevel::ReadCommitted };
    let answer = fetch(address, &mut asker, 0, all)?.ok_or("no answer")?;
    let entry = |aborted: &AbortedTransaction| (aborted.producer_id, aborted.first_offset);
    let mut found: Aborted = answer.aborted.iter().flatten().map(entry).collect();
    found.sort_unstable();
    Ok(found)
}

/// What a broker is held against.
pub(super) struct Truth<'a> {
    pub(super) filled: &'a Filled,
    pub(super) logs: &'a Logs,
    pub(super) aborted: &'a Aborted,
    pub(super) damages: &'a [Damage],
}

impl Truth<'_> {
    fn touches(&self, path: &str) -> bool {
        self.damages.iter().any(|damage| damage.path.starts_with(path))
    }

    /// Whether files of a log were damaged that cannot be made again.
    fn touches_log(&self, log: &str) -> bool {
        let remade =
            |path: &Path| path.extension().is_some_and(|e| e == "index" || e == "timeindex");
        self.damages.iter().any(|damage| damage.path.starts_with(log) && !remade(&damage.path))
    }

    /// Whether batches of another log may have got into it: they are sound, and nothing in them tells
    /// where they belong.
    fn is_mixed_up(&self, log: &str) -> bool {
        self.damages.iter().any(|damage| damage.is_foreign() && damage.path.starts_with(log))
    }

    /// The same of a topic whose partitions are in several logs.
    fn touches_topic(&self, topic: &str) -> bool {
        self.logs.keys().filter(|log| log.starts_with(topic)).any(|log| self.touches_log(log))
    }

    /// Holds a broker against it. `false`: it does not know all topics, and need not.
    pub(super) fn look(&self, address: SocketAddr) -> Result<bool, String> {
        let mut all_known = true;
        for (topic, partitions) in &self.filled.topics {
            let mut asker = Asker::connect(address, topic.clone())?;
            if !is_known(&mut asker)? {
                if !self.touches(METADATA) {
                    return Err(format!("the topic {} is gone", topic.name));
                }
                all_known = false;
                continue;
            }
            for partition in 0..*partitions {
                self.look_at(address, &mut asker, partition)?;
            }
        }
        if all_known && !self.touches(METADATA) && !self.touches(LOG_STARTS) {
            self.transactions(address)?;
            self.position(address)?;
        }
        Ok(all_known)
    }

    fn look_at(
        &self,
        address: SocketAddr,
        asker: &mut Asker,
        partition: i32,
    ) -> Result<(), String> {
        let log = format!("{}-{partition}", asker.topic.name);
        let metadata = Path::new(&log).join("partition.metadata");
        // which log it is, or where it begins, is not known any more
        let unguarded = self.touches(LOG_STARTS) || self.damages.iter().any(|d| d.path == metadata);
        let read = read(address, asker, partition, &self.logs[&log], self.is_mixed_up(&log))?;
        for kept in &self.logs[&log] {
            let offset = kept.batch.base_offset();
            if !read.contains(&offset) && !unguarded && !reaches(self.damages, &log, kept) {
                return Err(format!("{log} has lost {offset}"));
            }
        }
        match append(asker, partition, &Arc::new(fresh(&asker.topic.name))) {
            // a damaged partition may be refused, as long as it is with an error code
            Err(message) if self.touches(&log) && message.contains("takes no records") => Ok(()),
            outcome => outcome,
        }
    }

    /// Aborted records stay aborted, and the transactional id goes on where it was.
    fn transactions(&self, address: SocketAddr) -> Result<(), String> {
        if !self.touches_log("payments-0") {
            let [.., (payments, _)] = &self.filled.topics;
            let found = aborted(address, payments)?;
            if found != *self.aborted {
                return Err(format!("aborted were {:?}, now {found:?}", self.aborted));
            }
        }
        if !self.touches_topic("__transaction_state-") {
            let mut peer = Peer::connect(&address.to_string())?;
            let epoch = begin(&mut peer).map_err(|error| format!("{PAYER}: {error}"))?;
            if epoch.producer_epoch != self.filled.epoch + 1 {
                let was = self.filled.epoch;
                return Err(format!("{PAYER} has epoch {}, after {was}", epoch.producer_epoch));
            }
        }
        Ok(())
    }

    /// The group is where it was.
    fn position(&self, address: SocketAddr) -> Result<(), String> {
        if self.touches_topic("__consumer_offsets-") {
            return Ok(());
        }
        let [(orders, _), ..] = &self.filled.topics;
        let mut asker = Asker::connect(address, orders.clone())?;
        let mut tries = 0;
        loop {
            find_coordinator(&mut asker, GROUP, CoordinatorKind::Group)?;
            let partitions = Some(vec![TopicPartition::new(orders.id, 0)]);
            let asked = OffsetFetchGroup { group: GROUP.into(), partitions, member: None };
            let fetch = OffsetFetchRequest { require_stable: false, groups: vec![asked] };
            match asker.ask(&Request::OffsetFetch(fetch))? {
                Response::OffsetFetch(answer) => match answer.groups[0].error {
                    ErrorCode::None if answer.groups[0].offsets[0].offset == POSITION => {
                        return Ok(());
                    }
                    error if error.is_retriable() && tries < TRIES => pause(&mut tries),
                    _ => return Err(format!("{GROUP} is not where it was: {answer:?}")),
                },
                other => return Err(format!("OffsetFetch was answered with {other:?}")),
            }
        }
    }
}

fn is_known(asker: &mut Asker) -> Result<bool, String> {
    let topics = Some(vec![Arc::clone(&asker.topic.name)]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: false };
    match asker.ask(&Request::Metadata(request))? {
        Response::Metadata(answer) => {
            Ok(answer.topics.first().is_some_and(|found| found.id == asker.topic.id))
        }
        other => Err(format!("metadata was answered with {other:?}")),
    }
}

/// Offsets of the batches that a partition still has; each must be what was written there.
fn read(
    address: SocketAddr,
    asker: &mut Asker,
    partition: i32,
    batches: &[Kept],
    is_mixed_up: bool,
) -> Result<BTreeSet<Offset>, String> {
    let name = Arc::clone(&asker.topic.name);
    let mut found = BTreeSet::new();
    let mut next = 0;
    while let Some(first) = batches.get(next) {
        let wanted = |max_bytes| Wanted {
            offset: first.batch.base_offset(),
            max_bytes,
            isolation: IsolationLevel::ReadUncommitted,
        };
        // an answer that cannot be read is what a client sees of damaged records: one batch alone, or
        // the next one then
        let answer = match fetch(address, asker, partition, wanted(1 << 20))? {
            None => fetch(address, asker, partition, wanted(1))?,
            answer => answer,
        };
        let before = next;
        for batch in answer.iter().flat_map(|answer| answer.records.batches()) {
            let Some(kept) = batches.get(next) else { break };
            let offset = kept.batch.base_offset();
            if batch.base_offset() > offset {
                break;
            }
            if batch.base_offset() == offset {
                let is_same = batch.body.to_bytes() == kept.batch.body.to_bytes();
                if !is_same && !is_mixed_up {
                    return Err(format!("{name}-{partition} has other records at {offset}"));
                }
                if is_same {
                    found.insert(offset);
                }
                next += 1;
            }
        }
        next = next.max(before + 1);
    }
    Ok(found)
}

/// What is asked of a partition.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    offset: Offset,
    max_bytes: i32,
    isolation: IsolationLevel,
}

/// One fetch; `None` when the records are damaged or not there.
fn fetch(
    address: SocketAddr,
    asker: &mut Asker,
    partition: i32,
    Wanted { offset, max_bytes, isolation }: Wanted,
) -> Result<Option<FetchPartitionResponse>, String> {
    let tp = TopicPartition::new(asker.topic.id, partition);
    let mut tries = 0;
    loop {
        let wanted = FetchPartition {
            tp,
            current_leader_epoch: -1,
            fetch_offset: offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            max_bytes,
        };
        let request = FetchRequest {
            replica: None,
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes,
            isolation,
            session_id: 0,
            session_epoch: -1,
            partitions: vec![wanted],
            forgotten: Vec::new(),
            rack: None,
        };
        match asker.ask(&Request::Fetch(Box::new(request))) {
            Ok(Response::Fetch(mut answer)) => {
                let Some(found) = answer.partitions.pop() else {
                    return Err(format!("partition {partition} is not in the answer"));
                };
                let again = found.error.is_retriable() && tries < TRIES;
                match found.error {
                    ErrorCode::None => return Ok(Some(found)),
                    ErrorCode::OffsetOutOfRange | ErrorCode::CorruptMessage => return Ok(None),
                    _ if again => pause(&mut tries),
                    _ => return Ok(None),
                }
            }
            Ok(other) => return Err(format!("a fetch was answered with {other:?}")),
            Err(message) => {
                *asker = Asker::connect(address, asker.topic.clone())
                    .map_err(|error| format!("{error}, after {message}"))?;
                return Ok(None);
            }
        }
    }
}
