//! EndTxn: commit or abort is decided when the log has it; the client need not wait for markers.

use super::coordinator::{Cx, Then, TransactionCoordinator};
use crate::error::ErrorCode;
use crate::protocol::{EndTxnRequest, EndTxnResponse, Response};
use crate::step::ReplyTo;

impl TransactionCoordinator {
    /// EndTxn.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_, '_>, to: ReplyTo, request: &EndTxnRequest) {
        let EndTxnRequest { transactional_id: id, producer, commit } = request;
        let wall_ms = cx.step.wall_ms;
        let ended = self
            .known(cx.image, id)
            .and_then(|(place, known)| Ok((place, known.end(*producer, *commit, wall_ms)?)));
        let error = match ended {
            Ok((place, Some(values))) => {
                return self.write(cx, place, id, Some(values), Then::Ended(to));
            }
            Ok((_, None)) => ErrorCode::None,
            Err(error) => error,
        };
        cx.step.reply(to, Response::EndTxn(EndTxnResponse { error }));
    }
}
