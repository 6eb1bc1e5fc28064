//! Files that are open.

use super::{Rig, TP, batches};
use crate::storage::Store;
use std::fs;
use std::path::Path;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{DiskImage as _, DiskOpKind};

/// Files of this process below a directory.
fn open_below(dir: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let paths = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
    paths.filter(|path| path.starts_with(dir)).count()
}

#[test]
fn more_partitions_than_files_that_may_be_open_are_written_and_read() {
    let mut rig = Rig::new();
    rig.store = Store::open(rig.dir.path()).unwrap().with_open_files_max(8);
    let tps: Vec<_> = (1..40).map(|index| TopicPartition::new(TP.topic, index)).collect();
    for tp in &tps {
        rig.submit(DiskOpKind::CreateLog { tp: *tp, topic: "orders".into() });
    }
    let batches = batches(0, &[10, 20, 30]);
    for batch in &batches {
        for tp in &tps {
            let records = Records::single(batch.clone());
            rig.submit(DiskOpKind::Append { tp: *tp, segment: 0, records });
            assert!(open_below(rig.dir.path()) <= 9);
        }
    }
    for tp in tps {
        let mut found = Vec::new();
        rig.store.scan(tp, 0, &mut |_, batch| found.push(batch.clone()));
        assert_eq!(found, batches);
    }
}
