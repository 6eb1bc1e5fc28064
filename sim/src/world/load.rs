//! The load of a run: when its time begins, its clients and its phases.

use super::clients::ClientKind;
use super::event::Event;
use super::node::Tally;
use super::setup::Stage;
use super::{SECOND_NS, World};
use crate::client::{
    Arrivals, Assignment, Assignor, ClassicSetup, ClientCosts, ClientInput, Consumer,
    ConsumerConfig, ConsumerSetup, HeartbeatSetup, MembershipSetup, PlannedArrivals, Producer,
    ProducerConfig, ProducerSetup, TransactionStep, TransactionsSetup,
};
use crate::cpu::constant;
use std::sync::Arc;
use stormglass_scenarios::plan::{
    self, ClientProfile, ConsumerPlan, KeyDist, ProducerPlan, Subscriptions, TransactionsPlan,
};

/// Where the life of a client's process begins in the numbers that are its own, above its index, bits.
const LIFE_SHIFT: u32 = 16;

impl World {
    /// The run's time begins: clients start, the plan's events are due from here.
    fn begin_run(&mut self) {
        self.setup = Stage::Running;
        self.origin_ns = self.now;
        self.checkers.begins(self.now);
        for client in &mut self.clients {
            client.stop();
        }
        let phases = self.plan.phases;
        let mut at = self.now;
        let lengths = [phases.warmup_ns, phases.measure_ns, phases.heal_ns, phases.drain_ns];
        for (index, length) in (1u8..).zip(lengths) {
            at += length;
            if index < 4 {
                self.at(at, Event::Phase { index });
            }
        }
        self.ends_ns = at;
        self.second = 0;
        self.at(self.now + SECOND_NS, Event::Second);
        for index in 0..self.plan.events.len() {
            let at_ns = self.plan.events[index].at_ns + self.now;
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            self.at(at_ns, Event::ActionBegin { index });
        }
        let now = self.now;
        for node in &mut self.nodes {
            node.tally = Tally::default();
            node.cpu.take_counters(now);
            node.disk.take_counters(now);
            self.net.take_counters(now, node.host);
        }
        self.start_clients();
        self.start_applications();
    }

    fn start_clients(&mut self) {
        let has_backlog = self.plan.topics.iter().any(|topic| topic.preload_bytes > 0);
        debug_assert!(
            has_backlog || u32::try_from(self.clients.len()) == Ok(TransactionStep::FIRST_PRODUCER),
            "storms know the groups of producers by their numbers"
        );
        for group in 0..self.plan.producers.len() {
            for instance in 0..self.plan.producers[group].count {
                self.add_producer(group, instance);
            }
        }
        for group in 0..self.plan.consumers.len() {
            for member in 0..self.plan.consumers[group].count {
                self.add_consumer(group, member);
            }
        }
        self.add_operator();
    }

    pub(super) fn costs(&self) -> ClientCosts {
        let cost = |name: &'static str| constant(&self.plan.model, name).unwrap_or(0);
        ClientCosts {
            record_ns: cost("cpu.client_record_ns"),
            batch_ns: 0,
            request_ns: cost("cpu.client_request_ns"),
            fetch_ns_per_kib: cost("cpu.client_fetch_ns_per_kib"),
        }
    }

    fn producer(&self, group: usize, instance: u32, tag_space: u64) -> Producer {
        let plan = &self.plan.producers[group];
        let start_ns = self.now - self.origin_ns;
        let mut arrivals = PlannedArrivals::new(plan, instance, &self.streams, start_ns);
        let load_permille = self.load_permille(&plan.name);
        if load_permille != 1000 {
            arrivals.set_rate(start_ns, load_permille);
        }
        let mut config = ProducerConfig::parse(plan).expect("checked before the run");
        config.keys = self.keys_in_bodies(plan);
        Producer::new(ProducerSetup {
            config,
            costs: self.costs(),
            bootstrap: self.bootstrap(),
            topic: Arc::from(plan.topic.as_str()),
            arrivals: Box::new(arrivals),
            draws: self.draws(&plan.name, u64::from(instance)),
            first_tag: tag_space << 40,
            transactions: plan.transactions.map(|transactions| TransactionsSetup {
                id: format!("{}-{instance}", plan.name).into(),
                plan: transactions,
                timeout_ms: timeout_of(&transactions, config.transaction_timeout_ms, tag_space),
                draws: self.streams.stream((plan.name.as_str(), tag_space), "transactions"),
                first_number: tag_space << 40,
                member: self.first_member(),
            }),
        })
    }

