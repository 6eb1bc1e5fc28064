//! Remote storage of a cluster: how brokers' operations on it become requests to object storage. Each
//! request has a connection to itself while it lasts; connections are kept. An upload sends its parts
//! one after another, each read from the broker's disk when its turn comes. Reads fetch whole chunks,
//! and ahead of readers that go through.
//!
//! Leaves out that requests time out (nothing cuts a broker off from its AZ's endpoint), what uploads
//! that were broken off leave behind, and requests for indexes: those of a segment come with its
//! metadata.

use super::event::Event;
use super::payload::Payload;
use super::slab::Slab;
use super::{End, World};
use crate::cpu::Pool;
use crate::disk::Content;
use crate::net::{ConnId, HostId, HostSpec, Side};
use crate::object_storage::{Answer, Chunk, ChunkCache, Meters, ObjectStorage, StorageFault, Verb};
use crate::rng::Stream;
use std::collections::{BTreeMap, VecDeque};
use stormglass_broker_core::ids::{Offset, RemoteOpId, RemoteSegmentId, TopicPartition};
use stormglass_broker_core::seam::{
    DiskImage, FileName, Input, RemoteError, RemoteIndexes, RemoteOp, RemoteOpKind, RemoteResult,
    RemoteSegment,
};
use stormglass_reports::recording::RemoteTotals;
use stormglass_scenarios::plan::{RatePlan, TopicPlan};

/// A request or an answer without its payload, bytes.
const HEADER_BYTES: u64 = 800;
/// The storage's own NICs are in nobody's way, bytes per second.
const STORAGE_NIC: u64 = 1_000_000_000_000;

/// Remote storage, and what brokers have to do with it.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) storage: ObjectStorage,
    /// Its endpoint in each AZ.
    hosts: Vec<HostId>,
    brokers: Vec<BrokerRemote>,
    results: Slab<RemoteResult>,
    jitter: Stream,
}

impl Remote {
    /// What it held and did, for the recording.
    pub(super) fn totals(&self) -> RemoteTotals {
        let Meters { puts, gets, rejected, put_bytes, get_bytes } = self.storage.meters;
        let stored_bytes = self.storage.objects.bytes();
        RemoteTotals { stored_bytes, puts, gets, rejected, put_bytes, get_bytes }
    }
}

/// A broker's side of it; gone with the process.
#[derive(Debug, Default)]
struct BrokerRemote {
    conns: Vec<Conn>,
    transfers: BTreeMap<u32, Transfer>,
    /// Transfers that wait for a connection.
    unsent: VecDeque<u32>,
    readers: BTreeMap<u32, Reader>,
    chunks: ChunkCache,
    next: u32,
}

#[derive(Debug)]
struct Conn {
    id: ConnId,
    open: bool,
    busy: bool,
}

/// Something that takes requests.
#[derive(Debug)]
struct Transfer {
    tp: TopicPartition,
    work: Work,
    attempts: u32,
    next: Next,
}

#[derive(Debug)]
enum Work {
    Upload(Box<Upload>),
    Chunk { chunk: Chunk, bytes: u64 },
    Delete { op: RemoteOpId, segment: RemoteSegmentId },
}

#[derive(Debug)]
struct Upload {
    op: RemoteOpId,
    segment: RemoteSegment,
    content: Content,
    /// The part that is being sent, bytes.
    from: u64,
    to: u64,
}

/// What is next when a transfer's event is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Ask.
    Send,
    /// The answer has passed the broker's threads.
    Received,
    /// The metadata is changed.
    Settled,
}

/// An operation that waits for chunks.
#[derive(Debug)]
struct Reader {
    op: RemoteOpId,
    result: RemoteResult,
    missing: u32,
}

/// A message between a broker and the storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct StorageMessage {
    node: u16,
    life: u32,
    transfer: u32,
    /// Of an answer.
    admitted: bool,
}

