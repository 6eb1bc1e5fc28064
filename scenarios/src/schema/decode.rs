//! From a TOML tree to typed sections, reporting every error with its place.
//!
//! A type says once how it looks ([`section!`], [`choice!`]); reading, the list of known keys and
//! the JSON Schema all follow from that. Leaves out checks that span several fields: see `check`.

use crate::text::diagnostic::{Diagnostic, suggestion};
use crate::text::source::Span;
use crate::text::tree::{Entry, Node, Table, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

/// Errors found so far.
pub(crate) type Errors = Vec<Diagnostic>;

/// Readable from a TOML value. `None` means that an error was reported.
pub(crate) trait Decode: Sized {
    /// Reads `node`.
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// What.
    pub(crate) value: T,
    /// Where.
    pub(crate) span: Span,
}

impl<T: Decode> Decode for At<T> {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        Some(Self { value: T::decode(node, errors)?, span: node.span })
    }
}

/// A list whose broken elements are left out, so that the sound ones can be checked further.
#[derive(Debug, Clone)]
pub(crate) struct List<T> {
    /// The sound elements.
    pub(crate) items: Vec<At<T>>,
    /// Whether none was left out.
    pub(crate) complete: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), complete: true }
    }
}

impl<T: Decode> Decode for List<T> {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let Value::Array(nodes) = &node.value else {
            errors.push(wrong_kind(node, "an array"));
            return None;
        };
        let items: Vec<At<T>> = nodes.iter().filter_map(|node| At::decode(node, errors)).collect();
        Some(Self { complete: items.len() == nodes.len(), items })
    }
}

/// A required section that may turn out broken while others are sound.
#[derive(Debug, Clone)]
pub(crate) struct Part<T>(pub(crate) Option<At<T>>);

/// An optional section that may turn out broken while others are sound.
#[derive(Debug, Clone)]
pub(crate) struct Soft<T>(pub(crate) Option<At<T>>);

impl<T: Decode> Field for Soft<T> {
    fn read(entry: Option<&Entry>, _: &Place<'_>, errors: &mut Errors) -> Option<Self> {
        Some(Self(entry.and_then(|entry| At::decode(&entry.node, errors))))
    }
}

/// Where a key is looked for.
pub(crate) struct Place<'a> {
    /// Title of the section, such as `[cluster]`.
    pub(crate) title: &'a str,
    /// The section's own place.
    pub(crate) span: Span,
    /// The key.
    pub(crate) key: &'a str,
}

/// A key of a section: required or optional, by its type.
pub(crate) trait Field: Sized {
    /// Reads the entry, if there is one.
    fn read(entry: Option<&Entry>, place: &Place<'_>, errors: &mut Errors) -> Option<Self>;
}

pub(crate) fn missing(place: &Place<'_>) -> Diagnostic {
    let message = format!("{} needs the key `{}`", place.title, place.key);
    Diagnostic::new(place.span, message, format!("`{}` is missing", place.key))
}

impl<T: Decode> Field for At<T> {
    fn read(entry: Option<&Entry>, place: &Place<'_>, errors: &mut Errors) -> Option<Self> {
        let Some(entry) = entry else {
            errors.push(missing(place));
            return None;
        };
        Self::decode(&entry.node, errors)
    }
}

impl<T: Decode> Field for Option<At<T>> {
    fn read(entry: Option<&Entry>, _: &Place<'_>, errors: &mut Errors) -> Option<Self> {
        match entry {
            None => Some(None),
            Some(entry) => At::decode(&entry.node, errors).map(Some),
        }
    }
}

impl<T: Decode> Field for Part<T> {
    fn read(entry: Option<&Entry>, place: &Place<'_>, errors: &mut Errors) -> Option<Self> {
        Some(Self(At::read(entry, place, errors)))
    }
}

impl<T: Decode> Field for List<T> {
    fn read(entry: Option<&Entry>, _: &Place<'_>, errors: &mut Errors) -> Option<Self> {
        let broken = Self { items: Vec::new(), complete: false };
        Some(entry.map_or_else(Self::default, |entry| {
            Self::decode(&entry.node, errors).unwrap_or(broken)
        }))
    }
}

/// The table of a section, or an error that names the section.
pub(crate) fn table<'a>(node: &'a Node, title: &str, errors: &mut Errors) -> Option<&'a Table> {
    let Value::Table(table) = &node.value else {
        errors.push(wrong_kind(node, "a table").help(format!("{title} holds keys and values")));
        return None;
    };
    Some(table)
}

/// Reports keys that the section does not have.
pub(crate) fn refuse_unknown(table: &Table, title: &str, known: &[&str], errors: &mut Errors) {
    for entry in &table.entries {
        if known.contains(&entry.key.as_str()) {
            continue;
        }
        let message = format!("unknown key `{}` in {title}", entry.key);
        let diagnostic = Diagnostic::new(entry.key_span, message, "unknown key");
        errors.push(match suggestion(&entry.key, known.iter().copied()) {
            Some(help) => diagnostic.help(help),
            None => diagnostic.help(format!("known keys: {}", known.join(", "))),
        });
    }
}

