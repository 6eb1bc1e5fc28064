//! Applications under test: their hosts and madsim nodes, their clients, and when they run.
//!
//! Applications run in an event of the world: madsim's executor polls what is ready until nothing is,
//! then what they asked for is handed to their clients. That happens when a call is answered, and once
//! a simulated millisecond, for those that wait for time to pass. Their CPU time is not modelled.

use super::clients::ClientKind;
use super::event::Event;
use super::setup::client_nic;
use super::{MILLISECOND_NS, World};
use crate::app::{Command, Delivery, Env, Factory, Hub, InstanceId, Load, Replier, Reply, Spec};
use crate::app::{ConsumerSpec, ProducerSpec, Subscription};
use crate::checkers::{Copied, FinalState};
use crate::client::{Arrival, Arrivals};
use crate::client::{
    Ask, Assignment, Assignor, ClassicSetup, ClientCx, ClientInput, Consumer, ConsumerSetup,
    MembershipSetup, Outcome, Producer, ProducerSetup, TransactionsSetup,
};
use crate::net::HostId;
use crate::runtime::{ApplicationPanic, panic_message};
use madsim::runtime::Runtime;
use madsim::task::NodeId as Process;
use madsim::time::TimeHandle;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use stormglass_broker_core::ids::{TopicId, TopicPartition};
use stormglass_scenarios::plan::TransactionsPlan;

/// Applications that go on asking and being answered so often at one time never come to rest.
const ROUNDS_MAX: u32 = 100_000;

/// A client of an application.
#[derive(Debug)]
pub(super) struct AppClient {
    machine: Machine,
    /// Given to the application when its call is answered.
    polled: Vec<Delivery>,
}

#[derive(Debug)]
enum Machine {
    Producer(Producer),
    Consumer(Consumer),
}

impl AppClient {
    pub(super) fn step(&mut self, input: ClientInput, cx: &mut ClientCx<'_>) {
        match &mut self.machine {
            Machine::Producer(machine) => machine.step(input, cx),
            Machine::Consumer(machine) => machine.step(input, cx),
        }
    }

    /// What it waits for, in words.
    pub(super) fn waits(&self) -> Option<String> {
        match &self.machine {
            Machine::Producer(machine) => machine.transaction_waits(),
            Machine::Consumer(machine) => machine.membership_waits(),
        }
    }
}

/// An instance of an application.
struct Instance {
    application: usize,
    number: u32,
    az: usize,
    host: HostId,
    /// Once the run has begun.
    process: Option<Process>,
    life: u32,
    is_running: bool,
    paused_until_ns: u64,
    /// Its clients, as the world counts them, of this life.
    clients: Vec<u32>,
}

/// The applications of a run.
pub(super) struct Apps {
    runtime: Rc<Runtime>,
    hub: Arc<Hub>,
    load: Load,
    instances: Vec<Instance>,
    /// Clients by the number that applications know.
    clients: BTreeMap<u64, u32>,
    /// Calls that wait for an answer: client, and where it goes.
    calls: BTreeMap<u64, (u32, Replier)>,
    next_call: u64,
    /// They run in an event at this time, which is on its way.
    is_due: bool,
}

impl fmt::Debug for Apps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apps").field("load", &self.load).finish_non_exhaustive()
    }
}

/// An application's records come from its calls.
#[derive(Debug)]
struct NoArrivals;

impl Arrivals for NoArrivals {
    fn peek_ns(&self) -> Option<u64> {
        None
    }

    fn pull(&mut self) -> Option<Arrival> {
        None
    }

    fn set_rate(&mut self, _now_ns: u64, _rate_permille: u32) {}
}

impl World {
    /// The run has applications; to be called before it begins.
    pub(crate) fn add_applications(&mut self, runtime: Rc<Runtime>, load: Load) {
        if load.applications.is_empty() && load.copies.is_empty() {
            return;
        }
        self.checkers.expect_applications(&self.plan);
        let (nic, flow_cap_bytes_per_sec) = client_nic(&self.plan);
        let azs = self.plan.cluster.azs.len().max(1);
        let mut instances = Vec::new();
        for (application, plan) in load.applications.iter().enumerate() {
            for number in 0..plan.instances {
                let az = number as usize % azs;
                let spec = crate::net::HostSpec { az, nic, flow_cap_bytes_per_sec };
                let host = self.net.add_host(spec);
                self.host_node.push(None);
                instances.push(Instance {
                    application,
                    number,
                    az,
                    host,
                    process: None,
                    life: 0,
                    is_running: false,
                    paused_until_ns: 0,
                    clients: Vec::new(),
                });
            }
        }
        self.apps = Some(Box::new(Apps {
            runtime,
            hub: Arc::default(),
            load,
            instances,
            clients: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            is_due: false,
        }));
    }

