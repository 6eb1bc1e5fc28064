//! AlterClientQuotas (KIP-546).

use super::rig::Rig;
use crate::error::ErrorCode;
use crate::protocol::{
    AlterClientQuotasRequest, AlterQuotas, QuotaEntity, QuotaValue, Request, Response,
};

/// Kafka's answers are by entity: `ClientQuotaControlManager.alterClientQuotas`.
#[test]
fn who_is_named_again_has_what_was_said_first_and_one_answer() {
    let mut rig = Rig::new();
    let of = |name: &str| -> QuotaEntity { vec![("client-id".into(), Some(name.into()))] };
    let alter = |name: &str, rate: u64| AlterQuotas {
        entity: of(name),
        changes: vec![("producer_byte_rate".into(), Some(QuotaValue::of(rate)))],
    };
    // a rate of 0 is refused, and so is whatever is said of its owner behind it
    let entries = vec![alter("a", 1), alter("b", 0), alter("a", 2), alter("b", 3), alter("c", 4)];
    let request = AlterClientQuotasRequest { entries, validate_only: false };
    let answer = match rig.ask(Request::AlterClientQuotas(request)) {
        Response::AlterClientQuotas(answer) => answer,
        other => panic!("{other:?}"),
    };
    let told = answer.entries.into_iter().map(|altered| (altered.entity, altered.error));
    let refused = ErrorCode::InvalidRequest;
    let expected = [(of("a"), refused), (of("b"), refused), (of("c"), ErrorCode::None)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let image = rig.controller.image();
    let rates = image.quotas().values().flat_map(|quotas| quotas.values().copied());
    assert_eq!(rates.collect::<Vec<_>>(), [QuotaValue::of(1), QuotaValue::of(4)]);
}