/// `expected a string, found an integer`.
pub(crate) fn wrong_kind(node: &Node, expected: &str) -> Diagnostic {
    let found = node.value.kind();
    let message = format!("expected {expected}, found {found}");
    Diagnostic::new(node.span, message, format!("this is {found}"))
}

/// The text of a string value.
pub(crate) fn string<'a>(node: &'a Node, expected: &str, errors: &mut Errors) -> Option<&'a str> {
    let Value::String(text) = &node.value else {
        errors.push(wrong_kind(node, expected));
        return None;
    };
    Some(text)
}

macro_rules! transparent_schema {
    ($name:ident => $inner:ty) => {
        impl<T: JsonSchema> JsonSchema for $name<T> {
            fn inline_schema() -> bool {
                <$inner>::inline_schema()
            }
            fn schema_name() -> Cow<'static, str> {
                <$inner>::schema_name()
            }
            fn schema_id() -> Cow<'static, str> {
                <$inner>::schema_id()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$inner>::json_schema(generator)
            }
        }
    };
}

transparent_schema!(At => T);
transparent_schema!(Part => T);
transparent_schema!(Soft => Option<T>);
transparent_schema!(List => Vec<T>);

/// Declares a TOML table: its keys are the fields, required unless of type `Option` or `List`.
/// A method named after the table's name looks at the whole of it.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $title:literal $name:ident $(: $whole:ident)? {
            $( $(#[$field_meta:meta])* $field:ident : $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(crate) struct $name {
            $( $(#[$field_meta])* pub(crate) $field: $type, )*
        }

        impl $name {
            /// Title in messages.
            pub(crate) const TITLE: &'static str = $title;
            /// Known keys.
            pub(crate) const KEYS: &'static [&'static str] =
                &[$( $crate::schema::decode::key(stringify!($field)) ),*];

            /// Reads the section's keys; others are left to the caller.
            pub(crate) fn read(
                table: &$crate::text::tree::Table,
                span: $crate::text::source::Span,
                errors: &mut $crate::schema::decode::Errors,
            ) -> Option<Self> {
                $(
                    let place = $crate::schema::decode::Place {
                        title: Self::TITLE,
                        span,
                        key: $crate::schema::decode::key(stringify!($field)),
                    };
                    let $field = <$type as $crate::schema::decode::Field>::read(
                        table.entry(place.key),
                        &place,
                        errors,
                    );
                )*
                Some(Self { $( $field: $field?, )* })
            }
        }

        impl $crate::schema::decode::Decode for $name {
            fn decode(
                node: &$crate::text::tree::Node,
                errors: &mut $crate::schema::decode::Errors,
            ) -> Option<Self> {
                let table = $crate::schema::decode::table(node, Self::TITLE, errors)?;
                $crate::schema::decode::refuse_unknown(table, Self::TITLE, Self::KEYS, errors);
                let section = Self::read(table, node.span, errors)?;
                $( let section = section.$whole(node.span, errors)?; )?
                Some(section)
            }
        }
    };
}
pub(crate) use section;

/// The TOML key of a Rust field: `r#for` is `for`.
pub(crate) const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Declares an enum that is written as one of several strings.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $what:literal $name:ident {
            $( $(#[$variant_meta:meta])* $text:literal $variant:ident, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, schemars::JsonSchema)]
        pub(crate) enum $name {
            $( $(#[$variant_meta])* #[schemars(rename = $text)] $variant, )*
        }

        impl $name {
            /// Every choice as written.
            pub(crate) const TEXTS: &'static [&'static str] = &[$( $text ),*];
        }

        impl $crate::schema::decode::Decode for $name {
            fn decode(
                node: &$crate::text::tree::Node,
                errors: &mut $crate::schema::decode::Errors,
            ) -> Option<Self> {
                let text = $crate::schema::decode::string(node, "a string", errors)?;
                $( if text == $text { return Some(Self::$variant); } )*
                errors.push($crate::schema::decode::unknown_choice(
                    node, text, $what, Self::TEXTS,
                ));
                None
            }
        }
    };
}
pub(crate) use choice;

/// `` `x` is not a mode``, with the likely one, or with all.
pub(crate) fn unknown_choice(node: &Node, text: &str, what: &str, texts: &[&str]) -> Diagnostic {
    let message = format!("`{text}` is not {what}");
    let all = || format!("one of `{}`", texts.join("`, `"));
    let help = suggestion(text, texts.iter().copied()).unwrap_or_else(all);
    Diagnostic::new(node.span, message, format!("not {what}")).help(help)
}