    /// The run begins, and applications with it.
    pub(super) fn start_applications(&mut self) {
        let Some(apps) = &self.apps else { return };
        for at in 0..apps.instances.len() {
            self.start_instance(at);
        }
        self.at(self.now + MILLISECOND_NS, Event::ApplicationTick);
    }

    fn start_instance(&mut self, at: usize) {
        let Some(apps) = &mut self.apps else { return };
        if apps.instances[at].is_running {
            return;
        }
        apps.instances[at].is_running = true;
        apps.start_process(at);
        self.let_applications_run();
    }

    /// A millisecond has passed.
    pub(super) fn application_tick(&mut self) {
        self.run_applications();
        self.at(self.now + MILLISECOND_NS, Event::ApplicationTick);
    }

    /// They run before the time goes on.
    fn let_applications_run(&mut self) {
        if let Some(apps) = &mut self.apps
            && !std::mem::replace(&mut apps.is_due, true)
        {
            self.at(self.now, Event::Applications);
        }
    }

    /// Lets applications run until each of them waits for something.
    pub(super) fn run_applications(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let Some(apps) = &mut self.apps else { return };
            apps.is_due = false;
            apps.poll(self.now);
            let said = apps.hub.take();
            if said.is_empty() {
                return;
            }
            for command in said {
                self.application_said(command);
            }
        }
        let message = "it goes on without time passing".to_owned();
        std::panic::panic_any(ApplicationPanic(message));
    }

    fn application_said(&mut self, command: Command) {
        match command {
            Command::Open { client, owner, spec } => self.open_client(client, owner, spec),
            Command::Ask { client, ask, replier } => self.ask_client(client, ask, replier),
            Command::Close { client } => self.close_client(client),
        }
    }

    fn open_client(&mut self, number: u64, owner: InstanceId, spec: Spec) {
        let Some(apps) = &self.apps else { return };
        let instance = &apps.instances[owner.instance as usize];
        if instance.life != owner.life || !instance.is_running {
            return; // said before it was killed
        }
        let (az, host) = (instance.az, instance.host);
        let name = Arc::clone(&apps.load.applications[instance.application].name);
        let index = self.clients.len() as u64;
        let machine = match spec {
            Spec::Producer(spec) => Machine::Producer(self.app_producer(&name, index, *spec)),
            Spec::Consumer(spec) => Machine::Consumer(self.app_consumer(&name, index, *spec)),
        };
        let kind = ClientKind::Application(Box::new(AppClient { machine, polled: Vec::new() }));
        let client = self.add_client_at(kind, (az, host), self.origin_ns);
        if let Some(apps) = &mut self.apps {
            apps.clients.insert(number, client);
            apps.instances[owner.instance as usize].clients.push(client);
        }
        self.client_input(client, ClientInput::Start);
    }

    fn app_producer(&self, name: &str, index: u64, spec: ProducerSpec) -> Producer {
        let ProducerSpec { config, topic, transactional_id } = spec;
        // it ends them itself
        let plan = TransactionsPlan {
            records: u32::MAX,
            length_ns: u64::MAX,
            aborted_permille: 0,
            epoch_each: false,
            positions: false,
            former_members: false,
            restart_timeout_ms: None,
        };
        Producer::for_application(ProducerSetup {
            config,
            costs: self.costs(),
            bootstrap: self.bootstrap(),
            topic,
            arrivals: Box::new(NoArrivals),
            draws: self.draws(name, index),
            first_tag: index << 40,
            transactions: transactional_id.map(|id| TransactionsSetup {
                id,
                plan,
                timeout_ms: config.transaction_timeout_ms,
                draws: self.streams.stream((name, index), "transactions"),
                first_number: index << 40,
                member: None,
            }),
        })
    }

    fn app_consumer(&self, name: &str, index: u64, spec: ConsumerSpec) -> Consumer {
        let ConsumerSpec { config, client_id, subscription, is_cooperative } = spec;
        let partitions = |topic: &String| {
            let plan = self.plan.topics.iter().find(|plan| plan.name == *topic);
            let count = plan.map_or(0, |plan| u32::try_from(plan.assignment.len()).unwrap_or(0));
            let topic: Arc<str> = Arc::from(topic.as_str());
            (0..count).map(move |partition| Assignment { topic: Arc::clone(&topic), partition })
        };
        let (assignment, is_member) = match &subscription {
            Subscription::Assigned(list) => {
                let one = |(topic, partition): &(String, u32)| Assignment {
                    topic: Arc::from(topic.as_str()),
                    partition: *partition,
                };
                (list.iter().map(one).collect(), false)
            }
            Subscription::Subscribed(topics) => {
                (topics.iter().flat_map(partitions).collect(), true)
            }
        };
        let assignor = if is_cooperative { Assignor::CooperativeSticky } else { Assignor::Range };
        let membership = is_member.then_some(MembershipSetup::Classic(ClassicSetup {
            assignor,
            names_generation: true,
            instance: None,
            client_id,
            session_timeout_ms: config.session_timeout_ms,
            rebalance_timeout_ms: config.poll_interval_ms,
            heartbeat_ns: config.heartbeat_interval_ns,
        }));
        Consumer::for_application(ConsumerSetup {
            config,
            costs: self.costs(),
            bootstrap: self.bootstrap(),
            assignment,
            membership,
            draws: self.draws(name, index),
        })
    }

    fn ask_client(&mut self, number: u64, ask: Box<Ask>, replier: Replier) {
        let Some(apps) = &mut self.apps else { return };
        let Some(client) = apps.clients.get(&number).copied() else {
            return replier.reply(Err(crate::app::Error::Closed));
        };
        apps.next_call += 1;
        let id = apps.next_call;
        apps.calls.insert(id, (client, replier));
        self.client_input(client, ClientInput::Asked { id, ask });
    }

    fn close_client(&mut self, number: u64) {
        let closed = self.apps.as_mut().and_then(|apps| apps.clients.remove(&number));
        let Some(client) = closed else { return };
        self.close_connections(client);
        self.clients[client as usize].stop();
        if let Some(apps) = &mut self.apps {
            apps.calls.retain(|_, (of, _)| *of != client);
            for instance in &mut apps.instances {
                instance.clients.retain(|of| *of != client);
            }
        }
    }

    /// What became of an application's call, or of its records.
    pub(super) fn application_outcome(&mut self, client: u32, outcome: &mut Outcome) {
        let now = self.now.saturating_sub(self.origin_ns);
        match outcome {
            Outcome::Delivered { tp, batch, first_offset, count, .. } => {
                if let ClientKind::Application(app) = &mut self.clients[client as usize].kind {
                    let (tp, first, count) = (*tp, *first_offset, *count);
                    app.polled.push(Delivery { tp, batch: Arc::clone(batch), first, count });
                }
            }
            Outcome::Answered { id, answer } => {
                let ClientKind::Application(app) = &mut self.clients[client as usize].kind else {
                    return;
                };
                let reply = Reply::of(answer.clone(), &mut app.polled);
                let call = self.apps.as_mut().and_then(|apps| apps.calls.remove(id));
                if let Some((_, replier)) = call {
                    replier.reply(reply);
                    self.let_applications_run();
                }
            }
            Outcome::Acked(_) | Outcome::Failed(..) | Outcome::Transaction(_) => {
                // behind those of the plan's producers
                self.checkers.produced(now, self.plan.producers.len(), outcome);
                if let Outcome::Acked(done) | Outcome::Failed(done, _) = outcome {
                    self.shared.recycle(std::mem::take(&mut done.records));
                }
            }
            _ => {}
        }
    }

    /// Instances of that name: an application's, or one.
    pub(super) fn instances_of(&self, name: &str, only: Option<u32>) -> Vec<usize> {
        let Some(apps) = &self.apps else { return Vec::new() };
        let is_of = |at: &usize| {
            let Instance { application, number, .. } = &apps.instances[*at];
            let of = &apps.load.applications[*application].name;
            let is_it = **of == *name && only.is_none_or(|only| only == *number);
            is_it || name.strip_prefix(&**of).is_some_and(|rest| rest == format!("-{number}"))
        };
        (0..apps.instances.len()).filter(is_of).collect()
    }

    /// Instances in an AZ.
    pub(super) fn instances_in(&self, az: usize) -> Vec<usize> {
        let Some(apps) = &self.apps else { return Vec::new() };
        (0..apps.instances.len()).filter(|at| apps.instances[*at].az == az).collect()
    }

    /// Hosts of instances that `is_meant` names by their AZ.
    pub(super) fn application_hosts(&self, is_meant: impl Fn(usize) -> bool) -> Vec<HostId> {
        let instances = self.apps.iter().flat_map(|apps| &apps.instances);
        instances.filter(|instance| is_meant(instance.az)).map(|instance| instance.host).collect()
    }

    /// Processes of instances end, with all that they held in memory. `power`: their hosts are off, so
    /// that nobody hears of it.
    pub(super) fn kill_instances(&mut self, killed: &[usize], power: bool) {
        for at in killed.iter().copied() {
            let Some(apps) = &mut self.apps else { return };
            if !apps.instances[at].is_running {
                continue;
            }
            let (host, clients) = apps.kill_process(at);
            for client in clients {
                self.clients[client as usize].stop();
            }
            self.with_net(|net, now, sched, out| match power {
                true => net.host_power(now, (host, false), sched, out),
                false => net.process_exit(now, host, out),
            });
            self.let_applications_run();
        }
    }

    /// They start again; `power`: their hosts are on again.
    pub(super) fn restart_instances(&mut self, started: &[usize], power: bool) {
        for at in started.iter().copied() {
            let Some(apps) = &self.apps else { return };
            let host = apps.instances[at].host;
            if power {
                self.with_net(|net, now, sched, out| net.host_power(now, (host, true), sched, out));
            }
            if self.net.is_powered(host) {
                self.start_instance(at);
            }
        }
    }

    /// Processes do nothing until then.
    pub(super) fn pause_instances(&mut self, paused: &[usize], until_ns: u64) {
        for at in paused.iter().copied() {
            let Some(apps) = &mut self.apps else { return };
            let runtime = Rc::clone(&apps.runtime);
            let instance = &mut apps.instances[at];
            let Some(process) = instance.process.filter(|_| instance.is_running) else { continue };
            runtime.handle().pause(process);
            instance.paused_until_ns = instance.paused_until_ns.max(until_ns);
            for client in instance.clients.clone() {
                self.clients[client as usize].pause(until_ns);
            }
            let instance = u32::try_from(at).unwrap_or(u32::MAX);
            self.at(until_ns, Event::ApplicationResume { instance });
        }
    }

    /// A process goes on, unless something else still stops it.
    pub(super) fn resume_instance(&mut self, at: u32) {
        let now = self.now;
        let Some(apps) = &mut self.apps else { return };
        let instance = &apps.instances[at as usize];
        if let Some(process) = instance.process.filter(|_| instance.paused_until_ns <= now) {
            apps.runtime.handle().resume(process);
            self.let_applications_run();
        }
    }

    /// Everything ends: what applications hold is dropped.
    pub(super) fn stop_applications(&mut self) {
        let Some(apps) = &mut self.apps else { return };
        for at in 0..apps.instances.len() {
            if apps.instances[at].is_running {
                apps.kill_process(at);
            }
        }
        apps.poll(self.now);
    }
}

