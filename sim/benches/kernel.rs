//! What the kernel and its nearest models cost per operation: event queue, random streams,
//! arrivals, and a message through the network. Contents of messages cost nothing here.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use stormglass_scenarios::plan::{Arrival, Quantiles, RatePlan};
use stormglass_sim::kernel::{EventQueue, Order};
use stormglass_sim::net::{
    ConnId, HostSpec, NetConfig, NetEvent, NetOut, Network, Schedule, Side, Windows,
};
use stormglass_sim::rng::{Stream, Streams};
use stormglass_sim::workload::{Arrivals, RateCurve, Zipf, partition_hash};

/// An event of the size that the world uses.
type Event = [u64; 3];

fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("event queue, pop and push");
    for pending in [100_u64, 10_000, 1_000_000] {
        let mut stream = Streams::new(1).stream("bench", "queue");
        let mut queue: EventQueue<Event> = EventQueue::new(Order::Fixed);
        for _ in 0..pending {
            queue.push(stream.below(1_000_000_000), 0, [0; 3]);
        }
        // Random times are drawn beforehand, so that only the queue is measured.
        let waits: Vec<u64> = (0..65_536).map(|_| stream.exponential_ns(500_000_000)).collect();
        let mut next = 0;
        group.bench_function(format!("{pending} pending"), |b| {
            b.iter(|| {
                let (at_ns, event) = queue.pop().expect("as many are pushed as popped");
                next = (next + 1) % waits.len();
                queue.push(at_ns + waits[next], 0, black_box(event));
            });
        });
    }
    group.finish();
}

fn streams(c: &mut Criterion) {
    let mut stream = Streams::new(1).stream("bench", "rng");
    let table = latency();
    let zipf = Zipf::new(1_000_000, 990);
    let mut group = c.benchmark_group("random");
    group.bench_function("next_u64", |b| b.iter(|| stream.next_u64()));
    group.bench_function("below", |b| b.iter(|| stream.below(black_box(1_000))));
    group.bench_function("exponential", |b| b.iter(|| stream.exponential_ns(1_000_000)));
    group.bench_function("quantile table", |b| b.iter(|| stream.sample(&table)));
    group.bench_function("zipf", |b| b.iter(|| zipf.sample(&mut stream)));
    group.bench_function("partition hash", |b| b.iter(|| partition_hash(black_box(123_456))));
    group.bench_function("new stream", |b| {
        b.iter(|| -> Stream { Streams::new(1).stream(("link", black_box(7)), "latency") });
    });
    group.finish();
}

fn arrivals(c: &mut Criterion) {
    let mut group = c.benchmark_group("arrival");
    let bursty = Arrival::Bursty { on_ns: 10_000_000, off_ns: 90_000_000 };
    let ramp = vec![(0, 1_000_000), (u64::from(u32::MAX) * 1_000_000, 9_000_000_000)];
    let flat = vec![(0, 16_666_667)];
    let cases = [
        ("uniform", Arrival::Uniform, &flat),
        ("Poisson", Arrival::Poisson, &flat),
        ("bursty", bursty, &flat),
        ("uniform on a ramp", Arrival::Uniform, &ramp),
    ];
    for (name, arrival, points) in cases {
        let stream = Streams::new(1).stream("bench", "arrivals");
        let mut process = Arrivals::new(arrival, RateCurve::new(points), (0, 6), stream);
        group.bench_function(name, |b| b.iter(|| process.next_ns()));
    }
    group.finish();
}

struct Queue(EventQueue<NetEvent>);

impl Schedule for Queue {
    fn at(&mut self, at_ns: u64, event: NetEvent) {
        self.0.push(at_ns, 0, event);
    }
}

struct World {
    net: Network,
    queue: Queue,
    conns: Vec<ConnId>,
    now_ns: u64,
    out: Vec<NetOut>,
}

fn latency() -> Quantiles {
    let points = [
        (0, 250_000),
        (500_000, 400_000),
        (900_000, 500_000),
        (990_000, 700_000),
        (1_000_000, 6_000_000),
    ];
    Quantiles { points: points.to_vec(), source: "bench".into(), confidence: "U".into() }
}

impl World {
    fn new(peers: usize) -> Self {
        let config = NetConfig {
            same_az: latency(),
            cross_az: latency(),
            rto_min_ns: 200_000_000,
            syn_timeout_ns: 1_000_000_000,
            mss_bytes: 8_949,
            frame_overhead_permille: 8,
            window_bytes: 6 << 20,
            loopback_ns: 20_000,
        };
        let rate = 1_250_000_000;
        let nic = RatePlan { baseline_per_sec: rate, burst_per_sec: rate, bucket: 0, initial: 0 };
        let mut net = Network::new(config, Streams::new(1));
        let hosts: Vec<_> = (0..=peers)
            .map(|az| net.add_host(HostSpec { az, nic, flow_cap_bytes_per_sec: rate / 2 }))
            .collect();
        hosts.iter().for_each(|&host| net.listen(host, true));
        let mut queue = Queue(EventQueue::new(Order::Fixed));
        let mut connect = |&to| net.connect(0, (hosts[0], to), Windows::default(), &mut queue);
        let conns = hosts[1..].iter().map(&mut connect).collect();
        let mut world = Self { net, queue, conns, now_ns: 0, out: Vec::new() };
        world.run_until(1_000_000_000);
        world
    }

    fn run_until(&mut self, at_ns: u64) {
        while let Some((now_ns, event)) = self.queue.0.pop_until(at_ns) {
            self.net.on_event(now_ns, event, &mut self.queue, &mut self.out);
            self.net.flush(now_ns, &mut self.queue);
            self.out.clear();
        }
        self.now_ns = at_ns;
    }

    /// `count` messages of 16 KiB, one each `gap_ns`, in turns over the connections.
    fn burst(&mut self, count: usize, gap_ns: u64) {
        for n in 0..count {
            let conn = self.conns[n % self.conns.len()];
            let message = (16_384, n as u64);
            let taken = self.net.send(self.now_ns, (conn, Side::Client), message, 0);
            assert!(taken, "the connection is open");
            self.net.flush(self.now_ns, &mut self.queue);
            self.run_until(self.now_ns + gap_ns);
        }
        self.run_until(self.now_ns + 100_000_000);
    }
}

fn network(c: &mut Criterion) {
    const MESSAGES: usize = 1_000;
    let mut group = c.benchmark_group("network, message of 16 KiB");
    group.throughput(criterion::Throughput::Elements(MESSAGES as u64));
    // A message takes 26 us alone: 30 us apart nothing meets, 16 us apart is 80 % load.
    for (name, peers, gap_ns) in [
        ("alone", 3, 30_000),
        ("80 %, 3 peers", 3, 16_500),
        ("80 %, 60 peers", 60, 16_500),
        ("overload, 60 peers", 60, 10_000),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || World::new(peers),
                |world| world.burst(MESSAGES, gap_ns),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, queue, streams, arrivals, network);
criterion_main!(benches);
