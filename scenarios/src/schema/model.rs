//! `[model]`: constants of the catalogue replaced by name.

use super::decode::{Decode, Errors, table, wrong_kind};
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;
use crate::text::tree::{Node, Table, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Replaced constants.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelOverrides {
    /// Name, place of the name, value.
    pub(crate) entries: Vec<(String, Span, i64)>,
}

impl ModelOverrides {
    fn collect(&mut self, prefix: &str, table: &Table, errors: &mut Errors) {
        for entry in &table.entries {
            let name = match prefix {
                "" => entry.key.clone(),
                _ => format!("{prefix}.{}", entry.key),
            };
            match &entry.node.value {
                Value::Table(inner) => self.collect(&name, inner, errors),
                Value::Integer(digits) => match digits.replace('_', "").parse::<i64>() {
                    Ok(value) if value >= 0 => {
                        self.entries.push((name, entry.key_span, value));
                    }
                    _ => {
                        let message = format!("`{name}` is out of range");
                        let help = "constants are whole numbers from 0, in the unit of their name";
                        errors.push(Diagnostic::new(entry.node.span, message, "here").help(help));
                    }
                },
                _ => errors.push(wrong_kind(&entry.node, "a whole number")),
            }
        }
    }
}

impl Decode for ModelOverrides {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let table = table(node, "[model]", errors)?;
        let before = errors.len();
        let mut overrides = Self::default();
        overrides.collect("", table, errors);
        (errors.len() == before).then_some(overrides)
    }
}

impl JsonSchema for ModelOverrides {
    fn schema_name() -> Cow<'static, str> {
        "ModelOverrides".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Model constants by name, such as `\"cpu.request_ns\" = 20000`.",
            "type": "object",
            "additionalProperties": { "type": ["integer", "object"], "minimum": 0 }
        })
    }
}
