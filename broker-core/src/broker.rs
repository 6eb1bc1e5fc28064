//! A node: Raft, and with it a controller, a broker, or both. [`Broker::step`] is the only way in.

use crate::config::NodeConfig;
use crate::controller::Controller;
use crate::ids::{ConnectionId, CorrelationId, DiskOpId, NodeId, RemoteOpId, TopicPartition};
use crate::lifecycle::{BrokerState, Lifecycle, View};
use crate::log::{Log, LogConfig, Recover};
use crate::metadata::{MetadataDelta, MetadataImage};
use crate::plant::{Plant, planted};
use crate::protocol::{FetchPartition, Request, Response};
use crate::raft::{Committed, Content, Raft};
use crate::replica::{parse_checkpoint, parse_tiered};
use crate::role::BrokerRole;
use crate::seam::{
    DiskImage, DiskOpKind, DiskResult, Effects, Exit, FileName, Input, PeerError, RemoteResult,
    TimerKey, TraceEvent,
};
use crate::step::{IdCounters, Owner, ReplyTo, Step, owner_of};
use crate::time::Instant;
use std::collections::BTreeMap;

mod gauges;
pub use gauges::{BrokerGauges, ReplicaState};

/// A Kafka node as a state machine.
#[derive(Debug)]
pub struct Broker {
    config: NodeConfig,
    ids: IdCounters,
    /// Wall clock minus monotonic clock, ms.
    wall_offset_ms: i64,
    raft: Raft,
    controller: Option<Controller>,
    broker: Option<(BrokerRole, Lifecycle)>,
    boot: Boot,
    /// Changes of metadata that the replicas have not seen: until this process's registration is
    /// among them, they describe partitions of an earlier life (RAFT-02, ISR-22).
    withheld: Option<MetadataDelta>,
    closing: bool,
    topics_revision: u64,
    limits_revision: u64,
}

/// What recovery found, until the first step deals with it.
#[derive(Debug, Default)]
struct Boot {
    ops: Vec<DiskOpKind>,
    scanned_bytes: u64,
    truncated_bytes: u64,
    /// Rare situations, as marks.
    marks: Vec<&'static str>,
}

impl Broker {
    /// A process start: everything known comes from the disk.
    #[must_use]
    pub fn new(config: NodeConfig, image: &dyn DiskImage) -> Self {
        let mut boot = Boot::default();
        let raft = Raft::new(&config, image);
        let controller = config.controller.then(|| Controller::new(&config));
        let broker = config.broker.then(|| {
            let logs = recover_logs(&config, image, &mut boot);
            let mut role = BrokerRole::new(config.clone(), logs);
            let cleaned = image.file(&FileName::CleanerOffsets);
            role.replicas.load_cleaner(cleaned.as_deref().unwrap_or_default());
            (role, Lifecycle::new(&config, -1))
        });
        let early = planted(config.plant, Plant::ActsBeforeRegistered);
        Self {
            config,
            ids: IdCounters::default(),
            wall_offset_ms: 0,
            raft,
            controller,
            broker,
            boot,
            withheld: (!early).then(MetadataDelta::default),
            closing: false,
            topics_revision: 0,
            limits_revision: 0,
        }
    }

    /// Bytes that recovery had to read, for the time that it takes.
    #[must_use]
    pub fn recovery_scanned_bytes(&self) -> u64 {
        self.boot.scanned_bytes
    }

    /// Takes one input; what should happen is in `effects`.
    pub fn step(&mut self, now: Instant, input: Input, effects: &mut Effects) {
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        if let Input::WallClock(wall_ms) = input {
            self.wall_offset_ms = wall_ms - now_ms;
            return;
        }
        let mut ids = std::mem::take(&mut self.ids);
        let wall_ms = now_ms + self.wall_offset_ms;
        let mut step = Step { now, wall_ms, effects, ids: &mut ids };
        let touches_metadata = self.dispatch(&mut step, input);
        if touches_metadata {
            self.publish_metadata(&mut step);
        }
        if let Some((role, _)) = &mut self.broker {
            role.finish_step(&mut step);
        }
        if self.closing {
            self.finish_shutdown(&mut step);
        }
        self.ids = ids;
    }

