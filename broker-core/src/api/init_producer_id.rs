//! InitProducerId (key 22) for idempotent producers: each request gets a fresh id, whatever it names
//! (epochs are bumped for transactional ids only). Ids come in blocks from the controller.

use crate::error::ErrorCode;
use crate::protocol::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, InitProducerIdRequest,
    InitProducerIdResponse, Request, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

/// Producer ids of this broker.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    next: i64,
    end: i64,
    waiting: Vec<ReplyTo>,
    asked: bool,
}

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    _request: InitProducerIdRequest,
) {
    role.producer_ids.waiting.push(to);
    hand_out(role, step);
}

fn hand_out(role: &mut BrokerRole, step: &mut Step<'_>) {
    while role.producer_ids.next < role.producer_ids.end {
        let Some(to) = role.producer_ids.waiting.pop() else { return };
        let producer_id = role.producer_ids.next;
        role.producer_ids.next += 1;
        let response =
            InitProducerIdResponse { error: ErrorCode::None, producer_id, producer_epoch: 0 };
        step.reply(to, Response::InitProducerId(response));
    }
    if !role.producer_ids.waiting.is_empty() && !role.producer_ids.asked {
        role.producer_ids.asked = true;
        let broker_epoch = role.broker_epoch;
        let request = AllocateProducerIdsRequest { broker: role.config.node, broker_epoch };
        role.ask_controller(step, Request::AllocateProducerIds(request), None);
    }
}

/// The controller answered; on an error producers are told to try again.
pub(crate) fn allocated(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    response: Option<AllocateProducerIdsResponse>,
) {
    role.producer_ids.asked = false;
    match response.filter(|r| r.error.is_ok()) {
        Some(block) => {
            role.producer_ids.next = block.first;
            role.producer_ids.end = block.first + i64::from(block.len);
            hand_out(role, step);
        }
        None => {
            for to in std::mem::take(&mut role.producer_ids.waiting) {
                let response = InitProducerIdResponse {
                    error: ErrorCode::CoordinatorLoadInProgress,
                    producer_id: -1,
                    producer_epoch: -1,
                };
                step.reply(to, Response::InitProducerId(response));
            }
        }
    }
}