    /// The first group in the consumer protocol, and the first member that it has.
    fn first_member(&self) -> Option<(Arc<str>, Arc<str>)> {
        let is_remote =
            |of: &&ConsumerPlan| of.membership.is_some_and(|of| of.assignor.is_remote());
        let group = &self.plan.consumers.iter().find(is_remote)?.group;
        Some((Arc::from(group.as_str()), member_id(&client_id(group, 0), 0)))
    }

    /// How many keys a producer's records have, where they must be in the bodies.
    pub(super) fn keys_in_bodies(&self, plan: &ProducerPlan) -> Option<u64> {
        let topic = self.plan.topics.iter().find(|topic| topic.name == plan.topic)?;
        let own = topic.config.get("cleanup.policy");
        let policy = own.or_else(|| self.plan.cluster.config.get("log.cleanup.policy"));
        policy.filter(|policy| policy.contains("compact"))?;
        match plan.keys {
            KeyDist::None => None,
            KeyDist::Uniform { count } | KeyDist::Zipf { count, .. } => Some(count),
        }
    }

    /// What the plan's changes of load make of a producer group's rate by now, parts per thousand.
    fn load_permille(&self, name: &str) -> u32 {
        let now_ns = self.now - self.origin_ns;
        let changes = self.plan.load_changes(name).into_iter();
        changes
            .take_while(|(at_ns, _)| *at_ns <= now_ns)
            .last()
            .map_or(1000, |(_, permille)| permille)
    }

    fn add_producer(&mut self, group: usize, instance: u32) {
        let az = self.plan.producers[group].azs.get(instance as usize).copied().unwrap_or(0);
        let machine = self.producer(group, instance, self.clients.len() as u64);
        let kind = ClientKind::Producer { group, machine };
        let client = self.add_client(kind, az, self.origin_ns);
        self.instances.insert(client, instance);
        self.at(self.now, Event::ClientStart { client, life: 0 });
    }

    fn add_consumer(&mut self, group: usize, member: u32) {
        let plan = &self.plan.consumers[group];
        let az = plan.azs.get(member as usize).copied().unwrap_or(0);
        let start = self.origin_ns + plan.start_ns;
        let machine = self.consumer(group, (member, 0));
        let kind = ClientKind::Consumer { group, machine };
        let client = self.add_client(kind, az, self.origin_ns);
        self.instances.insert(client, member);
        self.at(start, Event::ClientStart { client, life: 0 });
    }

