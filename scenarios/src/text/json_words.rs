//! What serde says of a JSON document that is not as it should be, in words of the document instead of types of this
//! program: an object, not `struct ScenarioRef`. Leaves out what is wrong with the JSON itself, which it says well.

use serde_json::Error;

/// What is wrong, and at which line and column.
#[must_use]
pub fn json_words(error: &Error) -> String {
    let text = error.to_string();
    if !error.is_data() {
        return text;
    }
    let (message, place) = text.split_at(text.rfind(" at line ").unwrap_or(text.len()));
    format!("{}{place}", reworded(message))
}

/// Only what has a type's name in it: keys and variants are named as the document has them.
fn reworded(message: &str) -> String {
    let Some((said, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let wrong = |start: &str| said.strip_prefix(start).map(found);
    let found = wrong("invalid type: ").or_else(|| wrong("invalid value: ")).or_else(|| {
        said.strip_prefix("invalid length ").map(|length| format!("a list of {length}"))
    });
    match found {
        Some(found) => format!("expected {}, found {found}", wanted(expected)),
        None => message.to_owned(),
    }
}

fn found(said: &str) -> String {
    let kind = |start: &str| said.strip_prefix(start).map(str::to_owned);
    match said {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "unit value" => "null".to_owned(),
        _ => kind("integer ")
            .or_else(|| kind("floating point "))
            .or_else(|| kind("boolean "))
            .or_else(|| kind("string ").map(|text| format!("the text {text}")))
            .unwrap_or_else(|| said.to_owned()),
    }
}

fn wanted(expected: &str) -> String {
    const OBJECTS: [&str; 3] = ["struct ", "internally tagged enum ", "adjacently tagged enum "];
    if OBJECTS.iter().any(|start| expected.starts_with(start)) {
        return "an object".to_owned();
    }
    if let Some(length) = expected.strip_prefix("a tuple of size ") {
        return format!("a list of {length}");
    }
    if expected.starts_with("enum ") {
        return "a name, or an object with one key that is a name".to_owned();
    }
    if expected.starts_with("unit variant ") {
        return "a name alone".to_owned();
    }
    match expected {
        "a map" | "map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "variant identifier" => "a name",
        "field identifier" => "a key",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i8" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::{Source, load};

    /// What reading `steady`'s plan says with another value somewhere.
    fn said(pointer: &str, value: serde_json::Value) -> String {
        let plan = load(&Source::library("steady").unwrap(), &[], 1).unwrap();
        let mut json = serde_json::to_value(&plan).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        Plan::from_json(&json.to_string()).unwrap_err().message
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said_in_words() {
        for (pointer, value, expected) in [
            ("/cluster", "3".into(), "expected an object, found the text \"3\" at line 1"),
            ("/cluster", serde_json::json!([1]), "expected"),
            ("/topics", 5.into(), "expected a list, found `5` at line 1"),
            ("/topics/0/config", 5.into(), "expected an object, found `5` at line 1"),
            ("/producers/0/count", (-1).into(), "a whole number from 0 to 4294967295, found `-1`"),
            ("/producers/0/rate_curve/0", serde_json::json!([5]), "a list of 2, found a list of 1"),
            ("/producers/0/keys", 5.into(), "expected"),
            ("/cluster/tls_client", "yes".into(), "expected true or false, found the text \"yes\""),
        ] {
            let said = said(pointer, value);
            assert!(said.contains(expected), "{pointer}: {said}");
            for jargon in ["struct ", "enum ", "sequence", "u32", "invalid"] {
                assert!(!said.contains(jargon), "{pointer}: {said}");
            }
        }
    }

    #[test]
    fn names_are_left_as_they_are() {
        let unknown = "unknown field `sead`, expected one of `seed`, `wire`";
        assert_eq!(reworded(unknown), unknown);
        let text = reworded("invalid type: string \"a, expected b\", expected u64");
        assert_eq!(text, "expected a whole number from 0, found the text \"a, expected b\"");
    }
}
