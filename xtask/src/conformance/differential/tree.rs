//! Answers as trees of fields, read from what `Debug` writes of them, so that two can be compared
//! field by field.

use std::collections::BTreeMap;

/// A value of an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tree {
    Leaf(String),
    List(Vec<Self>),
    Fields(Vec<(String, Self)>),
}

/// Fields whose values are of one broker or one moment. What is left of them is whether they say
/// something.
const OWN: [&str; 17] = [
    "host",
    "port",
    "cluster_id",
    "topic_id",
    "producer_id",
    "member_id",
    "error_message",
    "documentation",
    "log_append_time_ms",
    "append_time",
    "last_timestamp",
    "log_dir",
    "leader",
    "session_id",
    "transaction_start_time_ms",
    "usable_bytes",
    "total_bytes",
];

/// What says nothing.
const NOTHING: [&str; 6] =
    ["None", "\"\"", "-1", "0", "00000000-0000-0000-0000-000000000000", "b\"\""];

impl Tree {
    /// Of the `Debug` text of an answer.
    pub(super) fn read(debug: &str) -> Self {
        let mut text = debug;
        value(&mut text)
    }

    /// Without what is of one broker or one moment, and lists of structures in an order of their
    /// own: in Kafka many are in that of a hash map.
    pub(super) fn normal(self) -> Self {
        match self {
            Self::Leaf(_) => self,
            Self::List(list) => {
                let mut list: Vec<Self> = list.into_iter().map(Self::normal).collect();
                if list.iter().all(|item| matches!(item, Self::Fields(_))) {
                    list.sort();
                }
                Self::List(list)
            }
            Self::Fields(fields) => Self::Fields(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let value = match value {
                            Self::Leaf(text) if OWN.contains(&name.as_str()) => {
                                Self::Leaf(own(&text))
                            }
                            other => other.normal(),
                        };
                        (name, value)
                    })
                    .collect(),
            ),
        }
    }

    /// All leaves by their paths.
    pub(super) fn leaves(&self) -> BTreeMap<String, String> {
        let mut leaves = BTreeMap::new();
        self.collect("", &mut leaves);
        leaves
    }

    fn collect(&self, path: &str, leaves: &mut BTreeMap<String, String>) {
        match self {
            Self::Leaf(text) => {
                leaves.insert(path.to_owned(), text.clone());
            }
            Self::List(list) => {
                leaves.insert(format!("{path}.len"), list.len().to_string());
                for (index, item) in list.iter().enumerate() {
                    item.collect(&format!("{path}[{}]", item.label(index)), leaves);
                }
            }
            Self::Fields(fields) => {
                for (name, value) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    value.collect(&format!("{path}{dot}{name}"), leaves);
                }
            }
        }
    }

    /// What a place in a list is called: by its name where it has one, so that one more element
    /// leaves the others comparable.
    fn label(&self, index: usize) -> String {
        let Self::Fields(fields) = self else { return index.to_string() };
        let named = fields.iter().find_map(|(name, value)| match value {
            Self::Leaf(text) if ["name", "config_name"].contains(&name.as_str()) => Some(text),
            _ => None,
        });
        named.map_or_else(|| index.to_string(), Clone::clone)
    }
}

fn own(text: &str) -> String {
    if NOTHING.contains(&text) { text.to_owned() } else { "*".to_owned() }
}

fn value(text: &mut &str) -> Tree {
    if text.starts_with('[') {
        return Tree::List(items(text, ']', value));
    }
    if text.starts_with('"') || text.starts_with("b\"") {
        return Tree::Leaf(quoted(text));
    }
    let end = text.find(|c: char| "{([,)]} ".contains(c)).unwrap_or(text.len());
    let word = text[..end].to_owned();
    *text = &text[end..];
    let rest = text.trim_start();
    if rest.starts_with('{') {
        *text = rest;
        return Tree::Fields(items(text, '}', field));
    }
    if rest.starts_with('(') {
        *text = rest;
        // a newtype or an option is what is in it
        let mut inner = items(text, ')', value);
        return if inner.len() == 1 { inner.remove(0) } else { Tree::List(inner) };
    }
    Tree::Leaf(word)
}

fn field(text: &mut &str) -> (String, Tree) {
    let end = text.find(':').unwrap_or(text.len());
    let name = text[..end].trim().to_owned();
    *text = text[end..].trim_start_matches(':').trim_start();
    (name, value(text))
}

/// What is between brackets, separated by commas.
fn items<T>(text: &mut &str, close: char, item: fn(&mut &str) -> T) -> Vec<T> {
    let mut found = Vec::new();
    *text = text[1..].trim_start();
    while !text.is_empty() {
        if let Some(rest) = text.strip_prefix(close) {
            *text = rest;
            break;
        }
        found.push(item(text));
        *text = text.trim_start().trim_start_matches(',').trim_start();
    }
    found
}

/// A quoted string, quotes included.
fn quoted(text: &mut &str) -> String {
    let begin = text.find('"').unwrap_or(0) + 1;
    let mut escaped = false;
    let end = text[begin..].char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(begin + at + 1)
    });
    let end = end.unwrap_or(text.len());
    let found = text[..end].to_owned();
    *text = &text[end..];
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "only its text is used")]
    struct Part {
        name: &'static str,
        ids: Vec<i32>,
        host: Option<&'static str>,
    }

    #[test]
    fn what_debug_writes_becomes_paths() {
        let part = |name, host| Part { name, ids: vec![2, 1], host };
        let parts = vec![part("b, \"x\"", Some("h")), part("a", None)];
        let leaves = Tree::read(&format!("{parts:?}")).normal().leaves();
        let lines: Vec<String> =
            leaves.iter().map(|(path, leaf)| format!("{path}={leaf}")).collect();
        let b = r#"["b, \"x\""]"#;
        let expected = [
            "[\"a\"].host=None".to_owned(),
            "[\"a\"].ids.len=2".to_owned(),
            "[\"a\"].ids[0]=2".to_owned(),
            "[\"a\"].ids[1]=1".to_owned(),
            "[\"a\"].name=\"a\"".to_owned(),
            format!("{b}.host=*"),
            format!("{b}.ids.len=2"),
            format!("{b}.ids[0]=2"),
            format!("{b}.ids[1]=1"),
            format!("{b}.name=\"b, \\\"x\\\"\""),
            ".len=2".to_owned(),
        ];
        let mut expected: Vec<String> = expected.into();
        expected.sort();
        let mut lines = lines;
        lines.sort();
        assert_eq!(lines, expected);
    }
}
