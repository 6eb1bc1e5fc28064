//! Faults and operations of the plan: how each begins and ends.

use super::clients::ClientKind;
use super::describe::describe;
use super::event::Event;
use super::{SECOND_NS, World};
use crate::checkers::Cause;
use crate::client::ClientInput;
use crate::clock::DRIFT_PPB_MAX;
use crate::disk::Slow;
use crate::net::{Hosts, LinkRule};
use crate::object_storage::StorageFault;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::seam::Input;
use stormglass_reports::recording::ClusterEvent;
use stormglass_scenarios::plan::{Action, AzDownMode, CreditResource, Endpoint, LinkEffect};

impl World {
    /// An action of the plan begins.
    pub(super) fn begin_action(&mut self, index: u32) {
        let event = self.plan.events[index as usize].clone();
        let until_ns = event.ends_ns(&self.plan.phases);
        // what an operator asks for is asked once: no fault lasts until healing
        let lasts = !matches!(event.action, Action::Admin { .. });
        self.note_action(&event.action, "fault-begin", lasts.then_some(until_ns));
        match &event.action {
            Action::AzDown { az, mode: AzDownMode::Isolate, .. } => {
                self.add_rule(index, LinkRule::isolate_az(*az));
            }
            Action::AzDown { az, mode: AzDownMode::PowerOff, clients } => {
                self.az_power_off(*az, *clients, &self.cause(index));
            }
            Action::HostCrash { node } => self.power_off(*node, &self.cause(index)),
            Action::ProcessCrash { node } => self.kill(*node, &self.cause(index)),
            Action::ProcessPause { node } => self.pause(*node, until_ns + self.origin_ns),
            Action::Link { from, to, one_way, effect } => {
                self.add_link_rules(index, from, to, *one_way, *effect);
            }
            Action::SlowDisk { node, rate_permille, extra_latency_ns } => {
                let (rate_permille, extra_latency_ns) = (*rate_permille, *extra_latency_ns);
                let until_ns = until_ns + self.origin_ns;
                let slow = Slow { rate_permille, extra_latency_ns, until_ns };
                self.with_disk(*node, |disk, now| disk.set_slow(now, slow));
            }
            Action::ObjectStorage { reject_permille, extra_latency_ns } => {
                self.set_storage_fault(StorageFault {
                    reject_permille: *reject_permille,
                    extra_latency_ns: *extra_latency_ns,
                });
            }
            Action::DiskFull { node } => self.with_disk(*node, |disk, _| disk.set_full(true)),
            Action::DiskError { node } => {
                self.with_disk(*node, |disk, _| disk.set_io_error(true));
            }
            Action::SyncError { node } => {
                self.with_disk(*node, |disk, _| disk.set_sync_error(true));
            }
            Action::BitRot { node, share_permille } => {
                let seed = self.plan.seed ^ u64::from(index).rotate_right(16);
                self.with_disk(*node, |disk, now| disk.set_rot(now, Some((*share_permille, seed))));
            }
            Action::ClockDrift { node, ppm } => self.set_drift(*node, *ppm),
            Action::ClockJump { node, by_ns } => self.jump_clock(*node, *by_ns),
            Action::RollingRestart { .. } => self.at(self.now, Event::Rolling { index, step: 0 }),
            Action::Load { producer, rate_permille } => {
                self.set_load(producer.as_deref(), *rate_permille);
            }
            Action::SetCredits { node, resource, level_permille } => {
                self.set_credits(*node, *resource, *level_permille);
            }
            Action::ConsumerPause { group, member } => self.pause_group((group, *member), true),
            Action::ClientCrash { client } => {
                self.kill_clients(client);
                self.kill_instances(&self.instances_of(client, None), false);
            }
            Action::ClientPause { client, instance } => {
                let until_ns = until_ns + self.origin_ns;
                self.pause_clients((client, *instance), until_ns);
                self.pause_instances(&self.instances_of(client, *instance), until_ns);
            }
            // the operator has it on its list (`world/operations`)
            Action::Admin { .. } => {}
        }
        if has_end(&event.action) {
            self.at(until_ns + self.origin_ns, Event::ActionEnd { index });
        }
    }

