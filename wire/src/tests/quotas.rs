//! Quotas of clients, in every version, against an encoder that we did not write.

use super::{Known, answer, ask, frame, read, text, versions};
use crate::apis::ApiKey;
use crate::codec::{Decoded, decode_request};
use kafka_protocol::messages as theirs;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterQuotas, AlteredQuotas,
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribedQuotas, QuotaEntity,
    QuotaFilter, QuotaMatch, QuotaValue, Request, Response,
};

fn entity() -> QuotaEntity {
    vec![("user".into(), None), ("client-id".into(), Some("a".into()))]
}

#[test]
fn quotas_are_altered_in_every_version() {
    use theirs::alter_client_quotas_request::{EntityData, EntryData, OpData};
    for version in versions(ApiKey::AlterClientQuotas) {
        let parts = vec![
            EntityData::default().with_entity_type(text("user")).with_entity_name(None),
            EntityData::default()
                .with_entity_type(text("client-id"))
                .with_entity_name(Some(text("a"))),
        ];
        let set = OpData::default().with_key(text("producer_byte_rate")).with_value(1024.5);
        let gone = OpData::default().with_key(text("request_percentage")).with_remove(true);
        let entry = EntryData::default().with_entity(parts).with_ops(vec![set, gone]);
        let body = theirs::AlterClientQuotasRequest::default()
            .with_entries(vec![entry])
            .with_validate_only(true);
        let (request, call) = ask(ApiKey::AlterClientQuotas, version, &body);
        let value = QuotaValue::from_bits(1024.5_f64.to_bits());
        let changes =
            vec![("producer_byte_rate".into(), Some(value)), ("request_percentage".into(), None)];
        let entries = vec![AlterQuotas { entity: entity(), changes }];
        let expected = AlterClientQuotasRequest { entries, validate_only: true };
        assert_eq!(request, Request::AlterClientQuotas(expected));
        assert_eq!(call.client_id().map(|id| &**id), Some("client-7"));
        let error = ErrorCode::InvalidRequest;
        let altered = AlteredQuotas { error, message: Some("no".into()), entity: entity() };
        let response =
            Response::AlterClientQuotas(AlterClientQuotasResponse { entries: vec![altered] });
        let read: theirs::AlterClientQuotasResponse = answer(&call, &response);
        assert_eq!(read.entries[0].error_code, 42);
        assert_eq!(read.entries[0].entity[1].entity_name, Some(text("a")));
    }
}

#[test]
fn quotas_are_described_in_every_version() {
    use theirs::describe_client_quotas_request::ComponentData;
    for version in versions(ApiKey::DescribeClientQuotas) {
        let component = |kind: &'static str, how: i8, name: Option<&'static str>| {
            ComponentData::default()
                .with_entity_type(text(kind))
                .with_match_type(how)
                .with_match(name.map(text))
        };
        let body = theirs::DescribeClientQuotasRequest::default()
            .with_components(vec![
                component("user", 1, None),
                component("client-id", 0, Some("a")),
                component("ip", 2, None),
            ])
            .with_strict(true);
        let (request, call) = ask(ApiKey::DescribeClientQuotas, version, &body);
        let filter = |kind: &str, matches: QuotaMatch| QuotaFilter { kind: kind.into(), matches };
        let components = vec![
            filter("user", QuotaMatch::Default),
            filter("client-id", QuotaMatch::Exact("a".into())),
            filter("ip", QuotaMatch::Any),
        ];
        let expected = DescribeClientQuotasRequest { components, strict: true };
        assert_eq!(request, Request::DescribeClientQuotas(expected));
        let values = vec![("consumer_byte_rate".into(), QuotaValue::of(5_000))];
        let entries = vec![DescribedQuotas { entity: entity(), values }];
        let found = DescribeClientQuotasResponse { error: ErrorCode::None, message: None, entries };
        let response = Response::DescribeClientQuotas(Box::new(found));
        let read: theirs::DescribeClientQuotasResponse = answer(&call, &response);
        let entries = read.entries.unwrap();
        assert_eq!(entries[0].entity[0].entity_name, None);
        assert!((entries[0].values[0].value - 5_000.0).abs() < f64::EPSILON);
    }
}

/// `ClientQuotasImage.describe`.
#[test]
fn a_match_has_a_name_where_it_is_exact_and_only_there() {
    use theirs::describe_client_quotas_request::ComponentData;
    for (how, name) in [(0, None), (1, Some("a")), (2, Some("a")), (3, None)] {
        let component = ComponentData::default()
            .with_entity_type(text("client-id"))
            .with_match_type(how)
            .with_match(name.map(text));
        let body = theirs::DescribeClientQuotasRequest::default().with_components(vec![component]);
        let asked = decode_request(frame(ApiKey::DescribeClientQuotas, 1, &body), &Known);
        let Ok(Decoded::Answer(told)) = asked else { panic!("{asked:?}") };
        let told: theirs::DescribeClientQuotasResponse = read(told.to_bytes(), 1);
        assert_eq!((told.error_code, told.entries), (42, None), "{how}");
    }
}
