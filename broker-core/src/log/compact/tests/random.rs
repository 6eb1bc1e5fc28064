//! Random histories: the compacted log is the newest value of each key, at every step of the swap,
//! after a crash, and on a replica that was cleaned at other times.

use super::rig::{Rig, Write};
use crate::log::Progress;
use crate::records::Records;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Write>),
    /// In a transaction, and whether it commits.
    Txn(i64, Vec<Write>, bool),
    Roll,
    Later(i64),
    /// A pass, with so many bytes for keys.
    Clean(u64),
    Restart(bool),
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    prop::collection::vec((0..8_u32, prop::option::weighted(0.75, 0..999_u32)), 1..5)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => writes().prop_map(Step::Write),
        4 => (1..4_i64, writes(), any::<bool>()).prop_map(|(id, w, c)| Step::Txn(id, w, c)),
        3 => Just(Step::Roll),
        2 => (0..1500_i64).prop_map(Step::Later),
        4 => prop_oneof![Just(24), Just(200), Just(1 << 20)].prop_map(Step::Clean),
        1 => any::<bool>().prop_map(Step::Restart),
    ]
}

struct World {
    rig: Rig,
    expected: BTreeMap<u32, u32>,
    /// When the tombstone was written that was its key's newest record.
    tombstones: BTreeMap<u32, i64>,
}

impl World {
    fn note(&mut self, writes: &[Write]) {
        for (key, value) in writes {
            match value {
                Some(value) => {
                    self.expected.insert(*key, *value);
                    self.tombstones.remove(key);
                }
                None => {
                    self.expected.remove(key);
                    self.tombstones.insert(*key, self.rig.now_ms);
                }
            }
        }
    }

    /// What a reader of committed records ends up with.
    fn committed(&self) -> BTreeMap<u32, u32> {
        let mut aborted = self.rig.log.aborted_transactions(0, i64::MAX);
        aborted.sort_by_key(|entry| entry.first_offset);
        let mut open: Vec<i64> = Vec::new();
        let mut table = BTreeMap::new();
        for batch in self.rig.disk.batches() {
            aborted.retain(|entry| {
                let begins = entry.first_offset <= batch.last_offset();
                open.extend(begins.then_some(entry.producer_id));
                !begins
            });
            let id = batch.header.producer_id;
            if batch.header.is_control() {
                open.retain(|other| *other != id);
            } else if !(batch.header.is_transactional() && open.contains(&id)) {
                for record in batch.records().unwrap() {
                    let number =
                        |b: &bytes::Bytes| std::str::from_utf8(b).unwrap().parse().unwrap();
                    let key: u32 = number(record.key.as_ref().unwrap());
                    match record.value.as_ref().map(number) {
                        Some(value) => table.insert(key, value),
                        None => table.remove(&key),
                    };
                }
            }
        }
        table
    }

    fn clean(&mut self, map_bytes: u64) {
        self.rig.map_bytes = map_bytes;
        let Some(mut pass) = self.rig.pass() else { return };
        let end = self.rig.log.next_offset();
        let table = self.committed();
        loop {
            // a crash at every step leaves a log with the same end
            let mut crash = |rig: &Rig| {
                assert_eq!(rig.recovered(false).next_offset(), end);
            };
            if let Progress::Done(upto) = self.rig.step(&mut pass, &mut crash).unwrap() {
                assert!(upto > self.rig.cleaned.unwrap_or(0));
                self.rig.cleaned = Some(upto);
                break;
            }
            assert_eq!(self.committed(), table, "the same at every step");
        }
        self.rig.check();
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write(writes) => {
                self.rig.write(writes);
                self.note(writes);
            }
            Step::Txn(id, writes, commit) => {
                self.rig.write_in_txn(*id, writes);
                self.rig.end_txn(*id, *commit);
                if *commit {
                    self.note(writes);
                }
            }
            Step::Roll => self.rig.roll(),
            Step::Later(ms) => self.rig.now_ms += ms,
            Step::Clean(map_bytes) => self.clean(*map_bytes),
            Step::Restart(clean) => {
                let mut ops = Vec::new();
                self.rig.log.close(&mut ops);
                self.rig.carry_out(&ops);
                let before = self.rig.log.next_offset();
                self.rig.log = self.rig.recovered(*clean);
                assert_eq!(self.rig.log.next_offset(), before);
            }
        }
        assert_eq!(self.committed(), self.expected);
        let records = self.rig.records();
        for (key, written_ms) in &self.tombstones {
            let stays = self.rig.now_ms - written_ms < 1000;
            let there = records.iter().any(|(_, found, value)| found == key && value.is_none());
            assert!(there || !stays, "the tombstone of {key} went too early");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 120,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_compacted_log_is_the_newest_value_of_each_key(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let rig = Rig::new();
        let mut world = World { rig, expected: BTreeMap::new(), tombstones: BTreeMap::new() };
        let mut replica = Rig::new();
        for (index, step) in steps.iter().enumerate() {
            world.take(step);
            if index % 7 == 0 {
                replica.roll();
                replica.clean();
            }
            // what the replica does not have yet, cleaned or not
            for batch in world.rig.disk.batches() {
                if batch.base_offset() >= replica.log.next_offset() {
                    let mut ops = Vec::new();
                    let records = Records::single(batch);
                    let taken = replica.log.append_as_follower(records, 0, &mut ops).unwrap();
                    replica.carry_out(&ops);
                    replica.log.append_done(taken.number);
                }
            }
        }
        for map_bytes in [24, 1 << 20] {
            world.rig.roll();
            world.clean(map_bytes);
            prop_assert_eq!(world.committed(), world.expected.clone());
        }
        let other = World { rig: replica, ..world };
        prop_assert_eq!(other.committed(), other.expected.clone(), "replicas agree on values");
    }
}