impl World {
    /// Sets remote storage up, if a topic of the plan has it.
    pub(super) fn add_remote_storage(&mut self) -> Result<(), super::SetupError> {
        if !self.plan.topics.iter().any(TopicPlan::is_tiered) {
            return Ok(());
        }
        let storage = ObjectStorage::new(&self.plan.model, &self.streams)
            .map_err(|error| super::SetupError(error.to_string()))?;
        let rate = RatePlan {
            baseline_per_sec: STORAGE_NIC,
            burst_per_sec: STORAGE_NIC,
            bucket: 0,
            initial: 0,
        };
        let flow_cap_bytes_per_sec = storage.client.request_bytes_per_sec;
        let hosts = (0..self.plan.cluster.azs.len()).map(|az| {
            let host = self.net.add_host(HostSpec { az, nic: rate, flow_cap_bytes_per_sec });
            self.net.listen(host, true);
            self.host_node.push(None);
            host
        });
        self.remote = Some(Box::new(Remote {
            storage,
            hosts: hosts.collect(),
            brokers: self.nodes.iter().map(|_| BrokerRemote::default()).collect(),
            results: Slab::default(),
            jitter: self.streams.stream("object-storage", "backoff"),
        }));
        Ok(())
    }

    /// A broker's operations begin.
    pub(super) fn begin_remote(&mut self, node: u16, ops: &mut Vec<RemoteOp>) {
        let Some(mut remote) = self.remote.take() else {
            debug_assert!(ops.is_empty(), "no topic has remote storage");
            return;
        };
        for RemoteOp { id, kind } in ops.drain(..) {
            self.begin_remote_op(&mut remote, node, id, kind);
        }
        self.remote = Some(remote);
    }

    fn begin_remote_op(
        &mut self,
        remote: &mut Remote,
        node: u16,
        op: RemoteOpId,
        kind: RemoteOpKind,
    ) {
        match kind {
            RemoteOpKind::Copy { segment } => self.begin_upload(remote, node, op, segment),
            RemoteOpKind::List { tp } => {
                let found = RemoteResult::Listed(remote.storage.objects.list(tp));
                let due = self.now + remote.storage.client.metadata_ns;
                self.end_remote_op(remote, node, (op, due), found);
            }
            RemoteOpKind::Read { segment, from, upto, max_bytes } => {
                let found = remote.storage.objects.read(segment, (from, upto), max_bytes);
                let found = found.map(|(records, at)| (RemoteResult::Read(records), at));
                self.begin_read(remote, node, (op, segment), found);
            }
            RemoteOpKind::FindTimestamp { segment, from, timestamp } => {
                let found = remote.storage.objects.find_timestamp(segment, from, timestamp);
                let found = found.map(|(found, at)| (RemoteResult::Found(found), at));
                self.begin_read(remote, node, (op, segment), found);
            }
            RemoteOpKind::Delete { segment } => match remote.storage.objects.find(segment) {
                Some((tp, _)) => {
                    let work = Work::Delete { op, segment };
                    self.begin_transfer(remote, node, (tp, work), self.now);
                }
                None => self.end_remote_op(remote, node, (op, self.now), RemoteResult::Done),
            },
            RemoteOpKind::DeletePartition { tp } => {
                for segment in remote.storage.objects.list(tp) {
                    remote.storage.objects.remove(segment.id);
                }
                self.end_remote_op(remote, node, (op, self.now), RemoteResult::Done);
            }
        }
    }

    fn end_remote_op(
        &mut self,
        remote: &mut Remote,
        node: u16,
        (id, due_ns): (RemoteOpId, u64),
        result: RemoteResult,
    ) {
        let result = remote.results.insert(result);
        let life = self.nodes[node as usize].life;
        self.at(due_ns, Event::RemoteDone { node, life, id, result });
    }

    /// An operation on remote storage ends.
    pub(super) fn remote_op_done(&mut self, node: u16, life: u32, id: RemoteOpId, result: u32) {
        let result = self.remote.as_mut().and_then(|remote| remote.results.take(result));
        if let Some(result) = result.filter(|_| self.is_current(node, life)) {
            self.step_node(node, Input::Remote { id, result }, None);
        }
    }