    /// An action ends.
    pub(super) fn end_action(&mut self, index: u32) {
        let event = self.plan.events[index as usize].clone();
        self.note_action(&event.action, "fault-end", None);
        for id in self.rules.remove(&index).unwrap_or_default() {
            self.with_net(|net, now, sched, _| net.remove_rule(now, id, sched));
        }
        match &event.action {
            Action::AzDown { az, mode: AzDownMode::PowerOff, clients } => {
                self.az_power_on(*az, *clients, index);
            }
            Action::HostCrash { node } | Action::ProcessCrash { node } => {
                self.bring_back(*node, index);
            }
            Action::SlowDisk { node, .. } => {
                self.with_disk(*node, |disk, now| disk.set_slow(now, Slow::NOT));
            }
            Action::ObjectStorage { .. } => self.set_storage_fault(StorageFault::default()),
            Action::DiskFull { node } => {
                self.with_disk(*node, |disk, _| disk.set_full(false));
                // Kafka halts when its only log directory fails; the operator starts it again.
                self.boot_if_down(*node);
            }
            Action::DiskError { node } => {
                self.with_disk(*node, |disk, _| disk.set_io_error(false));
                self.boot_if_down(*node);
            }
            Action::SyncError { node } => {
                self.with_disk(*node, |disk, _| disk.set_sync_error(false));
                self.boot_if_down(*node);
            }
            Action::BitRot { node, .. } => {
                self.with_disk(*node, |disk, now| disk.set_rot(now, None))
            }
            Action::ClockDrift { node, .. } => self.set_drift(*node, 0),
            Action::ClockJump { node, by_ns } => self.jump_clock(*node, by_ns.saturating_neg()),
            Action::Load { producer, .. } => self.set_load(producer.as_deref(), 1000),
            Action::ConsumerPause { group, member } => self.pause_group((group, *member), false),
            Action::ClientCrash { client } => {
                self.start_killed(client);
                self.restart_instances(&self.instances_of(client, None), false);
            }
            Action::AzDown { .. }
            | Action::ProcessPause { .. }
            | Action::ClientPause { .. }
            | Action::Link { .. }
            | Action::RollingRestart { .. }
            | Action::SetCredits { .. }
            | Action::Admin { .. } => {}
        }
    }

    /// Heal begins: whatever a fault left behind is set right.
    pub(super) fn heal(&mut self) {
        for index in 0..self.nodes.len() {
            let id = self.nodes[index].id.0;
            if !self.nodes[index].powered {
                self.power_on(id);
            } else {
                self.boot_if_down(id);
            }
        }
    }

    fn node(&self, id: i32) -> Option<u16> {
        self.node_index.get(&NodeId(id)).copied()
    }

    fn with_disk(&mut self, id: i32, change: impl FnOnce(&mut crate::disk::Disk, u64)) {
        if let Some(node) = self.node(id) {
            let now = self.now;
            change(&mut self.nodes[node as usize].disk, now);
        }
    }

    /// An action of the plan as the reason why something went down.
    fn cause(&self, index: u32) -> Cause {
        let action = &self.plan.events[index as usize].action;
        Cause { event: Some(index), what: describe(action, &self.plan.cluster.azs).1 }
    }

    fn az_power_off(&mut self, az: usize, clients: bool, cause: &Cause) {
        let nodes: Vec<i32> = self.nodes.iter().filter(|n| n.az == az).map(|n| n.id.0).collect();
        for id in nodes {
            self.power_off(id, cause);
        }
        if clients {
            self.kill_instances(&self.instances_in(az), true);
            for client in self.clients_in(az) {
                self.clients[client].stop();
                let host = self.clients[client].host;
                self.with_net(|net, now, sched, out| {
                    net.host_power(now, (host, false), sched, out)
                });
            }
        }
    }

