//! A broker ends in order once it leads nothing, and once all others know who leads instead: until then
//! their clients and followers would turn to one that is gone.

use super::{Says, Speaker};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use stormglass_broker_core::metadata::BrokerImage;
use stormglass_broker_core::protocol::{BrokerHeartbeatRequest, Request};

/// What controllers have heard of brokers, each by controller and broker.
#[derive(Debug, Default)]
pub(super) struct Shutdowns {
    /// Metadata that a broker has, and its epoch: a life that nobody has registered yet is none (hunt seed 1611465).
    known: BTreeMap<(i32, NodeId), (i64, Offset)>,
    /// End of the metadata when a broker that wants to end led something last.
    led: BTreeMap<(i32, NodeId), Offset>,
    /// End of the metadata after a broker was told to hand over what it leads, by the same.
    begun: BTreeMap<(i32, NodeId), Offset>,
    /// Brokers that wanted to end when they were fenced: that they may is answered once it is committed, and a
    /// heartbeat from before, which comes late, may have unfenced them meanwhile (hunt seed 1010411).
    let_go: BTreeSet<(i32, NodeId)>,
    /// Raft epoch in which a controller has heard all this.
    epochs: BTreeMap<i32, LeaderEpoch>,
    /// Of the heartbeat that is being handled.
    asks: Option<Asks>,
}

/// A broker asks whether it may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asks {
    broker: NodeId,
    /// What it leads.
    leads: Option<TopicPartition>,
    /// An active broker that may not know who leads instead: what it knows, and what it must.
    behind: Option<(NodeId, Offset, Offset)>,
    /// Whether it waits for somebody: who is active may not know yet, as far as was heard, that it was told to
    /// hand over.
    waits: bool,
}

impl Shutdowns {
    /// A controller is about to handle a request.
    pub(super) fn asked(&mut self, (node, broker): (i32, &Broker), request: &Request) {
        self.asks = None;
        if let Request::BrokerHeartbeat(asked) = request {
            self.heartbeat((node, broker), asked);
        }
    }

    fn heartbeat(&mut self, (node, broker): (i32, &Broker), asked: &BrokerHeartbeatRequest) {
        let Some(image) = broker.active_metadata() else { return };
        let quorum = broker.quorum();
        if self.epochs.insert(node, quorum.epoch) != Some(quorum.epoch) {
            self.forget(node); // what it had heard as another controller does not count
        }
        let own = image.broker(asked.broker).filter(|own| own.epoch == asked.broker_epoch);
        let Some(own) = own else { return };
        let key = (node, asked.broker);
        let known = self.known.insert(key, (own.epoch, asked.current_metadata_offset));
        if known.is_none_or(|(epoch, _)| epoch != own.epoch) {
            self.led.remove(&key);
            self.begun.remove(&key);
            self.let_go.remove(&key);
        }
        match own.fenced {
            true if asked.want_shut_down => {
                self.let_go.insert(key);
            }
            true => {}
            false => {
                self.let_go.remove(&key);
            }
        }
        if own.fenced || asked.want_fence || !asked.want_shut_down {
            return;
        }
        let mut partitions = image.partitions();
        let led = partitions.find(|(_, partition)| partition.leader == Some(asked.broker));
        if led.is_some() {
            self.led.insert(key, quorum.log_end);
        }
        let needs = self.led.get(&key).copied().unwrap_or(0);
        let others = image.brokers().filter(|(id, other)| *id != asked.broker && other.is_active());
        // what each of them is known to have, in its present life
        let known = |(id, other): (NodeId, &BrokerImage)| {
            let known = self.known.get(&(node, id)).filter(|(epoch, _)| *epoch == other.epoch);
            (id, known.map(|(_, offset)| *offset))
        };
        let others: Vec<(NodeId, Option<Offset>)> = others.map(known).collect();
        let behind = others.iter().find_map(|(id, known)| {
            known.filter(|known| *known < needs).map(|known| (*id, known, needs))
        });
        let begun = self.begun.get(&key).copied().unwrap_or(0);
        let knows = |(_, known): &(NodeId, Option<Offset>)| known.is_some_and(|k| k + 1 >= begun);
        let waits = led.is_some() || !others.iter().all(knows);
        let leads = led.map(|(tp, _)| tp);
        self.asks = Some(Asks { broker: asked.broker, leads, behind, waits });
    }