    fn begin_upload(
        &mut self,
        remote: &mut Remote,
        node: u16,
        op: RemoteOpId,
        mut segment: RemoteSegment,
    ) {
        let disk = &self.nodes[node as usize].disk;
        let (tp, base) = (segment.tp, segment.base);
        let mut batches = Vec::new();
        disk.scan(tp, base, &mut |_, batch| batches.push(std::sync::Arc::clone(batch)));
        let is_whole = batches.last().is_some_and(|last| last.last_offset() == segment.end);
        if !is_whole {
            let failed = RemoteResult::Failed(RemoteError::NotFound);
            return self.end_remote_op(remote, node, (op, self.now), failed);
        }
        let file = |name| disk.file(&name).unwrap_or_default();
        segment.indexes = RemoteIndexes {
            producers: file(FileName::ProducerSnapshot(tp, segment.end + 1)),
            aborted: file(FileName::TransactionIndex(tp, base)),
        };
        let content = remote.storage.objects.pack(&mut batches.into_iter());
        let upload = Upload { op, segment, content, from: 0, to: 0 };
        let now = self.now;
        let transfer =
            self.begin_transfer(remote, node, (tp, Work::Upload(Box::new(upload))), u64::MAX);
        self.load_part(remote, node, transfer, now);
    }

    /// Reads the next part of an upload from the disk; it is sent when it is there.
    fn load_part(&mut self, remote: &mut Remote, node: u16, id: u32, now: u64) {
        let part_bytes = remote.storage.client.part_bytes;
        let Some(transfer) = remote.brokers[node as usize].transfers.get_mut(&id) else { return };
        let Work::Upload(upload) = &mut transfer.work else { return };
        let len = u64::from(upload.content.end_position());
        upload.to = (upload.from + part_bytes).min(len);
        let segment = (upload.segment.tp, upload.segment.base);
        let at = &mut self.nodes[node as usize];
        match at.disk.read_stretch(now, segment, (upload.from, upload.to)) {
            Some(due) => {
                transfer.next = Next::Send;
                let life = at.life;
                self.at(due, Event::RemoteStep { node, life, transfer: id });
            }
            None => self.fail_transfer(remote, node, id, RemoteError::NotFound),
        }
    }

    fn begin_transfer(
        &mut self,
        remote: &mut Remote,
        node: u16,
        (tp, work): (TopicPartition, Work),
        due_ns: u64,
    ) -> u32 {
        let broker = &mut remote.brokers[node as usize];
        broker.next = broker.next.wrapping_add(1);
        let id = broker.next;
        broker.transfers.insert(id, Transfer { tp, work, attempts: 0, next: Next::Send });
        if due_ns != u64::MAX {
            let life = self.nodes[node as usize].life;
            self.at(due_ns, Event::RemoteStep { node, life, transfer: id });
        }
        id
    }

    /// A read begins: chunks that are not here are asked for, and those behind them.
    fn begin_read(
        &mut self,
        remote: &mut Remote,
        node: u16,
        (op, segment): (RemoteOpId, RemoteSegmentId),
        found: Option<(RemoteResult, crate::object_storage::Stretch)>,
    ) {
        let held = remote.storage.objects.find(segment);
        let (Some((result, stretch)), Some((tp, len))) = (found, held) else {
            let failed = RemoteResult::Failed(RemoteError::NotFound);
            return self.end_remote_op(remote, node, (op, self.now), failed);
        };
        let client = remote.storage.client;
        let (first, last) =
            (stretch.from / client.chunk_bytes, stretch.to.max(1).div_ceil(client.chunk_bytes) - 1);
        let broker = &mut remote.brokers[node as usize];
        let sequential = first == 0 || broker.chunks.knows((segment, first - 1));
        let ahead = if sequential { client.readahead_chunks } else { 0 };
        let end = (last + ahead).min(len.div_ceil(client.chunk_bytes).max(1) - 1);
        for index in first..=end.max(last) {
            let chunk = (segment, index);
            if remote.brokers[node as usize].chunks.knows(chunk) {
                continue;
            }
            remote.brokers[node as usize].chunks.ask(chunk);
            let bytes = (len - (index * client.chunk_bytes).min(len)).min(client.chunk_bytes);
            let work = Work::Chunk { chunk, bytes };
            self.begin_transfer(remote, node, (tp, work), self.now);
        }
        let broker = &mut remote.brokers[node as usize];
        broker.next = broker.next.wrapping_add(1);
        let id = broker.next;
        let waits = (first..=last).filter(|index| broker.chunks.wants((segment, *index), id));
        let missing = u32::try_from(waits.count()).unwrap_or(u32::MAX);
        if missing == 0 {
            return self.end_remote_op(remote, node, (op, self.now), result);
        }
        broker.readers.insert(id, Reader { op, result, missing });
    }