    fn consumer(&self, group: usize, (member, life): (u32, u32)) -> Consumer {
        let plan = &self.plan.consumers[group];
        let mut config = ConsumerConfig::parse(plan).expect("checked before the run");
        if *config.rack == *ConsumerPlan::OWN_AZ {
            let az = plan.azs.get(member as usize).and_then(|az| self.plan.cluster.azs.get(*az));
            config.rack = az.map_or("", String::as_str).into();
        }
        let client_id = client_id(&plan.group, member);
        let membership = plan.membership.map(|membership| {
            let instance = membership.static_members.then(|| client_id.clone());
            let rebalance_timeout_ms = config.poll_interval_ms;
            // librdkafka's `range` does not
            let is_java = plan.profile == ClientProfile::Java;
            let classic = |assignor| {
                MembershipSetup::Classic(ClassicSetup {
                    assignor,
                    names_generation: is_java || assignor != Assignor::Range,
                    instance: instance.clone(),
                    client_id: client_id.clone(),
                    session_timeout_ms: config.session_timeout_ms,
                    rebalance_timeout_ms,
                    heartbeat_ns: config.heartbeat_interval_ns,
                })
            };
            let remote = |assignor: &str| {
                MembershipSetup::Consumer(HeartbeatSetup {
                    member: member_id(&client_id, life),
                    assignor: assignor.into(),
                    instance: instance.clone(),
                    client_id: client_id.clone(),
                    rebalance_timeout_ms,
                    pattern: pattern(plan, member),
                    leaves_out: leaves_out(plan, member),
                    ahead: ahead(plan),
                    closes: membership.closes,
                })
            };
            let is_other = !life.is_multiple_of(2);
            let other = membership.restarts_as.filter(|_| is_other);
            match other.unwrap_or(membership.assignor) {
                plan::Assignor::Range => classic(Assignor::Range),
                plan::Assignor::CooperativeSticky => classic(Assignor::CooperativeSticky),
                plan::Assignor::RemoteUniform => remote("uniform"),
                plan::Assignor::RemoteRange => remote("range"),
            }
        });
        Consumer::new(ConsumerSetup {
            config,
            membership,
            costs: self.costs(),
            bootstrap: self.bootstrap(),
            assignment: self.assignment(group, member),
            draws: self.draws(&plan.group, u64::from(member)),
        })
    }

    /// Range assignment, as `RangeAssignor` deals each topic's partitions.
    fn assignment(&self, group: usize, member: u32) -> Vec<Assignment> {
        let plan = &self.plan.consumers[group];
        let mut mine = Vec::new();
        for name in topics_of(plan, member) {
            let Some(topic) = self.plan.topics.iter().find(|t| t.name == *name) else { continue };
            let partitions = u32::try_from(topic.assignment.len()).unwrap_or(0);
            // members see to it themselves
            let (count, member) =
                if plan.membership.is_some() { (1, 0) } else { (plan.count, member) };
            let (each, extra) = (partitions / count, partitions % count);
            let first = each * member + extra.min(member);
            let count = each + u32::from(member < extra);
            mine.extend(
                (first..first + count)
                    .map(|partition| Assignment { topic: Arc::from(name.as_str()), partition }),
            );
        }
        mine
    }

    /// A client process that lost its host starts again, with nothing but its config.
    pub(super) fn restart_client(&mut self, client: usize) {
        let instance = self.instances.get(&(client as u32)).copied().unwrap_or(0);
        let tag_space = (client as u64) | u64::from(self.clients[client].life) << LIFE_SHIFT;
        let kind = match &self.clients[client].kind {
            ClientKind::Producer { group, .. } => {
                let group = *group;
                let machine = self.producer(group, instance, tag_space);
                ClientKind::Producer { group, machine }
            }
            ClientKind::Consumer { group, .. } => {
                let group = *group;
                let life = self.clients[client].life;
                ClientKind::Consumer { group, machine: self.consumer(group, (instance, life)) }
            }
            // an administrator's host lost power with its AZ (hunt seed 2418067)
            ClientKind::Operator(_) => match self.operator() {
                Some(machine) => ClientKind::Operator(machine),
                None => return,
            },
            ClientKind::Admin(_) | ClientKind::Application(_) => return,
        };
        let at = &mut self.clients[client];
        at.kind = kind;
        at.running = true;
        let life = at.life;
        let client = u32::try_from(client).unwrap_or(u32::MAX);
        self.at(self.now, Event::ClientStart { client, life });
    }

    /// A phase begins.
    pub(super) fn begin_phase(&mut self, index: u8) {
        match index {
            0 => self.begin_run(),
            2 => self.heal(),
            3 => {
                for client in 0..self.clients.len() {
                    if self.producer_group(client).is_some() {
                        let client = u32::try_from(client).unwrap_or(u32::MAX);
                        self.client_input(client, ClientInput::StopLoad);
                    }
                }
            }
            _ => {}
        }
        let phase = ["warm-up", "measure", "heal", "drain"][usize::from(index)];
        self.event_now("phase", None, format!("phase {phase} begins"), None);
    }