    /// A fault that took a node down is over: it comes back, unless another one still holds it down.
    fn bring_back(&mut self, id: i32, ended: u32) {
        let Some(node) = self.node(id) else { return };
        let (now, az) = (self.now - self.origin_ns, self.nodes[node as usize].az);
        let held = (0..).zip(&self.plan.events).any(|(index, event)| {
            index != ended
                && holds_down(&event.action, id, az)
                && event.lasts_at(now, &self.plan.phases)
        });
        if held {
            return;
        }
        if self.nodes[node as usize].powered {
            self.boot_later(id, 0);
        } else {
            self.power_on(id);
        }
    }

    fn az_power_on(&mut self, az: usize, clients: bool, ended: u32) {
        let nodes: Vec<i32> = self.nodes.iter().filter(|n| n.az == az).map(|n| n.id.0).collect();
        for id in nodes {
            self.bring_back(id, ended);
        }
        if clients {
            for client in self.clients_in(az) {
                let host = self.clients[client].host;
                self.with_net(|net, now, sched, out| net.host_power(now, (host, true), sched, out));
                self.start_client(client);
            }
            self.restart_instances(&self.instances_in(az), true);
        }
    }

    fn clients_in(&self, az: usize) -> Vec<usize> {
        (0..self.clients.len()).filter(|at| self.clients[*at].az == az).collect()
    }

    /// The host of a node loses power: unsynced bytes are gone, peers learn nothing.
    fn power_off(&mut self, id: i32, cause: &Cause) {
        let Some(node) = self.node(id) else { return };
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        if !at.powered {
            return;
        }
        at.powered = false;
        self.booting.remove(&node); // a boot under way is over, too
        at.forget_process(now);
        at.writeback_at = None;
        let mut stream = self.streams.stream(("crash", u64::from(at.life)), &at.id.to_string());
        at.disk.crash_power(now, &mut |below| stream.below(below));
        let host = at.host;
        self.with_net(|net, now, sched, out| net.host_power(now, (host, false), sched, out));
        self.forget_connections(node);
        self.event_now("broker-down", Some(id), format!("node {id} loses power"), None);
        let loses_unsynced = self.nodes[node as usize].disk.loses_unsynced();
        self.node_down(node, loses_unsynced, cause);
    }

    fn power_on(&mut self, id: i32) {
        let Some(node) = self.node(id) else { return };
        if self.nodes[node as usize].powered {
            return;
        }
        self.nodes[node as usize].powered = true;
        let host = self.nodes[node as usize].host;
        self.with_net(|net, now, sched, out| net.host_power(now, (host, true), sched, out));
        self.boot_later(id, self.boot_times.host_boot_ns);
    }

    /// The process is killed; what it wrote is in the page cache.
    fn kill(&mut self, id: i32, cause: &Cause) {
        let Some(node) = self.node(id) else { return };
        self.process_ended(node, cause);
    }

    /// A process ends, however: the system closes its sockets.
    pub(super) fn process_ended(&mut self, node: u16, cause: &Cause) {
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        if !at.is_up() {
            return;
        }
        at.forget_process(now);
        at.disk.crash_process(now);
        let mut stream = self.streams.stream(("sync", u64::from(at.life)), &at.id.to_string());
        let lost_unsynced = at.disk.drop_unsynced(now, &mut |below| stream.below(below));
        let (host, id) = (at.host, at.id.0);
        let failed_sync = if lost_unsynced { self.failing_sync(id) } else { None };
        let cause = failed_sync.as_ref().unwrap_or(cause);
        self.with_net(|net, now, _, out| net.process_exit(now, host, out));
        self.forget_connections(node);
        let what = format!("node {id} is down: {}", cause.what);
        self.event_now("broker-down", Some(id), what, None);
        self.node_down(node, lost_unsynced, cause);
        self.after_exit(node);
    }

