//! temporary
use crate::client::Outcome;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::seam::TraceEvent;
use stormglass_reports::recording::*;
use stormglass_scenarios::plan::Plan;
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who { Producer(usize), Consumer(usize) }
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transfer { Produce, Consume, Replication }
#[derive(Debug, Default)]
pub(crate) struct Recorder { pub secs: Vec<Second>, acked: u64, acks_ns: Vec<u64>, delivered: u64, failed: u64, pub events: Vec<ClusterEvent>, paths: Vec<PathSample> }
impl Recorder {
    pub(crate) fn new(_: &Plan) -> Self { Self::default() }
    pub(crate) fn produced(&mut self, _now: u64, _g: usize, o: &Outcome) { match o { Outcome::Acked(d) => { self.acked += d.records.len() as u64; for r in &d.records { self.acks_ns.push(d.done_ns - r.intended_ns); } }, Outcome::Failed(d, r) => { self.failed += d.records.len() as u64; eprintln!("failed {r:?}"); }, _ => {} } }
    pub(crate) fn delivered(&mut self, _now: u64, _g: usize, o: &Outcome) { if let Outcome::Delivered { count, .. } = o { self.delivered += u64::from(*count); } else { } }
    pub(crate) fn transfer(&mut self, _k: Transfer, _b: u64) {}
    pub(crate) fn event(&mut self, e: ClusterEvent) { eprintln!("{:>10.3} {} {:?} {}", e.at_ns as f64 / 1e9, e.kind, e.node, e.detail); }
    pub(crate) fn path(&mut self, s: PathSample) { self.paths.push(s); }
    pub(crate) fn end_of_second(&mut self, i: u32, p: Phase, b: Vec<BrokerSecond>, l: Vec<(u64, u64)>, off: u32, c: Option<i32>) {
        self.acks_ns.sort_unstable();
        let q = |f: f64, v: &Vec<u64>| if v.is_empty() { 0.0 } else { v[((v.len() - 1) as f64 * f) as usize] as f64 / 1e6 };
        eprintln!("s{i} {p:?} acked {} p50 {:.2} p99 {:.2} max {:.2} failed {} delivered {} lag {:?} off {off} ctl {c:?} cpu {:?} net {:?} urp {:?} lead {:?}", self.acked, q(0.5, &self.acks_ns), q(0.99, &self.acks_ns), q(1.0, &self.acks_ns), self.failed, self.delivered, l,
            b.iter().map(|x| x.cpu_permille).collect::<Vec<_>>(), b.iter().map(|x| x.net_tx >> 20).collect::<Vec<_>>(), b.iter().map(|x| x.under_replicated).collect::<Vec<_>>(), b.iter().map(|x| x.leaders).collect::<Vec<_>>());
        if let Some(p) = self.paths.last() { eprintln!("   {:?}", p.parts); }
        self.acked = 0; self.acks_ns.clear(); self.delivered = 0;
    }
}
#[derive(Debug, Default)]
pub(crate) struct Checkers;
impl Checkers {
    pub(crate) fn new(_: &Plan) -> Self { Self }
    pub(crate) fn topic(&mut self, _: TopicPartition, _: &str, _: usize, _: Option<&str>) {}
    pub(crate) fn begin(&mut self, _: u64) {}
    pub(crate) fn trace(&mut self, now: u64, n: i32, e: &TraceEvent) { if std::env::var("SGT").is_ok() && !matches!(e, TraceEvent::LeaderAppended{..}|TraceEvent::FollowerAppended{..}|TraceEvent::HighWatermark{..}) { eprintln!("{:.4} n{n} {e:?}", now as f64/1e9); } }
    pub(crate) fn outcome(&mut self, _: u64, _: Who, _: &Outcome) {}
    pub(crate) fn node_down(&mut self, _: u64, _: i32, _: bool) {}
}
#[derive(Debug, Default)]
pub(crate) struct Story;
impl Story {
    pub(crate) fn new() -> Self { Self }
    pub(crate) fn trace(&mut self, _: u64, _: i32, _: &TraceEvent, _: &mut Vec<ClusterEvent>) {}
    pub(crate) fn flush(&mut self, _: u64, _: &mut Vec<ClusterEvent>) {}
}
