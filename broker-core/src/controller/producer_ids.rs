//! AllocateProducerIds: blocks of producer ids for brokers (KIP-730).

use super::state::Controller;
use crate::metadata::MetadataRecord;
use crate::plant::{Plant, planted};
use crate::protocol::{AllocateProducerIdsRequest, AllocateProducerIdsResponse, Response};

/// Ids in a block.
const BLOCK_LEN: i32 = 1000;

impl Controller {
    pub(super) fn allocate_producer_ids(
        &mut self,
        request: AllocateProducerIdsRequest,
    ) -> Response {
        let error = self.check_broker_epoch(request.broker, request.broker_epoch);
        let mut response = AllocateProducerIdsResponse { error, first: -1, len: 0 };
        if error.is_ok() {
            response.first = self.image.next_producer_id();
            response.len = BLOCK_LEN;
            let reused = planted(self.plant, Plant::ProducerIdBlockReused);
            self.stage(MetadataRecord::ProducerIds {
                broker: request.broker,
                broker_epoch: request.broker_epoch,
                next_producer_id: response.first + i64::from(if reused { 0 } else { BLOCK_LEN }),
            });
        }
        Response::AllocateProducerIds(response)
    }
}
