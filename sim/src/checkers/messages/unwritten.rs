//! A marker that no leader is known to have written is still to be written: whoever was asked for it and could not, as the
//! partition has gone elsewhere, say, or has not answered, is not the last one that is asked, unless somebody else decides
//! by now (Kafka's `TransactionMarkerRequestCompletionHandler`). Else the transaction would be over, and never end there.

use super::{Says, Speaker};
use std::collections::BTreeMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::inspect::MarkerView;
use stormglass_broker_core::protocol::Response;
use stormglass_broker_core::seam::PeerError;

/// What a coordinator is about to hear of markers: those that are not written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) node: i32,
    markers: Vec<MarkerView>,
}

impl Unwritten {
    /// A node is about to take a peer's answer, if that is about markers.
    pub(super) fn of(
        (node, broker): (i32, &Broker),
        correlation: u64,
        result: &Result<Response, PeerError>,
    ) -> Option<Self> {
        let is_about_markers = matches!(result, Ok(Response::WriteTxnMarkers(_)) | Err(_));
        let asked = is_about_markers.then(|| broker.asked_markers(correlation))?;
        let markers = unwritten(asked, result);
        (!markers.is_empty()).then_some(Self { node, markers })
    }

    /// It has been taken.
    pub(super) fn are_still_due(&self, says: &mut Says<'_>, by: Speaker<'_>) {
        let dropped = self.markers.iter().find(|marker| !by.broker.lacks_marker(marker));
        says.rule(dropped.is_none(), &|| {
            format!(
                "coordinator {} has not heard that a marker is written, and does not want it any more: {dropped:?}",
                by.node
            )
        });
    }
}

/// Markers of a request that are not written, by its answer; none where somebody else decides.
fn unwritten(mut asked: Vec<MarkerView>, result: &Result<Response, PeerError>) -> Vec<MarkerView> {
    let outcomes: BTreeMap<TopicPartition, ErrorCode> = match result {
        Ok(Response::WriteTxnMarkers(answer)) => {
            answer.markers.iter().flat_map(|(_, outcomes)| outcomes).copied().collect()
        }
        _ => BTreeMap::new(),
    };
    let is_over = outcomes.values().any(|error| {
        matches!(error, ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced)
    });
    let is_written = |marker: &MarkerView| outcomes.get(&marker.tp) == Some(&ErrorCode::None);
    asked.retain(|marker| !is_over && !is_written(marker));
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::protocol::WriteTxnMarkersResponse;

    #[test]
    fn what_is_not_written_stays_to_be_written() {
        let marker = |index| MarkerView { end: 3, tp: tp(index), topic: "t".into() };
        let left = |outcomes: Vec<(TopicPartition, ErrorCode)>| {
            let markers = vec![(7, outcomes)];
            let answer = Response::WriteTxnMarkers(WriteTxnMarkersResponse { markers });
            unwritten(vec![marker(0), marker(1)], &Ok(answer))
        };
        let (none, unknown) = (ErrorCode::None, ErrorCode::UnknownTopicOrPartition);
        assert_eq!(left(vec![(tp(0), none), (tp(1), none)]), []);
        assert_eq!(left(vec![(tp(0), none), (tp(1), unknown)]), [marker(1)]);
        assert_eq!(left(vec![(tp(0), none)]), [marker(1)]);
        let fenced = ErrorCode::TransactionCoordinatorFenced;
        assert_eq!(left(vec![(tp(0), fenced), (tp(1), unknown)]), [], "another one decides");
        let all = unwritten(vec![marker(0), marker(1)], &Err(PeerError::TimedOut));
        assert_eq!(all.len(), 2);
    }
}
