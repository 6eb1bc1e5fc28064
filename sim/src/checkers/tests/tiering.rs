//! Logs whose older part is in remote storage.

use super::rig::{Rig, fired};
use crate::checkers::testing;
use crate::recorder::testing::tp;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::log::EpochEntry;
use stormglass_broker_core::seam::{RemoteSegment, TraceEvent};

/// In leader epoch 0.
fn segment(id: u128, base: Offset, end: Offset) -> RemoteSegment {
    let epochs = vec![EpochEntry { epoch: 0, start_offset: 0 }];
    RemoteSegment { epochs, ..testing::segment(id, (base, end)) }
}

fn deletes_below(rig: &mut Rig, offset: Offset) {
    rig.trace(2, &TraceEvent::LocalLogStart { tp: tp(0), offset });
}

#[test]
fn a_segment_that_leaves_the_disk_before_it_is_remote_is_noticed() {
    let mut rig = Rig::new();
    rig.healthy(5);
    rig.checkers.remote_added(0, &segment(1, 0, 9));
    deletes_below(&mut rig, 10);
    deletes_below(&mut rig, 20); // 10 to 19 are nowhere else
    assert_eq!(rig.fired(), ["remote-before-local"]);
}

#[test]
fn what_was_deleted_in_remote_storage_counts_no_longer() {
    let mut rig = Rig::new();
    rig.healthy(5);
    for index in 0..3 {
        rig.checkers.remote_added(0, &segment(1 + index as u128, index * 10, index * 10 + 9));
    }
    rig.checkers.remote_removed(0, &segment(2, 10, 19));
    deletes_below(&mut rig, 30);
    assert_eq!(rig.fired(), ["remote-before-local"]);
}

#[test]
fn copies_may_overlap_and_the_log_may_begin_above_them() {
    let mut rig = Rig::new();
    let log = rig.healthy(5);
    rig.trace(1, &TraceEvent::LogStart { tp: tp(0), offset: 15 });
    rig.checkers.remote_added(0, &segment(1, 10, 29));
    rig.checkers.remote_added(0, &segment(2, 20, 39));
    deletes_below(&mut rig, 40);
    let end = super::rig::End { log_start: 15, ..super::rig::End::of(&log) };
    let findings = rig.end(&end);
    assert_eq!(fired(&findings), [""; 0]);
    assert!(findings.checkers.iter().any(|c| c.name == "remote-before-local" && c.checked == 1));
}