    pub(super) fn producer_group(&self, client: usize) -> Option<usize> {
        match &self.clients[client].kind {
            ClientKind::Producer { group, .. } if self.clients[client].running => Some(*group),
            _ => None,
        }
    }

    pub(super) fn consumer_group(&self, client: usize) -> Option<usize> {
        match &self.clients[client].kind {
            ClientKind::Consumer { group, .. } if self.clients[client].running => Some(*group),
            _ => None,
        }
    }
}

/// `client.id` of a group's member, and its `group.instance.id` where it has one.
pub(super) fn client_id(group: &str, member: u32) -> Arc<str> {
    format!("{group}-{member}").into()
}

/// Member id in the consumer protocol: another one in each life, as a client's random UUID.
fn member_id(client_id: &str, life: u32) -> Arc<str> {
    format!("{client_id}-{life}").into()
}

/// `transaction.timeout.ms` of a producer in the life that its numbers are of, ms.
fn timeout_of(plan: &TransactionsPlan, own_ms: i32, tag_space: u64) -> i32 {
    let is_other = !(tag_space >> LIFE_SHIFT).is_multiple_of(2);
    plan.restart_timeout_ms.filter(|_| is_other).unwrap_or(own_ms)
}

/// Topics that a member subscribes to.
fn topics_of(plan: &ConsumerPlan, member: u32) -> impl Iterator<Item = &String> {
    let unlike = [Subscriptions::Different, Subscriptions::Patterns];
    let reads_all = plan.membership.is_none_or(|of| !unlike.contains(&of.subscriptions));
    let turn = (member as usize).checked_sub(1).map(|turn| turn % plan.topics.len().max(1));
    let is_read = move |at: usize| reads_all || turn.is_none_or(|turn| turn == at);
    plan.topics.iter().enumerate().filter(move |(at, _)| is_read(*at)).map(|(_, name)| name)
}

/// The regular expression that a member subscribes by, if it does.
fn pattern(plan: &ConsumerPlan, member: u32) -> Option<Arc<str>> {
    let of = plan.membership?;
    let by_pattern = match of.subscriptions {
        Subscriptions::Same
        | Subscriptions::Different
        | Subscriptions::Changing
        | Subscriptions::Ahead => false,
        Subscriptions::Patterns => member.is_multiple_of(2),
        Subscriptions::Pattern | Subscriptions::ChangingPattern => true,
    };
    debug_assert!(!by_pattern || of.assignor.is_remote(), "the coordinator looks for what matches");
    let names: Vec<&str> = topics_of(plan, member).map(String::as_str).collect();
    by_pattern.then(|| format!("{}|spare.*", names.join("|")).into())
}

/// Which of its topics a member leaves out first, if it does when it is back as another one.
fn leaves_out(plan: &ConsumerPlan, member: u32) -> Option<u32> {
    let changing = [Subscriptions::Changing, Subscriptions::ChangingPattern];
    let of = plan.membership.filter(|of| changing.contains(&of.subscriptions))?;
    debug_assert!(of.closes && of.assignor.is_remote(), "others are who they were");
    member.checked_sub(1)
}

/// A topic that members name, though it may not be there yet, if they do.
fn ahead(plan: &ConsumerPlan) -> Option<Arc<str>> {
    let of = plan.membership.filter(|of| of.subscriptions == Subscriptions::Ahead)?;
    debug_assert!(of.assignor.is_remote(), "others wait until it is there");
    Some(Subscriptions::AHEAD.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::transactions_plan;

    #[test]
    fn every_other_life_of_a_producer_has_another_time_out() {
        let timeouts = |restart_timeout_ms: Option<i32>| {
            let plan = TransactionsPlan { restart_timeout_ms, ..transactions_plan() };
            [0, 1, 2].map(|life: u64| timeout_of(&plan, 3_000, 5 | life << LIFE_SHIFT))
        };
        assert_eq!(timeouts(Some(6_000)), [3_000, 6_000, 3_000]);
        assert_eq!(timeouts(None), [3_000; 3]);
    }
}