    /// Something else is handled.
    pub(super) fn rest(&mut self) {
        self.asks = None;
    }

    /// Whether a broker asks.
    pub(super) fn is_asked(&self) -> bool {
        self.asks.is_some()
    }

    /// It has been handled.
    pub(super) fn taken(&mut self, by: Speaker<'_>) -> Option<Asks> {
        let asks = self.asks.take()?;
        let image = by.broker.active_metadata();
        let own = image.and_then(|image| image.broker(asks.broker));
        if own.is_some_and(|own| own.in_controlled_shutdown && !own.fenced) {
            let end = by.broker.quorum().log_end;
            self.begun.entry((by.node, asks.broker)).or_insert(end);
        }
        if own.is_some_and(|own| own.fenced) {
            self.let_go.insert((by.node, asks.broker));
        }
        Some(asks)
    }

    /// Whether a broker that wants to end had been fenced.
    pub(super) fn has_let_go(&self, node: i32, broker: NodeId) -> bool {
        self.let_go.contains(&(node, broker))
    }

    /// Another controller begins, or a process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.known.retain(|(of, _), _| *of != node);
        self.led.retain(|(of, _), _| *of != node);
        self.begun.retain(|(of, _), _| *of != node);
        self.let_go.retain(|(of, _)| *of != node);
        self.asks = None;
    }
}

/// A broker that has asked is fenced: it may end.
pub(super) fn lets_end(says: &mut Says<'_>, by: Speaker<'_>, asked: &Asks) {
    let Some(image) = by.broker.active_metadata() else { return };
    let ends = image.broker(asked.broker).is_none_or(|known| known.fenced);
    if ends {
        may_end(says, by.node, asked);
    }
    must_end(says, by.node, asked, ends);
}

fn must_end(says: &mut Says<'_>, node: i32, asked: &Asks, ends: bool) {
    says.rule(ends || asked.waits, &|| {
        format!(
            "controller {node} keeps broker {} waiting, which wants to end, leads nothing, and of which \
             all active brokers know so",
            asked.broker
        )
    });
}

fn may_end(says: &mut Says<'_>, node: i32, asked: &Asks) {
    let Asks { broker, leads, behind, .. } = asked;
    says.rule(leads.is_none(), &|| {
        format!("controller {node} lets broker {broker} end, which leads {leads:?}")
    });
    says.rule(behind.is_none(), &|| {
        format!(
            "controller {node} lets broker {broker} end before all know who leads instead: {behind:?} \
             (broker, its metadata, offset that it must have)"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use crate::recorder::testing::tp;

    fn broken(leads: Option<TopicPartition>, behind: Option<(NodeId, Offset, Offset)>) -> usize {
        let (mut ledger, history) = (Ledger::default(), History::default());
        let mut says = Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
        may_end(&mut says, 9, &Asks { broker: NodeId(1), leads, behind, waits: true });
        ledger.finish().1.len()
    }

    #[test]
    fn who_waits_for_nobody_ends() {
        let broken = |waits, ends| {
            let (mut ledger, history) = (Ledger::default(), History::default());
            let (label, is_gapless) = ("", true);
            let mut says = Says { ledger: &mut ledger, label, history: &history, is_gapless };
            let asks = Asks { broker: NodeId(1), leads: None, behind: None, waits };
            must_end(&mut says, 9, &asks, ends);
            ledger.finish().1.len()
        };
        assert_eq!((broken(false, false), broken(true, false), broken(false, true)), (1, 0, 0));
    }

    #[test]
    fn who_ends_leads_nothing_and_all_know_it() {
        assert_eq!(broken(None, None), 0);
        assert_eq!(broken(Some(tp(0)), None), 1);
        assert_eq!(broken(None, Some((NodeId(2), 7, 9))), 1);
    }
}