    /// A transfer goes on.
    pub(super) fn remote_step(&mut self, node: u16, transfer: u32) {
        let Some(mut remote) = self.remote.take() else { return };
        let next = remote.brokers[node as usize].transfers.get(&transfer).map(|t| t.next);
        match next {
            Some(Next::Send) => {
                remote.brokers[node as usize].unsent.push_back(transfer);
                self.send_to_storage(&mut remote, node);
            }
            Some(Next::Received) => self.chunk_received(&mut remote, node, transfer),
            Some(Next::Settled) => self.settle_transfer(&mut remote, node, transfer),
            None => {}
        }
        self.remote = Some(remote);
    }

    /// Sends what waits, each on a connection of its own; opens more where all are in use.
    fn send_to_storage(&mut self, remote: &mut Remote, node: u16) {
        let (host, az, life) = {
            let at = &self.nodes[node as usize];
            (at.host, at.az, at.life)
        };
        while let Some(&transfer) = remote.brokers[node as usize].unsent.front() {
            let broker = &mut remote.brokers[node as usize];
            let Some(at) = broker.conns.iter().position(|conn| conn.open && !conn.busy) else {
                let opening = broker.conns.iter().filter(|conn| !conn.open).count();
                let wanted = broker.unsent.len().saturating_sub(opening);
                for _ in 0..wanted {
                    let end = End::Storage { node };
                    let id = self.net_connect(host, remote.hosts[az], end);
                    let conn = Conn { id, open: false, busy: false };
                    remote.brokers[node as usize].conns.push(conn);
                }
                return;
            };
            broker.unsent.pop_front();
            let Some(sent) = broker.transfers.get(&transfer) else { continue };
            let bytes = HEADER_BYTES + sent.work.sent_bytes();
            broker.conns[at].busy = true;
            let conn = broker.conns[at].id;
            let leaves = self.remote_thread(node, bytes);
            let message = StorageMessage { node, life, transfer, admitted: true };
            self.net_send((conn, Side::Client), leaves, bytes, Payload::Storage(message));
        }
    }

    /// A thread of the broker encrypts or decrypts so many bytes; when it is done, ns.
    fn remote_thread(&mut self, node: u16, bytes: u64) -> u64 {
        let at = &mut self.nodes[node as usize];
        let demand = at.profile.network_ns(bytes, 0, true);
        at.cpu.submit(self.now, Pool::Remote, demand).finish_ns
    }

    /// A request arrived at the storage.
    pub(super) fn storage_asked(&mut self, conn: ConnId, message: StorageMessage) {
        let Some(mut remote) = self.remote.take() else { return };
        let StorageMessage { node, transfer, .. } = message;
        if let Some(asked) = remote.brokers[node as usize].transfers.get(&transfer)
            && self.nodes[node as usize].life == message.life
        {
            let request = asked.work.request();
            let Answer { admitted, latency_ns } =
                remote.storage.answer(self.now, asked.tp, request);
            let body = if admitted { asked.work.answer_bytes() } else { 0 };
            let answer = Payload::Storage(StorageMessage { admitted, ..message });
            let leaves = self.now + latency_ns;
            self.net_send((conn, Side::Server), leaves, HEADER_BYTES + body, answer);
        }
        self.remote = Some(remote);
    }