    /// Returns whether committed metadata or the controller may have changed.
    fn dispatch(&mut self, step: &mut Step<'_>, input: Input) -> bool {
        match input {
            Input::Request { conn, correlation, request } => {
                self.request(step, ReplyTo { conn, correlation }, request)
            }
            Input::Response { from, correlation, result } => {
                self.response(step, from, correlation, result)
            }
            Input::Disk { id, result } => self.disk(step, id, result),
            rare => self.rare_input(step, rare),
        }
    }

    // What happens seldom is kept out of the hot path's code, which is larger than an instruction
    // cache as it is.
    #[cold]
    fn rare_input(&mut self, step: &mut Step<'_>, input: Input) -> bool {
        match input {
            Input::Start => self.start(step),
            Input::Timer(key) => return self.timer(step, key),
            Input::Remote { id, result } => {
                self.remote(step, id, result);
                return false;
            }
            Input::ConnectionClosed(conn) => self.drop_connection(conn),
            Input::Client { conn, client_id } => {
                if let Some((role, _)) = &mut self.broker {
                    role.quotas.client(conn, client_id);
                }
                return false;
            }
            Input::Spent { conn, time } => {
                if let Some((role, _)) = &mut self.broker {
                    role.quotas.spent(conn, step.now, time);
                }
                return false;
            }
            Input::Shutdown => self.shutdown(step),
            Input::Request { .. }
            | Input::Response { .. }
            | Input::Disk { .. }
            | Input::WallClock(_) => return false,
        }
        true
    }

    fn start(&mut self, step: &mut Step<'_>) {
        let Boot { ops, scanned_bytes, truncated_bytes, marks } = std::mem::take(&mut self.boot);
        if let Some((role, _)) = &mut self.broker {
            for kind in ops {
                role.replicas.carry_out(step, kind);
            }
        }
        // From here on a crash is a crash (DUR-02).
        if !planted(self.config.plant, Plant::MarkerSurvivesStart) {
            step.disk(Owner::Replica, DiskOpKind::DeleteFile { file: FileName::CleanShutdown });
        }
        step.trace(TraceEvent::Recovered { scanned_bytes, truncated_bytes });
        marks.into_iter().for_each(|mark| step.trace(TraceEvent::Mark(mark)));
        self.raft.on_start(step);
        let view = self.view();
        if let Some((role, lifecycle)) = &mut self.broker {
            role.replicas.start(step);
            lifecycle.on_view(step, view);
            lifecycle.set_ready(step, view);
        }
    }

    fn request(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) -> bool {
        let of_metadata = |p: &FetchPartition| p.tp == TopicPartition::METADATA;
        let is_data = match &request {
            Request::Produce(_) => true,
            Request::Fetch(fetch) => !fetch.partitions.iter().any(of_metadata),
            _ => false,
        };
        match &mut self.broker {
            Some((role, _)) if is_data => role.request(step, to, request),
            _ => return self.rare_request(step, to, request),
        }
        false
    }