    /// The action of the plan that lets a node's fsyncs fail now.
    fn failing_sync(&self, id: i32) -> Option<Cause> {
        let now = self.now.checked_sub(self.origin_ns)?;
        let found = (0..).zip(&self.plan.events).find(|(_, event)| {
            matches!(event.action, Action::SyncError { node } if node == id)
                && (event.at_ns..=event.ends_ns(&self.plan.phases)).contains(&now)
        });
        found.map(|(index, _)| self.cause(index))
    }

    fn forget_connections(&mut self, node: u16) {
        self.conns.retain(|end| match end {
            super::End::Peer { node: at, .. } | super::End::Storage { node: at } => *at != node,
            super::End::Client { .. } => true,
        });
        self.forget_remote(node);
    }

    fn pause(&mut self, id: i32, until: u64) {
        if let Some(node) = self.node(id) {
            let now = self.now;
            let at = &mut self.nodes[node as usize];
            at.paused_until_ns = until;
            at.cpu.pause_until(now, until);
        }
    }

    /// The wall clock of a node jumps; a process that runs is told, as clocks are read when asked.
    fn jump_clock(&mut self, id: i32, by_ns: i64) {
        let Some(node) = self.node(id) else { return };
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        at.clock.jump(by_ns);
        let wall_ms = at.clock.wall_ns(now) / 1_000_000;
        if at.is_up() {
            self.step_node(node, Input::WallClock(wall_ms), None);
        }
    }

    /// The clocks of a node have another rate from now on. Timers that it has armed are due by the new one.
    fn set_drift(&mut self, id: i32, ppm: i32) {
        let Some(node) = self.node(id) else { return };
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        // scenarios are checked for it; a plan may come from anywhere
        let ppb = (i64::from(ppm) * 1_000).clamp(-DRIFT_PPB_MAX, DRIFT_PPB_MAX);
        at.clock.set_drift(now, ppb);
        let life = at.life;
        let armed = at.armed.iter().flatten();
        let due: Vec<_> =
            armed.map(|(mono_ns, key)| (at.clock.sim_time_of(*mono_ns).max(now), *key)).collect();
        for (due_ns, key) in due {
            self.at(due_ns, Event::Timer { node, life, key });
        }
    }

    fn boot_if_down(&mut self, id: i32) {
        if let Some(node) = self.node(id)
            && !self.nodes[node as usize].is_up()
            && !self.booting.contains(&node)
        {
            self.boot_later(id, 0);
        }
    }

    /// The process of a node starts after a while.
    pub(super) fn boot_later(&mut self, id: i32, after_ns: u64) {
        let Some(node) = self.node(id) else { return };
        let at = &self.nodes[node as usize];
        if at.is_up() || !at.powered || !self.booting.insert(node) {
            return;
        }
        let life = at.life;
        let takes_ns = after_ns + self.boot_times.process_start_ns;
        let due = self.now + takes_ns * at.recovery_permille / 1000;
        self.at(due, Event::Boot { node, life });
    }

    fn add_rule(&mut self, index: u32, rule: LinkRule) {
        let mut id = None;
        self.with_net(|net, now, sched, _| id = Some(net.add_rule(now, rule, sched)));
        self.rules.entry(index).or_default().extend(id);
    }

    fn add_link_rules(
        &mut self,
        index: u32,
        from: &[Endpoint],
        to: &[Endpoint],
        one_way: bool,
        effect: LinkEffect,
    ) {
        let (from, to) = (self.hosts(from), self.hosts(to));
        self.add_rule(index, LinkRule { from, to, one_way, effect });
    }