    /// The storage's answer arrived.
    pub(super) fn storage_answered(&mut self, conn: ConnId, message: StorageMessage) {
        let StorageMessage { node, life, transfer, admitted } = message;
        let Some(mut remote) = self.remote.take() else { return };
        if self.is_current(node, life) {
            let broker = &mut remote.brokers[node as usize];
            if let Some(conn) = broker.conns.iter_mut().find(|known| known.id == conn) {
                conn.busy = false;
            }
            if admitted {
                self.request_done(&mut remote, node, transfer);
            } else {
                self.try_again(&mut remote, node, transfer);
            }
            self.send_to_storage(&mut remote, node);
        }
        self.remote = Some(remote);
    }

    fn request_done(&mut self, remote: &mut Remote, node: u16, id: u32) {
        let metadata_ns = remote.storage.client.metadata_ns;
        let (now, life) = (self.now, self.nodes[node as usize].life);
        let Some(transfer) = remote.brokers[node as usize].transfers.get_mut(&id) else { return };
        transfer.attempts = 0;
        let due = match &mut transfer.work {
            Work::Upload(upload) => {
                self.nodes[node as usize].tally.remote_copied += upload.to - upload.from;
                upload.from = upload.to;
                if upload.from < u64::from(upload.content.end_position()) {
                    return self.load_part(remote, node, id, now);
                }
                transfer.next = Next::Settled;
                now + metadata_ns
            }
            Work::Chunk { bytes, .. } => {
                let bytes = *bytes;
                transfer.next = Next::Received;
                self.nodes[node as usize].tally.remote_fetched += bytes;
                self.remote_thread(node, bytes)
            }
            Work::Delete { .. } => {
                transfer.next = Next::Settled;
                now + metadata_ns
            }
        };
        self.at(due, Event::RemoteStep { node, life, transfer: id });
    }

    /// 503: the request is sent again after a while, a few times.
    fn try_again(&mut self, remote: &mut Remote, node: u16, id: u32) {
        let client = remote.storage.client;
        self.nodes[node as usize].tally.remote_rejected += 1;
        let Some(transfer) = remote.brokers[node as usize].transfers.get_mut(&id) else { return };
        transfer.attempts += 1;
        if transfer.attempts >= client.attempts {
            return self.fail_transfer(remote, node, id, RemoteError::SlowDown);
        }
        let pause = client.backoff_ns << (transfer.attempts - 1).min(16);
        let drawn = pause / 2 + remote.jitter.below(pause / 2 + 1);
        let life = self.nodes[node as usize].life;
        self.at(self.now + drawn, Event::RemoteStep { node, life, transfer: id });
    }

    fn fail_transfer(&mut self, remote: &mut Remote, node: u16, id: u32, error: RemoteError) {
        let broker = &mut remote.brokers[node as usize];
        let Some(transfer) = broker.transfers.remove(&id) else { return };
        let failed = |broker: &mut BrokerRemote, chunk| -> Vec<RemoteOpId> {
            let readers = broker.chunks.failed(chunk).into_iter();
            readers.filter_map(|reader| broker.readers.remove(&reader)).map(|r| r.op).collect()
        };
        let ops = match transfer.work {
            Work::Upload(upload) => vec![upload.op],
            Work::Delete { op, .. } => vec![op],
            Work::Chunk { chunk, .. } => failed(broker, chunk),
        };
        for op in ops {
            self.end_remote_op(remote, node, (op, self.now), RemoteResult::Failed(error));
        }
    }

    fn chunk_received(&mut self, remote: &mut Remote, node: u16, id: u32) {
        let most = remote.storage.client.cached_chunks;
        let broker = &mut remote.brokers[node as usize];
        let Some(Transfer { work: Work::Chunk { chunk, .. }, .. }) = broker.transfers.remove(&id)
        else {
            return;
        };
        let mut done = Vec::new();
        for reader in broker.chunks.came(chunk, most) {
            let Some(waits) = broker.readers.get_mut(&reader) else { continue };
            waits.missing -= 1;
            if waits.missing == 0 {
                done.extend(broker.readers.remove(&reader));
            }
        }
        for Reader { op, result, .. } in done {
            self.end_remote_op(remote, node, (op, self.now), result);
        }
    }

