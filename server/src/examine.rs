//! What a start would find in a data directory: everything is loaded and read, and nobody is served.

use crate::config::Options;
use crate::data_dir::{DataDir, node_dir};
use crate::error::ServeError;
use crate::storage::{Store, Submitted};
use stormglass_broker_core::ids::{DiskOpId, Offset, TopicPartition};
use stormglass_broker_core::seam::{DiskImage as _, DiskOp, DiskOpKind, DiskResult, ReadRange};
use stormglass_broker_core::{Broker, ReplicaState};

/// Bytes read of a segment at a time.
const READ_BYTES: u32 = 1 << 20;

/// Replicas as the first node of a cluster would begin with them, and the records that readers would
/// get of each. Like a start it locks and formats the directory and clears up what a swap of segments
/// has left; unlike one it cuts nothing.
///
/// # Errors
/// Why there would be no start.
pub fn examine(options: &Options) -> Result<Vec<(ReplicaState, u64)>, ServeError> {
    let node = options.nodes()[0];
    let dir = node_dir(&options.data_dir, node, options.brokers);
    let dir = DataDir::open(&dir, node, options.cluster_id.as_deref())?;
    let mut store = Store::open(&dir.path)?;
    let broker = Broker::new(options.node_config(node, options.server_config()?), &store);
    store.check_readable()?;
    let replicas = broker.replicas().into_iter();
    Ok(replicas.map(|replica| (replica, count(&mut store, replica.tp))).collect())
}

/// Records that can be read of a log, segment by segment, each until the first damage.
fn count(store: &mut Store, tp: TopicPartition) -> u64 {
    let mut records = 0;
    for segment in store.segments(tp) {
        let mut from = segment;
        while let Some((read, next)) = read(store, tp, segment, from) {
            records += read;
            from = next;
        }
    }
    records
}

/// Records read from an offset on, and the offset after them; `None` when there are no more.
fn read(
    store: &mut Store,
    tp: TopicPartition,
    segment: Offset,
    from: Offset,
) -> Option<(u64, Offset)> {
    let range =
        ReadRange { tp, segment, position: 0, from, upto: Offset::MAX, max_bytes: READ_BYTES };
    let kind = DiskOpKind::Read { ranges: vec![range], max_bytes: READ_BYTES };
    let Submitted::Now(DiskResult::Read(read)) = store.submit(DiskOp { id: DiskOpId(0), kind })
    else {
        return None;
    };
    let records = read.first()?;
    let next = records.last_offset()?.checked_add(1)?;
    (next > from).then(|| (records.record_count(), next))
}
