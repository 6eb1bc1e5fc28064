//! What was written to a broker, and whether another one still has it.

use super::asker::{Asker, Topic};
use super::damage::Damage;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::protocol::{
    Acks, CreateTopicsRequest, FetchPartition, FetchPartitionResponse, FetchRequest,
    IsolationLevel, MetadataRequest, NewTopic, Placement, ProducePartition, ProduceRequest,
    Request, Response,
};
use stormglass_broker_core::records::{Batch, Record, Records};

/// Partitions of the topic.
pub(super) const PARTITIONS: i32 = 2;
/// Batches in each.
const BATCHES: usize = 40;
/// Bytes of a record's value.
const VALUE_BYTES: usize = 700;
/// Size of a segment: several for each partition.
const SEGMENT_BYTES: &str = "20000";
/// Tries until a partition must be led after a start, about 10 s.
const TRIES: u32 = 10_000;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(1);

/// Batches of each partition, with the offsets that they got.
pub(super) type Written = Vec<Vec<(Offset, Arc<Batch>)>>;

/// Makes the topic and fills it.
pub(super) fn fill(address: SocketAddr) -> Result<(Topic, Written), String> {
    let unknown = Topic { name: "orders".into(), id: stormglass_broker_core::ids::TopicId(0) };
    let mut asker = Asker::connect(address, unknown)?;
    let new = NewTopic {
        name: "orders".into(),
        placement: Placement::Automatic { partitions: PARTITIONS, replication_factor: 1 },
        config: BTreeMap::from([("segment.bytes".to_owned(), SEGMENT_BYTES.to_owned())]),
    };
    let create = CreateTopicsRequest { topics: vec![new], validate_only: false };
    match asker.ask(&Request::CreateTopics(create))? {
        Response::CreateTopics(created) => asker.topic.id = created.topics[0].id,
        other => return Err(format!("the topic was not created: {other:?}")),
    }
    let mut written = Vec::new();
    for partition in 0..PARTITIONS {
        let mut batches = Vec::new();
        for number in 0..BATCHES {
            let batch = Arc::new(batch(partition, number));
            batches.push((produce(&mut asker, partition, &batch)?, batch));
        }
        written.push(batches);
    }
    Ok((asker.topic, written))
}

/// Three records like no others.
fn batch(partition: i32, number: usize) -> Batch {
    let value = |record: i32| {
        let mut text = format!("{partition} {number} {record} ");
        text.extend(std::iter::repeat_n('v', VALUE_BYTES));
        Record::new(None, Some(Bytes::from(text)))
    };
    Batch::build(1_700_000_000_000 + number as i64, &mut [value(0), value(1), value(2)])
}