    /// The metadata of a copy is added, or of a deletion removed.
    fn settle_transfer(&mut self, remote: &mut Remote, node: u16, id: u32) {
        let Some(transfer) = remote.brokers[node as usize].transfers.remove(&id) else { return };
        let now_ns = self.now.saturating_sub(self.origin_ns.min(self.now));
        let objects = &mut remote.storage.objects;
        let (op, result) = match transfer.work {
            Work::Upload(upload) => {
                let Upload { op, segment, content, .. } = *upload;
                let segment = objects.add(segment, content);
                self.checkers.remote_added(now_ns, &segment);
                (op, RemoteResult::Copied(segment))
            }
            Work::Delete { op, segment } => {
                if let Some(segment) = objects.remove(segment) {
                    self.checkers.remote_removed(now_ns, &segment);
                }
                (op, RemoteResult::Done)
            }
            Work::Chunk { .. } => return,
        };
        self.end_remote_op(remote, node, (op, self.now), result);
    }

    /// A connection to the storage is open, or is no more.
    pub(super) fn storage_connected(&mut self, node: u16, conn: ConnId, open: bool) {
        let Some(mut remote) = self.remote.take() else { return };
        let broker = &mut remote.brokers[node as usize];
        if open {
            if let Some(conn) = broker.conns.iter_mut().find(|known| known.id == conn) {
                conn.open = true;
            }
            self.send_to_storage(&mut remote, node);
        } else {
            broker.conns.retain(|known| known.id != conn);
        }
        self.remote = Some(remote);
    }

    /// The broker's process is gone: uploads end where they are.
    pub(super) fn forget_remote(&mut self, node: u16) {
        if let Some(remote) = &mut self.remote {
            remote.brokers[node as usize] = BrokerRemote::default();
        }
    }

    /// A fault of the storage begins or ends.
    pub(super) fn set_storage_fault(&mut self, fault: StorageFault) {
        if let Some(remote) = &mut self.remote {
            remote.storage.fault = fault;
        }
    }

    /// Puts a segment of a backlog into remote storage; before the run.
    pub(super) fn preload_remote(
        &mut self,
        node: u16,
        (tp, base): (TopicPartition, Offset),
        id: u128,
    ) {
        let disk = &self.nodes[node as usize].disk;
        let summary = disk.summary(tp, base);
        let mut batches = Vec::new();
        disk.scan(tp, base, &mut |_, batch| batches.push(std::sync::Arc::clone(batch)));
        let Some(remote) = &mut self.remote else { return };
        let content = remote.storage.objects.pack(&mut batches.into_iter());
        let segment = RemoteSegment {
            id: RemoteSegmentId(id),
            tp,
            base,
            end: summary.next_offset - 1,
            bytes: content.end_position(),
            max_timestamp: summary.max_timestamp,
            epochs: vec![stormglass_broker_core::log::EpochEntry { epoch: 0, start_offset: 0 }],
            indexes: RemoteIndexes::default(),
        };
        let segment = remote.storage.objects.add(segment, content);
        self.checkers.remote_added(0, &segment);
    }
}

impl Work {
    /// What the request is to the storage's limits and meters.
    fn request(&self) -> (Verb, u64) {
        match self {
            Self::Upload(upload) => (Verb::Put, upload.to - upload.from),
            Self::Chunk { bytes, .. } => (Verb::Get, *bytes),
            Self::Delete { .. } => (Verb::Put, 0),
        }
    }

    fn sent_bytes(&self) -> u64 {
        match self {
            Self::Upload(upload) => upload.to - upload.from,
            Self::Chunk { .. } | Self::Delete { .. } => 0,
        }
    }

    fn answer_bytes(&self) -> u64 {
        match self {
            Self::Chunk { bytes, .. } => *bytes,
            Self::Upload(_) | Self::Delete { .. } => 0,
        }
    }
}
