//! DescribeClientQuotas (key 48): from this broker's view of the metadata (Kafka's
//! `ClientQuotasImage`). AlterClientQuotas (key 49) goes to the active controller.

use crate::error::ErrorCode;
use crate::protocol::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribedQuotas, QuotaEntity,
    QuotaFilter, QuotaMatch, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};

/// Answers from the image.
#[cold]
pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &DescribeClientQuotasRequest,
) {
    let response = match refusal(request) {
        Some((error, message)) => DescribeClientQuotasResponse {
            error,
            message: Some(message.into()),
            entries: Vec::new(),
        },
        None => {
            let found = role.image.quotas().iter().filter_map(|(owner, quotas)| {
                let entity = owner.entity();
                let matches = request.components.iter().all(|filter| has(&entity, filter));
                let fits = !request.strict || entity.len() == request.components.len();
                let values = || quotas.iter().map(|(key, value)| (key.clone(), *value)).collect();
                (matches && fits).then(|| DescribedQuotas { values: values(), entity })
            });
            DescribeClientQuotasResponse {
                error: ErrorCode::None,
                message: None,
                entries: found.collect(),
            }
        }
    };
    step.reply(to, Response::DescribeClientQuotas(Box::new(response)));
}

fn has(entity: &QuotaEntity, filter: &QuotaFilter) -> bool {
    let part = entity.iter().find(|(kind, _)| *kind == filter.kind);
    part.is_some_and(|(_, name)| match &filter.matches {
        QuotaMatch::Exact(wanted) => name.as_ref() == Some(wanted),
        QuotaMatch::Default => name.is_none(),
        QuotaMatch::Any => true,
    })
}

fn refusal(request: &DescribeClientQuotasRequest) -> Option<(ErrorCode, String)> {
    let kinds = request.components.iter().map(|filter| &*filter.kind);
    for (at, kind) in kinds.clone().enumerate() {
        if kind.is_empty() {
            let message = "Invalid empty entity type.".to_owned();
            return Some((ErrorCode::InvalidRequest, message));
        }
        if !["user", "client-id", "ip"].contains(&kind) {
            let message = format!("Custom entity type '{kind}' not supported");
            return Some((ErrorCode::UnsupportedVersion, message));
        }
        if kinds.clone().take(at).any(|other| other == kind) {
            let message = format!("Entity type {kind} cannot appear more than once in the filter.");
            return Some((ErrorCode::InvalidRequest, message));
        }
    }
    None
}
