//! Directories of logs, which a worker makes and deletes.

use super::{Rig, TP, aside, batch};
use crate::storage::Store;
use crate::storage::store::Submitted;
use std::fs;
use std::sync::mpsc::{Receiver, channel};
use stormglass_broker_core::ids::{DiskOpId, TopicId, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{DiskImage as _, DiskOp, DiskOpKind, DiskResult, FileName};

type Outcomes = Receiver<(DiskOpId, DiskResult)>;

fn working() -> (Rig, Outcomes) {
    let mut rig = Rig::new();
    let (outbox, outcomes) = channel();
    rig.store.start_workers(&outbox, |id, result| (id, result)).unwrap();
    (rig, outcomes)
}

fn later(rig: &mut Rig, kind: DiskOpKind) {
    let submitted = rig.store.submit(DiskOp { id: DiskOpId(1), kind });
    assert!(matches!(submitted, Submitted::Later), "{submitted:?}");
}

fn create(tp: TopicPartition) -> DiskOpKind {
    DiskOpKind::CreateLog { tp, topic: "orders".into() }
}

fn names(rig: &Rig) -> Vec<String> {
    let entries = fs::read_dir(rig.dir.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Of this topic, that partition.
const fn of(topic: u128, partition: i32) -> TopicPartition {
    TopicPartition::new(TopicId(topic), partition)
}

/// The volume makes the worker wait; the node goes on, waits for nothing that it does not need, and
/// finds everything where it belongs in the end.
#[test]
fn a_node_does_not_wait_for_directories() {
    let (mut rig, outcomes) = working();
    rig.append(0, &batch(0, 10));
    let slow = of(8, 1);
    let place = {
        let first = of(8, 0x7fff);
        later(&mut rig, create(first));
        std::sync::Arc::clone(&rig.store.logs[&first].place)
    };
    assert_eq!(outcomes.recv().unwrap().1, DiskResult::Done);
    let held = place.hold();
    // the worker waits here from now on
    rig.store.give_to_worker(&place);
    let before = names(&rig);
    for partition in 1..2000 {
        later(&mut rig, create(of(8, partition)));
    }
    for partition in 1000..2000 {
        later(&mut rig, DiskOpKind::DeleteLog { tp: of(8, partition) });
    }
    later(&mut rig, DiskOpKind::DeleteLog { tp: TP });
    assert_eq!(names(&rig), before, "nothing was done on this thread");
    // what is needed is made, for new topics of the same names, too
    later(&mut rig, create(of(9, 0)));
    for tp in [slow, of(9, 0)] {
        let records = Records::single(batch(0, 10));
        let append = DiskOpKind::Append { tp, segment: 0, records };
        assert_eq!(rig.submit(append), DiskResult::Done);
    }
    assert!(rig.file(0).exists() && rig.dir.path().join("orders-1").exists());
    assert!(!rig.dir.path().join("orders-2").exists());
    drop(held);
    let Rig { dir, store } = rig;
    store.close().unwrap();
    assert!(outcomes.iter().all(|(_, result)| result == DiskResult::Done));
    let store = Store::open(dir.path()).unwrap();
    let expected: Vec<_> = (1..1000).chain([0x7fff]).map(|index| of(8, index)).collect();
    assert_eq!(store.logs(), [expected, vec![of(9, 0)]].concat());
    assert_eq!(store.segments(slow), [0]);
    let rig = Rig { dir, store };
    assert_eq!(names(&rig).len(), 1 + 1000 + 1, "nothing else is left");
}

#[test]
fn a_file_of_a_deleted_log_is_not_written_into_the_next_of_that_name() {
    let (mut rig, outcomes) = working();
    let epochs = |tp| DiskOpKind::WriteFile {
        file: FileName::LeaderEpochs(tp),
        bytes: bytes::Bytes::from_static(b"epochs"),
    };
    later(&mut rig, create(of(8, 1)));
    later(&mut rig, epochs(of(8, 1)));
    later(&mut rig, DiskOpKind::SetLogAside { tp: of(8, 1) });
    later(&mut rig, create(of(9, 1)));
    let Rig { dir, store } = rig;
    store.close().unwrap();
    assert!(outcomes.iter().all(|(_, result)| result == DiskResult::Done));
    let rig = Rig { store: Store::open(dir.path()).unwrap(), dir };
    assert!(!rig.dir.path().join("orders-1/leader-epoch-checkpoint").exists());
    assert_eq!((rig.store.logs(), aside(&rig)), (vec![of(9, 1), TP], 0));
}

#[test]
fn what_a_killed_process_was_deleting_goes_at_the_next_start() {
    let (mut rig, _) = super::filled(&[10]);
    let left = rig.dir.path().join("orders-0.77-delete");
    fs::rename(rig.dir.path().join("orders-0"), &left).unwrap();
    rig.reopen();
    assert!(rig.store.logs().is_empty());
    let (outbox, outcomes) = channel();
    rig.store.start_workers(&outbox, |id, result| (id, result)).unwrap();
    drop(outbox);
    let Rig { dir, store } = rig;
    store.close().unwrap();
    assert!(!left.exists() && dir.path().exists());
    assert!(outcomes.iter().next().is_none(), "nobody asked for it");
}