    #[cold]
    fn rare_request(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) -> bool {
        match request {
            Request::Vote(_)
            | Request::BeginQuorumEpoch(_)
            | Request::EndQuorumEpoch(_)
            | Request::FetchSnapshot(_) => {
                self.raft.on_request(step, to, request);
                true
            }
            Request::Fetch(ref fetch)
                if fetch.partitions.iter().any(|p| p.tp == TopicPartition::METADATA) =>
            {
                self.raft.on_request(step, to, request);
                true
            }
            Request::DescribeQuorum(_)
                if self.is_active_controller() || self.is_for_controller(to) =>
            {
                self.raft.on_request(step, to, request);
                true
            }
            Request::AlterPartition(_)
            | Request::BrokerRegistration(_)
            | Request::BrokerHeartbeat(_)
            | Request::AllocateProducerIds(_) => self.controller_request(step, to, request),
            Request::CreateTopics(_)
            | Request::ElectLeaders(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::AlterPartitionReassignments(_)
            | Request::ListPartitionReassignments(_)
            | Request::AlterConfigs(_)
            | Request::AlterClientQuotas(_)
            | Request::UpdateFeatures(_)
            | Request::UnregisterBroker(_)
                if self.is_for_controller(to) =>
            {
                self.controller_request(step, to, request)
            }
            _ => {
                match &mut self.broker {
                    Some((role, _)) => role.request(step, to, request),
                    None => return self.controller_request(step, to, request),
                }
                false
            }
        }
    }

    fn controller_request(&mut self, step: &mut Step<'_>, to: ReplyTo, request: Request) -> bool {
        if let Some(controller) = &mut self.controller {
            controller.on_request(step, &mut self.raft, to, request);
        }
        true
    }

    /// Whether what a controller decides is asked of the controller of this node: by a broker, for itself or for a
    /// client, or where there is no broker. A client that asks a node with both roles asks the broker, which goes on to
    /// the controller as any other does, and comes again when that is none or resigns (Kafka's `ForwardingManager`).
    fn is_for_controller(&self, to: ReplyTo) -> bool {
        let is_forwarded = owner_of(to.correlation.0) == Some(Owner::Forward);
        self.broker.is_none() || is_forwarded && self.controller.is_some()
    }

    fn is_active_controller(&self) -> bool {
        self.controller.is_some() && self.raft.leader() == Some(self.config.node)
    }

    fn response(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) -> bool {
        match (owner_of(id.0), &mut self.broker) {
            (Some(Owner::Fetcher), Some((role, _))) => {
                role.replicas.fetcher_response(step, id, result);
                false
            }
            _ => self.rare_response(step, from, id, result),
        }
    }

    #[cold]
    fn rare_response(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) -> bool {
        let view = self.view();
        let owner = owner_of(id.0);
        if owner == Some(Owner::Raft) {
            self.raft.on_response(step, from, id, result);
            return true;
        }
        let Some((role, lifecycle)) = &mut self.broker else { return false };
        match owner {
            Some(Owner::Lifecycle) => {
                lifecycle.on_response(step, view, id, result);
                role.broker_epoch = lifecycle.broker_epoch().unwrap_or(-1);
                return true;
            }
            Some(Owner::AlterPartition) => {
                role.replicas.alter_partition_response(step, id, result);
            }
            Some(Owner::Forward) => role.forwarded_response(step, id, result),
            Some(Owner::Remote) => role.replicas.rebuild_response(step, id, result),
            Some(Owner::Transactions) => {
                crate::api::transactions::answered(role, step, id, &result);
            }
            _ => debug_assert!(false, "a response to a request that nobody sent"),
        }
        false
    }

    fn disk(&mut self, step: &mut Step<'_>, id: DiskOpId, result: DiskResult) -> bool {
        match (owner_of(id.0), &mut self.broker) {
            (Some(Owner::Replica), Some((role, _))) => role.replicas.disk_done(step, id, &result),
            (Some(Owner::Fetch), Some((role, _))) => role.replicas.read_done(step, id, result),
            (owner, _) => return self.rare_disk(step, owner, id, result),
        }
        false
    }

    #[cold]
    fn rare_disk(
        &mut self,
        step: &mut Step<'_>,
        owner: Option<Owner>,
        id: DiskOpId,
        result: DiskResult,
    ) -> bool {
        if owner == Some(Owner::Raft) {
            self.raft.on_disk(step, id, result);
            return true;
        }
        let Some((role, _)) = &mut self.broker else { return false };
        match owner {
            Some(Owner::ListOffsets) => {
                crate::api::list_offsets::disk_done(role, step, id, &result);
            }
            Some(Owner::Group) => role.group_disk_done(step, id, result),
            Some(Owner::Cleaner) => role.replicas.cleaner_disk_done(step, id, result),
            Some(Owner::Transactions) => {
                crate::api::transactions::disk_done(role, step, id, result);
            }
            _ => debug_assert!(false, "a completion of an operation that nobody started"),
        }
        false
    }

    #[cold]
    fn remote(&mut self, step: &mut Step<'_>, id: RemoteOpId, result: RemoteResult) {
        let Some((role, _)) = &mut self.broker else { return };
        match owner_of(id.0) {
            Some(Owner::ListOffsets) => {
                crate::api::list_offsets::remote_done(role, step, id, &result);
            }
            _ => role.replicas.remote_done(step, id, result),
        }
    }

    fn timer(&mut self, step: &mut Step<'_>, key: TimerKey) -> bool {
        let view = self.view();
        match key {
            TimerKey::Raft => self.raft.on_timer(step),
            TimerKey::Controller => {
                if let Some(controller) = &mut self.controller {
                    controller.on_timer(step, &mut self.raft);
                }
            }
            _ => {
                let Some((role, lifecycle)) = &mut self.broker else { return false };
                match key {
                    TimerKey::Lifecycle => lifecycle.on_timer(step, view),
                    TimerKey::Purgatory => role.replicas.purgatory_due(step),
                    TimerKey::IsrCheck => role.replicas.check_isr(step),
                    TimerKey::Fetcher(leader, id) => role.replicas.fetcher_due(step, leader, id),
                    TimerKey::AlterPartition => role.replicas.alter_partition_due(),
                    TimerKey::Retention => role.replicas.retention_due(step),
                    TimerKey::Checkpoint => role.replicas.checkpoint_due(step),
                    TimerKey::Flush => role.replicas.flush_due(step),
                    TimerKey::Cleaner => role.replicas.cleaner_due(step),
                    TimerKey::RemoteLog => role.replicas.remote_log_due(step),
                    TimerKey::RemoteFetch => role.replicas.remote_fetch_due(step),
                    TimerKey::Expiry => role.replicas.expiry_due(step),
                    TimerKey::Groups => role.groups_due(step),
                    TimerKey::GroupExpiry => role.groups_expire(step),
                    TimerKey::TxnTimeouts => crate::api::transactions::timeouts_due(role, step),
                    TimerKey::TxnLoads => crate::api::transactions::loads_due(role, step),
                    TimerKey::TxnMarkers => crate::api::transactions::markers_due(role, step),
                    TimerKey::TxnAdditions => crate::api::transactions::additions_due(role, step),
                    TimerKey::Forward => role.forwarding_due(step),
                    TimerKey::Raft | TimerKey::Controller => {}
                }
                return false;
            }
        }
        true
    }

    fn drop_connection(&mut self, conn: ConnectionId) {
        self.raft.drop_connection(conn);
        if let Some(controller) = &mut self.controller {
            controller.drop_connection(conn);
        }
        if let Some((role, _)) = &mut self.broker {
            role.replicas.drop_connection(conn);
            role.forwarding.drop_connection(conn);
            role.quotas.drop_connection(conn);
        }
    }

    fn shutdown(&mut self, step: &mut Step<'_>) {
        let view = self.view();
        self.closing = true;
        match &mut self.broker {
            Some((_, lifecycle)) if self.config.server.controlled_shutdown_enable => {
                lifecycle.begin_shutdown(step, view);
            }
            _ => self.raft.resign(step),
        }
    }

    /// Controlled shutdown ends when the controller has moved every leader away.
    #[cold]
    fn finish_shutdown(&mut self, step: &mut Step<'_>) {
        if step.effects.exit.is_some() {
            return;
        }
        if let Some((role, lifecycle)) = &mut self.broker {
            let waits = self.config.server.controlled_shutdown_enable
                && lifecycle.state() != BrokerState::ShuttingDown;
            if waits || role.replicas.has_appends_in_flight() {
                return;
            }
            if !role.replicas.close(step) {
                return; // what it waits for comes by here again
            }
            self.raft.resign(step);
        }
        step.effects.exit = Some(Exit::ShutdownComplete);
    }

    fn view(&self) -> View {
        View {
            controller: self.raft.leader(),
            metadata_offset: self.broker.as_ref().map_or(-1, |(role, _)| role.image.offset()),
        }
    }

    /// Hands committed metadata to the controller and to the broker role.
    #[cold]
    fn publish_metadata(&mut self, step: &mut Step<'_>) {
        // A controller's reaction may commit more at once (a quorum of one).
        loop {
            let committed = self.raft.take_committed(step);
            if let Some(controller) = &mut self.controller {
                controller.on_committed(step, &mut self.raft, &committed);
            }
            if committed.is_empty() {
                break;
            }
            self.apply_to_broker(step, committed);
        }
        let view = self.view();
        let Some((role, lifecycle)) = &mut self.broker else { return };
        role.controller = view.controller;
        if role.forwarding.holds_requests() {
            role.resume_forwarding(step);
        }
        lifecycle.on_view(step, view);
        role.broker_epoch = lifecycle.broker_epoch().unwrap_or(-1);
        if lifecycle.is_caught_up()
            && let Some(delta) = self.withheld.take()
        {
            role.apply_metadata(step, &delta);
        }
        if self.controller.is_none() && self.raft.snapshot_due() {
            self.raft.create_snapshot(step, &role.image);
        }
    }

    fn apply_to_broker(&mut self, step: &mut Step<'_>, committed: Vec<Committed>) {
        let Some((role, _)) = &mut self.broker else { return };
        let mut fresh = MetadataDelta::default();
        let delta = self.withheld.as_mut().unwrap_or(&mut fresh);
        for batch in committed {
            match batch.content {
                Content::Snapshot(image) => {
                    role.image.replace(MetadataImage::clone(&image), delta);
                }
                Content::Records(records) => {
                    let (last, epoch) = (batch.last_offset, batch.epoch);
                    let applied = role.image.apply_batch(last, epoch, &records, delta);
                    // Committed metadata that does not apply means that this process is wrong
                    // about the cluster: going on would be worse than stopping (RAFT-22).
                    assert!(applied.is_ok(), "committed metadata applies: {applied:?}");
                }
            }
        }
        if delta.features
            || !delta.partitions.is_empty()
            || !delta.removed_topics.is_empty()
            || !delta.brokers.is_empty()
        {
            self.topics_revision += 1;
        }
        if delta.limits_connections() {
            self.limits_revision += 1;
        }
        if !fresh.is_empty() {
            role.apply_metadata(step, &fresh);
        }
    }
}

/// Loads every log of the broker role. Configs of topics come with the metadata; until then nothing is judged by
/// those that logs have from here.
fn recover_logs(config: &NodeConfig, image: &dyn DiskImage, boot: &mut Boot) -> Vec<(Log, i64)> {
    let read = |file| image.file(&file).map_or_else(BTreeMap::new, |b| parse_checkpoint(&b));
    let marks = read(FileName::HighWatermarks);
    let points = read(FileName::RecoveryPoints);
    let starts = read(FileName::LogStartOffsets);
    let tiered = image.file(&FileName::LogStartOffsets).map(|bytes| parse_tiered(&bytes));
    let tiered = tiered.unwrap_or_default();
    let clean = image.file(&FileName::CleanShutdown).is_some();
    let topic = crate::config::TopicConfig::from_server(&config.server);
    let log_config = LogConfig { plant: config.plant, ..LogConfig::new(&topic, &config.server) };
    let mut logs = Vec::new();
    for tp in image.logs().into_iter().filter(|tp| *tp != TopicPartition::METADATA) {
        let known = Recover {
            recovery_point: points.get(&tp).copied().unwrap_or(0),
            log_start_offset: starts.get(&tp).copied().unwrap_or(0),
            clean,
            // Of a replica that is new none is on record, and all may be cut (hunt seed 14000136). An end in good
            // order leaves it on record, if there was one.
            high_watermark: marks.get(&tp).copied().or((!clean).then_some(0)),
            tiered: tiered.contains(&tp),
        };
        let (log, stats) = Log::recover(tp, log_config, image, known, &mut boot.ops);
        boot.scanned_bytes += stats.scanned_bytes;
        boot.truncated_bytes += stats.truncated_bytes;
        boot.marks.extend(stats.has_hole.then_some("log-with-a-hole"));
        boot.marks.extend(stats.ends_below_start.then_some("log-below-its-start"));
        let high_watermark = known.high_watermark.unwrap_or(0);
        logs.push((log, high_watermark));
    }
    logs
}

#[cfg(test)]
mod tests;