    fn hosts(&self, ends: &[Endpoint]) -> Hosts {
        let mut hosts = Vec::new();
        for end in ends {
            let of_nodes = self.nodes.iter().filter(|n| match end {
                Endpoint::Node(id) => n.id.0 == *id,
                Endpoint::Az(az) => n.az == *az,
                Endpoint::Clients => false,
                Endpoint::Controllers => !n.is_broker,
                Endpoint::Brokers => n.is_broker,
            });
            hosts.extend(of_nodes.map(|n| n.host));
            let of_clients = self.clients.iter().filter(|c| match end {
                Endpoint::Az(az) => c.az == *az,
                Endpoint::Clients => true,
                Endpoint::Node(_) | Endpoint::Controllers | Endpoint::Brokers => false,
            });
            hosts.extend(of_clients.map(|c| c.host));
            hosts.extend(self.application_hosts(|az| match end {
                Endpoint::Az(at) => az == *at,
                Endpoint::Clients => true,
                Endpoint::Node(_) | Endpoint::Controllers | Endpoint::Brokers => false,
            }));
        }
        hosts.sort_unstable();
        hosts.dedup();
        Hosts::Listed(hosts)
    }

    fn set_credits(&mut self, id: i32, resource: CreditResource, permille: u32) {
        let Some(node) = self.node(id) else { return };
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        match resource {
            CreditResource::Cpu => at.cpu.set_credit_level(now, permille),
            CreditResource::Volume => at.disk.set_credit_level(now, permille),
            CreditResource::Network => {
                let host = at.host;
                self.with_net(|net, now, sched, _| net.set_credits(now, (host, permille), sched));
            }
        }
    }

    fn set_load(&mut self, producer: Option<&str>, rate_permille: u32) {
        for client in 0..self.clients.len() {
            let Some(group) = self.producer_group(client) else { continue };
            let name = &self.plan.producers[group].name;
            if producer.is_none_or(|wanted| wanted == name) {
                let client = u32::try_from(client).unwrap_or(u32::MAX);
                self.client_input(client, ClientInput::LoadChanged { rate_permille });
            }
        }
    }

    /// Clients of a producer or group of that name.
    fn clients_of(&self, name: &str) -> Vec<usize> {
        let is_of = |client: &usize| match &self.clients[*client].kind {
            ClientKind::Producer { group, .. } => self.plan.producers[*group].name == name,
            ClientKind::Consumer { group, .. } => self.plan.consumers[*group].group == name,
            ClientKind::Admin(_) | ClientKind::Application(_) | ClientKind::Operator(_) => false,
        };
        (0..self.clients.len()).filter(is_of).collect()
    }

    fn kill_clients(&mut self, name: &str) {
        for client in self.clients_of(name) {
            if !self.clients[client].running {
                continue;
            }
            self.clients[client].stop();
            let host = self.clients[client].host;
            self.with_net(|net, now, _, out| net.process_exit(now, host, out));
        }
    }

    /// Processes do nothing until then; what comes meanwhile waits.
    fn pause_clients(&mut self, (name, instance): (&str, Option<u32>), until_ns: u64) {
        for client in self.clients_of(name) {
            let number = u32::try_from(client).ok().and_then(|at| self.instances.get(&at).copied());
            if instance.is_none() || instance == number {
                self.clients[client].pause(until_ns);
            }
        }
    }

    fn start_killed(&mut self, name: &str) {
        for client in self.clients_of(name) {
            if self.net.is_powered(self.clients[client].host) {
                self.start_client(client);
            }
        }
    }

    /// A client starts unless another fault's end has started it already.
    fn start_client(&mut self, client: usize) {
        if !self.clients[client].running {
            self.restart_client(client);
        }
    }

    fn pause_group(&mut self, (group, member): (&str, Option<u32>), pause: bool) {
        for client in 0..self.clients.len() {
            let is_member = self
                .consumer_group(client)
                .is_some_and(|at| self.plan.consumers[at].group == group);
            let client = u32::try_from(client).unwrap_or(u32::MAX);
            let number = self.instances.get(&client).copied();
            if is_member && (member.is_none() || member == number) {
                let input = if pause { ClientInput::Pause } else { ClientInput::Resume };
                self.client_input(client, input);
            }
        }
    }

