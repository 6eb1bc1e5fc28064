//! Batches that have changed on the disk.

use super::{TP, batch, filled};
use std::fs;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::{DiskError, DiskOpKind, DiskResult, ReadRange};

#[test]
fn a_damaged_batch_does_not_hold_up_other_partitions() {
    let (mut rig, _) = filled(&[10]);
    let mut bytes = fs::read(rig.file(0)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(rig.file(0), &bytes).unwrap();
    let other = TopicPartition::new(TP.topic, 1);
    let whole = Records::single(batch(0, 10));
    rig.submit(DiskOpKind::CreateLog { tp: other, topic: "orders".into() });
    rig.submit(DiskOpKind::Append { tp: other, segment: 0, records: whole.clone() });
    let mut read = |tps: &[TopicPartition], from| {
        let (upto, max_bytes) = (Offset::MAX, 1 << 20);
        let range = |tp| ReadRange { tp, segment: 0, position: 0, from, upto, max_bytes };
        let ranges = tps.iter().copied().map(range).collect();
        rig.submit(DiskOpKind::Read { ranges, max_bytes })
    };
    assert_eq!(read(&[TP, other], 0), DiskResult::Read(vec![Records::default(), whole.clone()]));
    assert_eq!(read(&[other, TP], 0), DiskResult::Read(vec![whole, Records::default()]));
    assert_eq!(read(&[TP], 0), DiskResult::Failed(DiskError::Corrupt));
}
