//! EndTxn: commit or abort is decided when the log has it; the client need not wait for markers.

use super::coordinator::{Cx, Then, TransactionCoordinator};
use super::end_each::End;
use crate::error::ErrorCode;
use crate::protocol::{EndTxnRequest, EndTxnResponse, Response, TransactionRules};
use crate::seam::TraceEvent;
use crate::step::ReplyTo;

impl TransactionCoordinator {
    /// EndTxn. Gives the request back if it needs a producer id first.
    pub(crate) fn end(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: EndTxnRequest,
        new_id: Option<i64>,
    ) -> Option<EndTxnRequest> {
        let answer = match self.try_end(cx, to, &request, new_id) {
            Ok(End::Decided(_)) => return None,
            Ok(End::NeedsId) => return Some(request),
            Ok(End::Already(producer)) => {
                let producer = Some(producer).filter(|_| request.rules.has_epochs());
                EndTxnResponse { error: ErrorCode::None, producer }
            }
            Err(error) => EndTxnResponse::refused(error),
        };
        cx.step.reply(to, Response::EndTxn(answer));
        None
    }

    fn try_end(
        &mut self,
        cx: &mut Cx<'_, '_>,
        to: ReplyTo,
        request: &EndTxnRequest,
        new_id: Option<i64>,
    ) -> Result<End, ErrorCode> {
        let EndTxnRequest { transactional_id: id, producer, commit, rules } = request;
        let wall_ms = cx.step.wall_ms;
        let (place, known) = self.known(cx.image, id)?;
        if rules.has_epochs() && known.has_gone_on(*producer) {
            cx.step.trace(TraceEvent::Mark("transaction-end-too-late"));
        }
        let end = match rules {
            TransactionRules::EpochEach => known.end_each(*producer, *commit, new_id, wall_ms)?,
            TransactionRules::Added => known
                .end(*producer, *commit, wall_ms)?
                .map_or(End::Already(*producer), End::Decided),
        };
        if let End::Decided(values) = &end {
            self.write(cx, place, id, Some(values.clone()), Then::Ended(to, *rules));
        }
        Ok(end)
    }
}

impl TransactionRules {
    /// Whether each transaction has an epoch of its own.
    pub(super) fn has_epochs(self) -> bool {
        self == Self::EpochEach
    }
}
