//! DescribeConfigs (key 32). No config is documented here.

use super::shared::DecodeCx;
use crate::call::{Aside, Call};
use crate::codec::Asked;
use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use stormglass_broker_core::config::{is_sensitive, told_value, type_number};
use stormglass_broker_core::protocol::{
    ConfigEntry, ConfigSource, ConfigTarget, DescribeConfigsRequest, DescribeConfigsResponse,
    Request,
};

pub(crate) fn decode(reader: &mut Reader, cx: &mut DecodeCx<'_>) -> Result<Asked, WireError> {
    let resources = reader.array(|reader| {
        let target = ConfigTarget { kind: reader.i8()?, name: reader.string()? };
        let keys = reader.nullable_array(Reader::string)?;
        reader.skip_tags()?;
        // Kafka takes an empty list for no list
        Ok((target, keys.filter(|keys| !keys.is_empty())))
    })?;
    if reader.bool()? {
        cx.aside = Aside::WithSynonyms;
    }
    if cx.version >= 3 {
        let _with_documentation = reader.bool()?;
    }
    reader.skip_tags()?;
    Ok(Asked::Broker(Request::DescribeConfigs(DescribeConfigsRequest { resources })))
}

pub(crate) fn encode(out: &mut Writer, call: &Call, response: &DescribeConfigsResponse) {
    out.i32(0); // throttle time
    out.array(response.resources.iter(), |out, described| {
        out.error(described.error);
        // Kafka says nothing where there is no error, rather than null
        out.nullable_string(Some(described.message.as_deref().unwrap_or("")));
        out.i8(described.target.kind);
        out.string(&described.target.name);
        out.array(described.entries.iter(), |out, entry| write_entry(out, call, entry));
        out.no_tags();
    });
    out.no_tags();
}

fn write_entry(out: &mut Writer, call: &Call, entry: &ConfigEntry) {
    let key = &*entry.key;
    out.string(key);
    let told = told_value(key, entry.kind, &entry.value);
    out.nullable_string(told);
    out.bool(entry.read_only);
    out.i8(entry.source as i8);
    let is_secret = is_sensitive(key, entry.kind);
    out.bool(is_secret);
    let own = (key, entry.value.clone(), entry.source);
    let inherited = entry.inherited.clone();
    // what is null has no synonyms, unless it is a secret that somebody has set
    let is_set = told.is_some() || is_secret;
    let falls_back = !matches!(entry.source, ConfigSource::Default | ConfigSource::BrokerLogger);
    let is_own = is_set
        && falls_back
        && inherited.as_ref().is_none_or(|(.., source)| *source != entry.source);
    let mut synonyms: Vec<_> = is_own.then_some(own).into_iter().chain(inherited).collect();
    if !matches!(call.aside, Aside::WithSynonyms) {
        synonyms.clear();
    }
    out.array(synonyms.into_iter(), |out, (key, value, source)| {
        out.string(key);
        out.nullable_string((!is_secret).then_some(&*value));
        out.i8(source as i8);
        out.no_tags();
    });
    if call.version >= 3 {
        let is_logger = entry.source == ConfigSource::BrokerLogger;
        // Kafka does not say what a level is
        out.i8(if is_logger { 0 } else { type_number(key, entry.kind) });
        out.nullable_string(None); // documentation
    }
    out.no_tags();
}
