//! What a start would find in a data directory: everything is loaded and read, and nobody is served.

use crate::config::Options;
use crate::data_dir::{DataDir, node_dir};
use crate::error::ServeError;
use crate::storage::{Store, Submitted};
use stormglass_broker_core::ids::{DiskOpId, Offset, TopicPartition};
use stormglass_broker_core::seam::{
    DiskError, DiskImage as _, DiskOp, DiskOpKind, DiskResult, ReadRange,
};
use stormglass_broker_core::{Broker, ReplicaState};

/// Bytes read of a segment at a time.
const READ_BYTES: u32 = 1 << 20;
/// Segments whose files may be open.
const OPEN_FILES_MAX: usize = 64;

/// Replicas as the first node of a cluster would begin with them, and the records that readers would
/// get of each. Like a start it locks and formats the directory and clears up what a swap of segments
/// has left; unlike one it cuts nothing.
///
/// # Errors
/// Why there would be no start, or what cannot be read.
pub fn examine(options: &Options) -> Result<Vec<(ReplicaState, u64)>, ServeError> {
    let node = options.nodes()[0];
    let dir = node_dir(&options.data_dir, node, options.brokers);
    let dir = DataDir::open(&dir, node, options.cluster_id.as_deref())?;
    let mut store = Store::open(&dir.path)?.with_open_files_max(OPEN_FILES_MAX);
    let broker = Broker::new(options.node_config(node, options.server_config()?), &store);
    store.check_readable()?;
    let replicas = broker.replicas().into_iter();
    replicas.map(|replica| Ok((replica, count(&mut store, replica.tp)?))).collect()
}

/// Records that can be read of a log, segment by segment, each until the first damage.
fn count(store: &mut Store, tp: TopicPartition) -> Result<u64, ServeError> {
    let mut records = 0;
    for segment in store.segments(tp) {
        let mut from = segment;
        while let Some((read, next)) = read(store, tp, segment, from)? {
            records += read;
            from = next;
        }
    }
    Ok(records)
}

/// Records read from an offset on, and the offset after them; `None` when there are no more.
fn read(
    store: &mut Store,
    tp: TopicPartition,
    segment: Offset,
    from: Offset,
) -> Result<Option<(u64, Offset)>, ServeError> {
    let range =
        ReadRange { tp, segment, position: 0, from, upto: Offset::MAX, max_bytes: READ_BYTES };
    let kind = DiskOpKind::Read { ranges: vec![range], max_bytes: READ_BYTES };
    let read = match store.submit(DiskOp { id: DiskOpId(0), kind }) {
        Submitted::Now(DiskResult::Read(read)) => read,
        Submitted::Now(DiskResult::Failed(DiskError::Corrupt)) => return Ok(None),
        other => {
            let what = format!("cannot read segment {segment} of {tp:?}: {other:?}");
            return Err(ServeError::new(what, "check the volume; nothing has been changed"));
        }
    };
    let Some(records) = read.first() else { return Ok(None) };
    let next = records.last_offset().and_then(|last| last.checked_add(1));
    Ok(next.filter(|next| *next > from).map(|next| (records.record_count(), next)))
}
