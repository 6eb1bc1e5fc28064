//! A tree as TOML text. Inline below the first level: nobody reads it but this program, and a list
//! of tables needs no headings then.

use crate::text::tree::{Node, Table, Value};

/// The document.
pub(crate) fn document(table: &Table) -> String {
    let line = |key: &str, node: &Node| format!("{} = {}\n", quoted(key), value(node));
    table.entries.iter().map(|entry| line(&entry.key, &entry.node)).collect()
}

/// A value in one line.
pub(crate) fn value(node: &Node) -> String {
    match &node.value {
        Value::String(text) => quoted(text),
        Value::Integer(text) | Value::Float(text) | Value::Datetime(text) => text.clone(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) if table.entries.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let pair =
                |key: &str, node: &Node| format!("{} = {}", plain_or_quoted(key), value(node));
            let pairs: Vec<String> =
                table.entries.iter().map(|entry| pair(&entry.key, &entry.node)).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn plain_or_quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// A basic string: everything that TOML does not allow in one is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
