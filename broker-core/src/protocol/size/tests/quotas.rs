//! Quotas of clients.

use super::{check_request, check_response, text};
use crate::error::ErrorCode;
use crate::protocol as ours;
use crate::protocol::{QuotaEntity, QuotaFilter, QuotaMatch, QuotaValue, Request, Response};
use kafka_protocol::messages as theirs;

fn entity() -> QuotaEntity {
    vec![("user".into(), None), ("client-id".into(), Some("a".into()))]
}

#[test]
fn alter_client_quotas() {
    use theirs::alter_client_quotas_request::{EntityData, EntryData, OpData};
    use theirs::alter_client_quotas_response::{EntityData as Answered, EntryData as Altered};
    let changes = vec![("producer_byte_rate".into(), Some(QuotaValue::of(7)))];
    let entries = vec![ours::AlterQuotas { entity: entity(), changes }];
    let request = ours::AlterClientQuotasRequest { entries, validate_only: false };
    let parts = vec![
        EntityData::default().with_entity_type(text("user")).with_entity_name(None),
        EntityData::default().with_entity_type(text("client-id")).with_entity_name(Some(text("a"))),
    ];
    let change = OpData::default().with_key(text("producer_byte_rate"));
    let entry = EntryData::default().with_entity(parts).with_ops(vec![change]);
    let body = theirs::AlterClientQuotasRequest::default().with_entries(vec![entry]);
    check_request(Request::AlterClientQuotas(request), body, 1);
    let altered = ours::AlteredQuotas {
        error: ErrorCode::None,
        message: Some("no".into()),
        entity: entity(),
    };
    let response =
        Response::AlterClientQuotas(ours::AlterClientQuotasResponse { entries: vec![altered] });
    let parts = vec![
        Answered::default().with_entity_type(text("user")).with_entity_name(None),
        Answered::default().with_entity_type(text("client-id")).with_entity_name(Some(text("a"))),
    ];
    let entry = Altered::default().with_error_message(Some(text("no"))).with_entity(parts);
    let body = theirs::AlterClientQuotasResponse::default().with_entries(vec![entry]);
    check_response(response, body, 1);
}

#[test]
fn describe_client_quotas() {
    use theirs::describe_client_quotas_request::ComponentData;
    use theirs::describe_client_quotas_response::{EntityData, EntryData, ValueData};
    let filter = |kind: &str, matches| QuotaFilter { kind: kind.into(), matches };
    let components =
        vec![filter("user", QuotaMatch::Any), filter("client-id", QuotaMatch::Exact("a".into()))];
    let request = ours::DescribeClientQuotasRequest { components, strict: true };
    let body = theirs::DescribeClientQuotasRequest::default().with_components(vec![
        ComponentData::default().with_entity_type(text("user")),
        ComponentData::default().with_entity_type(text("client-id")).with_match(Some(text("a"))),
    ]);
    check_request(Request::DescribeClientQuotas(request), body, 1);
    let values = vec![("consumer_byte_rate".into(), QuotaValue::of(5_000))];
    let response = ours::DescribeClientQuotasResponse {
        error: ErrorCode::None,
        message: None,
        entries: vec![ours::DescribedQuotas { entity: entity(), values }],
    };
    let parts = vec![
        EntityData::default().with_entity_type(text("user")).with_entity_name(None),
        EntityData::default().with_entity_type(text("client-id")).with_entity_name(Some(text("a"))),
    ];
    let value = ValueData::default().with_key(text("consumer_byte_rate"));
    let entry = EntryData::default().with_entity(parts).with_values(vec![value]);
    let body = theirs::DescribeClientQuotasResponse::default()
        .with_error_message(None)
        .with_entries(Some(vec![entry]));
    check_response(Response::DescribeClientQuotas(Box::new(response)), body, 1);
}
