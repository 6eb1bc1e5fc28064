//! DescribeClientQuotas (key 48) and AlterClientQuotas (key 49, KIP-546).

use super::shared::DecodeCx;
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::protocol::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterQuotas, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse, QuotaEntity, QuotaFilter, QuotaMatch, QuotaValue, Request,
    Response,
};

pub(crate) fn decode_describe(
    reader: &mut Reader,
    _cx: &mut DecodeCx<'_>,
) -> Result<Asked, WireError> {
    let mut refused: Option<String> = None;
    let components = reader.array(|reader| {
        let kind = reader.string()?;
        let matches = match (reader.i8()?, reader.nullable_string()?) {
            (0, Some(name)) => QuotaMatch::Exact(name),
            (1, None) => QuotaMatch::Default,
            (2, None) => QuotaMatch::Any,
            (how, _) => {
                refused.get_or_insert_with(|| no_match(how));
                QuotaMatch::Any
            }
        };
        reader.skip_tags()?;
        Ok(QuotaFilter { kind, matches })
    })?;
    let strict = reader.bool()?;
    reader.skip_tags()?;
    if let Some(message) = refused {
        let error = ErrorCode::InvalidRequest;
        let message = Some(message.into());
        let response = DescribeClientQuotasResponse { error, message, entries: Vec::new() };
        return Ok(Asked::Edge(Response::DescribeClientQuotas(Box::new(response))));
    }
    let request = DescribeClientQuotasRequest { components, strict };
    Ok(Asked::Broker(Request::DescribeClientQuotas(request)))
}

/// What is wrong with how a component matches, in Kafka's words (`ClientQuotasImage.describe`).
fn no_match(how: i8) -> String {
    let flaw = match how {
        0 => "MATCH_TYPE_EXACT, but set match string to null.",
        1 => "MATCH_TYPE_DEFAULT, but also specified a match string.",
        2 => "MATCH_TYPE_SPECIFIED, but also specified a match string.",
        other => return format!("Unknown match type {other}"),
    };
    format!("Request specified {flaw}")
}

pub(crate) fn decode_alter(
    reader: &mut Reader,
    _cx: &mut DecodeCx<'_>,
) -> Result<Asked, WireError> {
    let entries = reader.array(|reader| {
        let entity = reader.array(|reader| {
            let part = (reader.string()?, reader.nullable_string()?);
            reader.skip_tags()?;
            Ok(part)
        })?;
        let changes = reader.array(|reader| {
            let key = reader.string()?;
            let value = QuotaValue::from_bits(reader.i64()?.cast_unsigned());
            let removes = reader.bool()?;
            reader.skip_tags()?;
            Ok((key, (!removes).then_some(value)))
        })?;
        reader.skip_tags()?;
        Ok(AlterQuotas { entity, changes })
    })?;
    let validate_only = reader.bool()?;
    reader.skip_tags()?;
    let request = AlterClientQuotasRequest { entries, validate_only };
    Ok(Asked::Broker(Request::AlterClientQuotas(request)))
}

fn write_entity(out: &mut Writer, entity: &QuotaEntity) {
    out.array(entity.iter(), |out, (kind, name)| {
        out.string(kind);
        out.nullable_string(name.as_deref());
        out.no_tags();
    });
}

pub(crate) fn encode_describe(out: &mut Writer, response: &DescribeClientQuotasResponse) {
    out.i32(0); // throttle time
    out.error(response.error);
    // Kafka says nothing where there is no error, rather than null
    out.nullable_string(Some(response.message.as_deref().unwrap_or("")));
    if response.error == ErrorCode::None {
        out.array(response.entries.iter(), |out, quotas| {
            write_entity(out, &quotas.entity);
            out.array(quotas.values.iter(), |out, (key, value)| {
                out.string(key);
                out.i64(value.bits().cast_signed());
                out.no_tags();
            });
            out.no_tags();
        });
    } else {
        out.null_array();
    }
    out.no_tags();
}

pub(crate) fn encode_alter(out: &mut Writer, response: &AlterClientQuotasResponse) {
    out.i32(0); // throttle time
    out.array(response.entries.iter(), |out, altered| {
        out.error(altered.error);
        out.nullable_string(altered.message.as_deref());
        write_entity(out, &altered.entity);
        out.no_tags();
    });
    out.no_tags();
}
