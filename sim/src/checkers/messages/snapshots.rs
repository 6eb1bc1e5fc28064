//! Snapshots of the metadata that nodes hand out to those that are far behind (KIP-630): whoever asks for one that there
//! is gets some of it, and what it gets is what the disk has.

use super::{Says, Speaker};
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::FetchSnapshotResponse;
use stormglass_broker_core::seam::FileName;

/// A node that asks for a snapshot is answered.
pub(super) fn answer(says: &mut Says<'_>, by: Speaker<'_>, answer: &FetchSnapshotResponse) {
    let of = FileName::MetadataSnapshot(answer.snapshot_id.end_offset, answer.snapshot_id.epoch);
    let on_disk = by.disk.metadata_snapshots().find(|(name, _)| **name == of);
    let flaw = flaw(answer, on_disk.map(|(_, bytes)| &**bytes));
    says.rule(flaw.is_none(), &|| {
        format!(
            "controller {} answers who asks for snapshot {:?} from byte {} with {:?}, and {}",
            by.node,
            answer.snapshot_id,
            answer.position,
            answer.error,
            flaw.unwrap_or_default()
        )
    });
}

/// What is wrong with an answer; `on_disk`: the snapshot, if it is still there.
fn flaw(answer: &FetchSnapshotResponse, on_disk: Option<&[u8]>) -> Option<&'static str> {
    let position = usize::try_from(answer.position).unwrap_or(usize::MAX);
    match answer.error {
        // none is empty
        ErrorCode::PositionOutOfRange if position == 0 => Some("has nothing of what it has named"),
        ErrorCode::None if answer.bytes.is_empty() => Some("sends nothing of it"),
        ErrorCode::None => {
            let own = on_disk.map(|bytes| bytes.get(position..).unwrap_or(&[]));
            let is_own = own.is_none_or(|own| own.starts_with(&answer.bytes));
            (!is_own).then_some("sends something else than its disk has")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stormglass_broker_core::protocol::SnapshotId;

    fn told(error: ErrorCode, position: u64, bytes: &'static [u8]) -> FetchSnapshotResponse {
        FetchSnapshotResponse {
            error,
            current_leader: None,
            snapshot_id: SnapshotId { end_offset: 7, epoch: 1 },
            size: 8,
            position,
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn who_asks_for_a_snapshot_gets_it() {
        let wrong = |error, position, bytes: &'static [u8], on_disk: Option<&[u8]>| {
            flaw(&told(error, position, bytes), on_disk).is_some()
        };
        let (none, out) = (ErrorCode::None, ErrorCode::PositionOutOfRange);
        let disk = Some(&b"metadata"[..]);
        assert!(!wrong(none, 0, b"meta", disk) && !wrong(none, 4, b"data", disk));
        assert!(wrong(none, 0, b"", disk) && wrong(none, 4, b"meta", disk));
        assert!(wrong(none, 9, b"x", disk));
        assert!(!wrong(none, 0, b"meta", None), "another one has its place by now");
        assert!(wrong(out, 0, b"", disk) && !wrong(out, 8, b"", disk));
        assert!(!wrong(ErrorCode::SnapshotNotFound, 0, b"", None));
    }
}
