//! How a node's process comes up: it reads its disk, loads its logs, then serves.

use super::World;
use super::event::Event;
use stormglass_broker_core::Broker;
use stormglass_broker_core::seam::{Effects, Input};
use stormglass_broker_core::time::Instant;

impl World {
    /// A process starts: it reads its disk, which takes as long as there is to scan.
    pub(super) fn boot(&mut self, node: u16) {
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        at.config.incarnation = u128::from(at.life) << 64 | at.id.0.unsigned_abs() as u128;
        at.config.seed = at.config.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let broker = Broker::new(at.config.clone(), &at.disk);
        let scan_ns = at.disk.recovery_time_ns(broker.recovery_scanned_bytes());
        at.starting = Some(broker);
        let life = at.life;
        self.at(now + scan_ns, Event::Start { node, life });
    }

    /// Its logs are loaded: it listens.
    pub(super) fn start_process(&mut self, node: u16) {
        let now = self.now;
        let at = &mut self.nodes[node as usize];
        let Some(mut broker) = at.starting.take() else { return };
        let wall_ms = at.clock.wall_ns(now) / 1_000_000;
        let mono = Instant::from_nanos(at.clock.monotonic_ns(now));
        broker.step(mono, Input::WallClock(wall_ms), &mut Effects::default());
        at.broker = Some(broker);
        self.watch_start(node);
        let at = &mut self.nodes[node as usize];
        at.cpu.reset(now);
        let (host, id) = (at.host, at.id.0);
        self.booting.remove(&node);
        self.net.listen(host, true);
        self.event_now("broker-up", Some(id), format!("node {id} serves"), None);
        self.step_node(node, Input::Start, None);
        self.after_start(node);
    }
}