impl Apps {
    /// Lets everything run that is ready, at the world's time. madsim's clock moves a little with each
    /// task that it polls: it waits for the world's then.
    fn poll(&mut self, now_ns: u64) {
        let elapsed = TimeHandle::current().elapsed();
        if let Some(behind) = Duration::from_nanos(now_ns).checked_sub(elapsed) {
            madsim::time::advance(behind);
        }
        let ran = catch_unwind(AssertUnwindSafe(|| self.runtime.block_on(async {})));
        if let Err(panic) = ran {
            std::panic::panic_any(ApplicationPanic(panic_message(&*panic)));
        }
    }

    /// What they promise, and of which partitions.
    pub(super) fn copied(
        &self,
        origin_ns: u64,
        topics: &BTreeMap<String, TopicId>,
        state: &FinalState<'_>,
    ) -> Vec<Copied<'_>> {
        let began_ms = i64::try_from(origin_ns / MILLISECOND_NS).unwrap_or(0);
        let partitions = |topic: &str| -> Vec<TopicPartition> {
            let id = topics.get(topic).copied();
            let all = state.partitions.iter().map(|last| last.tp);
            all.filter(|tp| Some(tp.topic) == id).collect()
        };
        let of = self.load.copies.iter().map(|rule| {
            let promise = &rule.promise;
            let (from, to) = (partitions(&promise.from), partitions(&promise.to));
            Copied { promise, from, to, began_ms: super::WALL_EPOCH_MS + began_ms }
        });
        of.collect()
    }

    /// A process starts, with nothing left of the life before.
    fn start_process(&mut self, at: usize) {
        let instance = &mut self.instances[at];
        let application = &self.load.applications[instance.application];
        let id =
            InstanceId { instance: u32::try_from(at).unwrap_or(u32::MAX), life: instance.life };
        let env = Env {
            hub: Arc::clone(&self.hub),
            id,
            name: Arc::clone(&application.name),
            number: instance.number,
            instances: application.instances,
        };
        let handle = self.runtime.handle();
        if let Some(before) = instance.process.take() {
            handle.kill(before);
        }
        let start: Factory = Arc::clone(&application.start);
        let name = format!("{}-{}", application.name, instance.number);
        let node = handle.create_node().name(name).init(move || start(env.clone())).build();
        instance.process = Some(node.id());
    }

    /// A process ends. Its host, and the clients that end with it.
    fn kill_process(&mut self, at: usize) -> (HostId, Vec<u32>) {
        let instance = &mut self.instances[at];
        instance.is_running = false;
        instance.life += 1;
        instance.paused_until_ns = 0;
        if let Some(process) = instance.process {
            self.runtime.handle().kill(process);
        }
        let clients = std::mem::take(&mut instance.clients);
        self.clients.retain(|_, client| !clients.contains(client));
        self.calls.retain(|_, (client, _)| !clients.contains(client));
        (instance.host, clients)
    }
}