    /// One broker after another: shut down, stay away, come back, settle.
    pub(super) fn rolling_step(&mut self, index: u32, step: u32) {
        let Action::RollingRestart { nodes, .. } = &self.plan.events[index as usize].action else {
            return;
        };
        let next = nodes.get(step as usize).copied();
        if self.rolling_must_wait(index, step) {
            return;
        }
        let Some(id) = next else {
            return self.event_now("fault-end", None, "rolling restart is through".into(), None);
        };
        let Some(node) = self.node(id) else { return };
        self.rolling.insert(node, (index, step));
        self.event_now("rolling-restart", Some(id), format!("broker {id} shuts down"), None);
        if self.nodes[node as usize].is_up() {
            self.step_node(node, Input::Shutdown, None);
        } else {
            self.after_exit(node);
        }
    }

    /// A process that was shut down for a rolling restart comes back after `down_ns`.
    fn after_exit(&mut self, node: u16) {
        let Some((index, _)) = self.rolling.get(&node) else { return };
        let Action::RollingRestart { down_ns, .. } = self.plan.events[*index as usize].action
        else {
            return;
        };
        let id = self.nodes[node as usize].id.0;
        self.boot_later(id, down_ns);
    }

    /// A broker of a rolling restart is back: the next one follows after the pause, or later when
    /// partitions are still under-replicated.
    pub(super) fn after_start(&mut self, node: u16) {
        let Some((index, step)) = self.rolling.remove(&node) else { return };
        let Action::RollingRestart { pause_ns, .. } = self.plan.events[index as usize].action
        else {
            return;
        };
        self.rolling_waits.insert(index, (step + 1, self.now + 2 * pause_ns));
        self.at(self.now + pause_ns, Event::Rolling { index, step: step + 1 });
    }

    /// Whether a rolling restart should wait a little longer for replicas to catch up.
    pub(super) fn rolling_must_wait(&mut self, index: u32, step: u32) -> bool {
        let Some((next, limit)) = self.rolling_waits.get(&index).copied() else { return false };
        if next != step || self.now >= limit || self.under_replicated() == 0 {
            return false;
        }
        self.at(self.now + SECOND_NS, Event::Rolling { index, step });
        true
    }

    fn note_action(&mut self, action: &Action, kind: &str, until_ns: Option<u64>) {
        let (node, detail) = describe(action, &self.plan.cluster.azs);
        let detail = if kind == "fault-end" { format!("over: {detail}") } else { detail };
        let now = self.now.saturating_sub(self.origin_ns.min(self.now));
        self.checkers.fault(now, &detail);
        self.event_now(kind, node, detail, until_ns);
    }

    /// An entry in the cluster's story.
    pub(super) fn event_now(
        &mut self,
        kind: &str,
        node: Option<i32>,
        detail: String,
        until_ns: Option<u64>,
    ) {
        if self.origin_ns == u64::MAX {
            return;
        }
        let at_ns = self.now - self.origin_ns;
        let (kind, partition) = (kind.to_owned(), None);
        let event = ClusterEvent { at_ns, kind, node, partition, partitions: 0, detail, until_ns };
        self.recorder.event(event);
    }
}

/// Whether an action keeps a node's process from running while it lasts.
fn holds_down(action: &Action, id: i32, az_of_node: usize) -> bool {
    match action {
        Action::AzDown { az, mode: AzDownMode::PowerOff, .. } => *az == az_of_node,
        Action::HostCrash { node } | Action::ProcessCrash { node } => *node == id,
        _ => false,
    }
}

fn has_end(action: &Action) -> bool {
    !matches!(
        action,
        Action::RollingRestart { .. } | Action::SetCredits { .. } | Action::Admin { .. }
    )
}
