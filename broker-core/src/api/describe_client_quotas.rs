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

/// As `ClientQuotasImage.describe` has it; how a component matches is looked at where it is read.
fn refusal(request: &DescribeClientQuotasRequest) -> Option<(ErrorCode, String)> {
    let kinds = request.components.iter().map(|filter| &*filter.kind);
    for (at, kind) in kinds.clone().enumerate() {
        if kind.is_empty() {
            let message = "Invalid empty entity type.".to_owned();
            return Some((ErrorCode::InvalidRequest, message));
        }
        if kinds.clone().take(at).any(|other| other == kind) {
            let message = format!("Entity type {kind} cannot appear more than once in the filter.");
            return Some((ErrorCode::InvalidRequest, message));
        }
        if !["user", "client-id", "ip"].contains(&kind) {
            let message = format!("Unsupported entity type {kind}");
            return Some((ErrorCode::UnsupportedVersion, message));
        }
    }
    // each is there once
    if request.components.len() > 1 && kinds.clone().any(|kind| kind == "ip") {
        let message = "Invalid entity filter component combination. IP filter component should \
                       not be used with user or clientId filter component.";
        return Some((ErrorCode::InvalidRequest, message.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kinds: &[&str]) -> Option<ErrorCode> {
        let filter = |kind: &&str| QuotaFilter { kind: (*kind).into(), matches: QuotaMatch::Any };
        let components = kinds.iter().map(filter).collect();
        let request = DescribeClientQuotasRequest { components, strict: false };
        refusal(&request).map(|(error, _)| error)
    }

    #[test]
    fn what_kafka_refuses_is_refused() {
        for kinds in [&[][..], &["ip"], &["user"], &["client-id", "user"]] {
            assert_eq!(refused(kinds), None, "{kinds:?}");
        }
        for kinds in [&[""][..], &["ip", "ip"], &["ip", "user"], &["client-id", "ip"]] {
            assert_eq!(refused(kinds), Some(ErrorCode::InvalidRequest), "{kinds:?}");
        }
        assert_eq!(refused(&["ip", "colour"]), Some(ErrorCode::UnsupportedVersion));
    }
}
