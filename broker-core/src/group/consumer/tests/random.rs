//! Members that come, go, fall silent and lose answers in any order, while topics grow and the log
//! refuses or is late: no partition has two owners, the log says what the group is, and in the end
//! everything is read by somebody.

use super::rig::{Client, Rig, SESSION_MS};
use crate::protocol::ConsumerGroupState;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 5] = ["v", "w", "x", "y", "z"];
const TOPICS: [&[&str]; 3] = [&["a"], &["a", "b"], &["b"]];

/// What happens next.
#[derive(Debug, Clone)]
enum Act {
    /// A client says everything; `heard`: whether the answer reaches it.
    Beat {
        who: usize,
        heard: bool,
    },
    /// A client says nothing but its epoch.
    Alive(usize),
    Leave(usize),
    /// A client is started anew, and has forgotten everything.
    Forget(usize),
    Subscribe(usize, usize),
    Assignor(usize, bool),
    Grow,
    Refuse(bool),
    Late,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 0..NAMES.len();
    prop_oneof![
        12 => (who(), prop::bool::weighted(0.8)).prop_map(|(who, heard)| Act::Beat { who, heard }),
        3 => who().prop_map(Act::Alive),
        2 => who().prop_map(Act::Leave),
        1 => who().prop_map(Act::Forget),
        1 => (who(), 0..TOPICS.len()).prop_map(|(who, topics)| Act::Subscribe(who, topics)),
        1 => (who(), any::<bool>()).prop_map(|(who, range)| Act::Assignor(who, range)),
        1 => Just(Act::Grow),
        1 => any::<bool>().prop_map(Act::Refuse),
        1 => Just(Act::Late),
        2 => (1..SESSION_MS).prop_map(Act::Wait),
    ]
}

struct World {
    rig: Rig,
    clients: BTreeMap<&'static str, (Client, usize, Option<bool>)>,
    partitions: i32,
}

impl World {
    fn new() -> Self {
        let mut rig = Rig::new(4);
        rig.create("b", 2, 3);
        Self { rig, clients: BTreeMap::new(), partitions: 4 }
    }

    fn beat(&mut self, name: &'static str, heard: bool, late: bool) {
        let (client, topics, range) = self.clients.entry(name).or_default();
        let mut beat = client.next(name, TOPICS[*topics]);
        beat.assignor = range.map(|range| if range { "range" } else { "uniform" }.into());
        let asked = self.rig.send(&beat);
        if late {
            self.rig.time_out();
        } else {
            self.rig.confirm();
        }
        if let Some(told) = self.rig.answers.remove(&asked)
            && heard
        {
            let (client, ..) = self.clients.entry(name).or_default();
            client.hear(&told);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Beat { who, heard } => self.beat(NAMES[who], heard, false),
            Act::Late => self.beat(NAMES[0], true, true),
            Act::Alive(who) => {
                let epoch = self.clients.get(NAMES[who]).map_or(0, |(client, ..)| client.epoch);
                if epoch > 0 {
                    let told = self.rig.beat(&super::rig::alive(NAMES[who], epoch));
                    self.clients.entry(NAMES[who]).or_default().0.hear(&told);
                }
            }
            Act::Leave(who) => {
                self.rig.beat(&super::rig::alive(NAMES[who], -1));
                self.clients.remove(NAMES[who]);
            }
            Act::Forget(who) => {
                if let Some((client, ..)) = self.clients.get_mut(NAMES[who]) {
                    *client = Client::default();
                }
            }
            Act::Subscribe(who, topics) => self.clients.entry(NAMES[who]).or_default().1 = topics,
            Act::Assignor(who, range) => {
                self.clients.entry(NAMES[who]).or_default().2 = Some(range);
            }
            Act::Grow => {
                self.rig.grow(1, self.partitions..self.partitions + 1);
                self.partitions += 1;
            }
            Act::Refuse(refuses) => self.rig.refuses = refuses,
            Act::Wait(ms) => self.rig.wait(ms),
        }
        self.check();
    }

    /// Members as the group knows them, whose clients know that, own different partitions.
    fn check(&self) {
        let state = self.rig.state();
        let mut owned = BTreeSet::new();
        for (name, (client, ..)) in &self.clients {
            let is_member = state.members.get(*name).is_some_and(|member| {
                let current = &member.current;
                client.epoch == current.epoch || client.epoch == current.previous_epoch
            });
            if is_member {
                for tp in &client.owned {
                    assert!(owned.insert(*tp), "{tp:?} has two owners");
                }
            }
        }
        let mut held = BTreeSet::new();
        for member in state.members.values() {
            for tp in member.current.assigned.iter().chain(&member.current.revoking) {
                assert!(held.insert(*tp), "{tp:?} is given twice");
            }
        }
        assert_eq!(held, state.owners.keys().copied().collect());
        assert_eq!(state.misowned(), None);
        assert_eq!(*state, self.rig.replayed(self.rig.appends()), "the log says what there is");
        assert_eq!(*self.rig.committed(), self.rig.replayed(self.rig.confirmed));
    }

    /// Everybody is well and says so; silence ends the others.
    fn settle(&mut self) {
        self.rig.refuses = false;
        let names: Vec<_> = self.clients.keys().copied().collect();
        for _ in 0..30 {
            for name in &names {
                self.beat(name, true, false);
            }
            self.check();
            self.rig.wait(5000);
        }
    }
}

proptest! {
    #[test]
    fn members_agree_in_the_end(acts in proptest::collection::vec(act(), 1..60)) {
        let mut world = World::new();
        acts.into_iter().for_each(|act| world.act(act));
        world.settle();
        let state = world.rig.state();
        if world.clients.is_empty() {
            prop_assert!(state.members.is_empty());
            return Ok(());
        }
        prop_assert_eq!(state.group_state(), ConsumerGroupState::Stable);
        let owned: BTreeSet<_> =
            world.clients.values().flat_map(|(client, ..)| client.owned.iter().copied()).collect();
        let read: BTreeSet<&str> =
            world.clients.values().flat_map(|(_, topics, _)| TOPICS[*topics].iter().copied()).collect();
        let all = world.rig.image.partitions().map(|(tp, _)| tp).filter(|tp| {
            world.rig.image.topic(tp.topic).is_some_and(|topic| read.contains(&*topic.name))
        });
        prop_assert_eq!(owned, all.collect::<BTreeSet<_>>());
        for (name, (client, ..)) in &world.clients {
            prop_assert_eq!(&state.members[*name].current.assigned, &client.owned);
        }
    }
}