/// Appends, and waits while the partition is not led yet.
fn produce(asker: &mut Asker, partition: i32, batch: &Arc<Batch>) -> Result<Offset, String> {
    let tp = TopicPartition::new(asker.topic.id, partition);
    let mut tries = 0;
    loop {
        let records = Records::single(Arc::clone(batch));
        let partitions = vec![ProducePartition { tp, records }];
        let request = ProduceRequest { acks: Acks::All, timeout_ms: 5000, partitions };
        match asker.ask(&Request::Produce(request))? {
            Response::Produce(answer) => match answer.partitions[0].error {
                ErrorCode::None => return Ok(answer.partitions[0].base_offset),
                error if error.is_retriable() && tries < TRIES => pause(&mut tries),
                error => return Err(format!("orders-{partition} takes no records: {error:?}")),
            },
            other => return Err(format!("produce was answered with {other:?}")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a broker of another thread is waited for")]
fn pause(tries: &mut u32) {
    *tries += 1;
    std::thread::sleep(PAUSE);
}

/// Holds a broker against what was written. `false`: it does not know the topic, and need not.
pub(super) fn look(
    address: SocketAddr,
    topic: &Topic,
    written: &Written,
    damages: &[Damage],
) -> Result<bool, String> {
    let mut asker = Asker::connect(address, topic.clone())?;
    let topics = Some(vec![Arc::clone(&topic.name)]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: false };
    let known = match asker.ask(&Request::Metadata(request))? {
        Response::Metadata(answer) => {
            answer.topics.first().is_some_and(|found| found.id == topic.id)
        }
        other => return Err(format!("metadata was answered with {other:?}")),
    };
    let metadata = |damage: &Damage| damage.path.starts_with("__cluster_metadata-0");
    match (known, damages.iter().any(metadata)) {
        (false, true) => return Ok(false),
        (false, false) => return Err("the topic is gone".to_owned()),
        (true, _) => {}
    }
    for (partition, batches) in (0..).zip(written) {
        let may_lose = Damages::of(partition, damages);
        let read = read(address, &mut asker, partition, batches)?;
        for (position, (offset, batch)) in positions(batches) {
            if !read.contains(offset) && !may_lose.reaches(position, batch) {
                return Err(format!("orders-{partition} has lost {offset}"));
            }
        }
        let more = Arc::new(batch(partition, BATCHES));
        match produce(&mut asker, partition, &more) {
            Ok(_) => {}
            Err(message) if may_lose.any() => tolerated(&message)?,
            Err(message) => return Err(message),
        }
    }
    Ok(true)
}

/// A damaged partition may be refused, as long as it is with an error code.
fn tolerated(message: &str) -> Result<(), String> {
    if message.contains("takes no records") { Ok(()) } else { Err(message.to_owned()) }
}

/// Batches with the segment and position where they lie.
fn positions(
    batches: &[(Offset, Arc<Batch>)],
) -> impl Iterator<Item = ((Offset, usize), &(Offset, Arc<Batch>))> {
    let limit: usize = SEGMENT_BYTES.parse().unwrap_or(usize::MAX);
    let (mut segment, mut position) = (0, 0);
    batches.iter().map(move |entry| {
        let size = entry.1.size_bytes() as usize;
        if position + size > limit {
            (segment, position) = (entry.0, 0);
        }
        let at = (segment, position);
        position += size;
        (at, entry)
    })
}

/// Offsets of the batches that a partition still has; each must be what was written there.
fn read(
    address: SocketAddr,
    asker: &mut Asker,
    partition: i32,
    batches: &[(Offset, Arc<Batch>)],
) -> Result<Vec<Offset>, String> {
    let mut found = Vec::new();
    let mut next = 0;
    while let Some((offset, _)) = batches.get(next) {
        // an answer that cannot be read is what a client sees of damaged records: one batch alone, or
        // the next one then
        let answer = match fetch(address, asker, partition, *offset, 1 << 20)? {
            None => fetch(address, asker, partition, *offset, 1)?,
            answer => answer,
        };
        let Some(answer) = answer else {
            next += 1;
            continue;
        };
        let before = next;
        for batch in answer.records.batches() {
            let Some((offset, known)) = batches.get(next) else { break };
            if batch.base_offset() > *offset {
                break;
            }
            if batch.base_offset() == *offset {
                if batch.body.to_bytes() != known.body.to_bytes() {
                    return Err(format!("orders-{partition} has other records at {offset}"));
                }
                found.push(*offset);
                next += 1;
            }
        }
        next = next.max(before + 1);
    }
    Ok(found)
}

/// One fetch; `None` when the records are damaged or not there.
fn fetch(
    address: SocketAddr,
    asker: &mut Asker,
    partition: i32,
    fetch_offset: Offset,
    max_bytes: i32,
) -> Result<Option<FetchPartitionResponse>, String> {
    let tp = TopicPartition::new(asker.topic.id, partition);
    let mut tries = 0;
    loop {
        let wanted = FetchPartition {
            tp,
            current_leader_epoch: -1,
            fetch_offset,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            max_bytes,
        };
        let request = FetchRequest {
            replica: None,
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: 0,
            session_epoch: -1,
            partitions: vec![wanted],
            forgotten: Vec::new(),
            rack: None,
        };
        match asker.ask(&Request::Fetch(Box::new(request))) {
            Ok(Response::Fetch(mut answer)) => {
                let Some(found) = answer.partitions.pop() else {
                    return Err(format!("orders-{partition} is not in the answer"));
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

/// What was done to a partition's files.
struct Damages<'a> {
    /// Its own files, without those that can be made again.
    own: Vec<&'a Damage>,
    /// The checkpoint that says where logs begin, or the file that says whose log it is.
    unguarded: bool,
}

impl<'a> Damages<'a> {
    fn of(partition: i32, damages: &'a [Damage]) -> Self {
        let dir = format!("orders-{partition}");
        let remade = |damage: &Damage| {
            damage.path.extension().is_some_and(|ending| ending == "index" || ending == "timeindex")
        };
        let own = damages.iter().filter(|d| d.path.starts_with(&dir) && !remade(d)).collect();
        let files = [
            Path::new("log-start-offset-checkpoint").to_owned(),
            Path::new(&dir).join("partition.metadata"),
        ];
        Self { own, unguarded: damages.iter().any(|damage| files.contains(&damage.path)) }
    }

    fn any(&self) -> bool {
        !self.own.is_empty()
    }

    /// Whether a batch may be lost: it lies behind damage in its log.
    fn reaches(&self, (segment, position): (Offset, usize), batch: &Batch) -> bool {
        let end = position + batch.size_bytes() as usize;
        let behind = |damage: &&Damage| {
            let name = damage.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_log = damage.path.extension().is_some_and(|ending| ending == "log");
            let base = name.parse().unwrap_or(Offset::MAX);
            is_log && (base < segment || base == segment && damage.from < end)
        };
        self.unguarded || self.own.iter().any(behind)
    }
}
