//! The digest of the catalogue's values: what runs must share to be comparable.
//!
//! Values only: another wording of a source, another date or order of lines changes no number of a
//! run. A scenario's own overrides are part of the scenario and left out, so that a changed
//! constant in a scenario shows as a change and not as another model.

use crate::digest::sha256_hex;
use std::sync::OnceLock;
use toml::{Table, Value};

/// Keys that say where a figure comes from, or what to tell about a config: they change no run.
const WORDING: [&str; 6] = ["source", "date", "confidence", "provenance", "simulated", "needs"];

const FILES: [(&str, &str); 7] = [
    ("defaults", include_str!("../../catalogue/defaults.toml")),
    ("ec2", include_str!("../../catalogue/ec2.toml")),
    ("latency", include_str!("../../catalogue/latency.toml")),
    ("model", include_str!("../../catalogue/model.toml")),
    ("msk", include_str!("../../catalogue/msk.toml")),
    ("prices", include_str!("../../catalogue/prices.toml")),
    ("volumes", include_str!("../../catalogue/volumes.toml")),
];

/// SHA-256 of all values of the catalogue, hex.
pub(crate) fn digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| digest_of(&FILES))
}

fn digest_of(files: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, file) in files {
        let table: Table = super::provenance::read(name, file);
        text.push_str(name);
        write(&Value::Table(table), &mut text);
    }
    sha256_hex(text.as_bytes())
}

/// The value with sorted keys and without wording.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Table(table) => {
            let mut entries: Vec<(&String, &Value)> =
                table.iter().filter(|(key, _)| !WORDING.contains(&key.as_str())).collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in entries {
                text.push_str(&format!("{key:?}:"));
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::String(string) => text.push_str(&format!("{string:?}")),
        other => text.push_str(&other.to_string()),
    }
    text.push(';');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wording_and_order_change_nothing_and_values_do() {
        let of = |text: &str| digest_of(&[("model", text)]);
        let base = of("a = { value = 1, source = \"x\", date = \"2026\" }\nb = [1, 2]\n");
        assert_eq!(base, of("# why\nb = [1, 2]\na = { source = \"y\", value = 1 }\n"));
        for other in ["a = { value = 2 }\nb = [1, 2]\n", "a = { value = 1 }\nb = [2, 1]\n"] {
            assert_ne!(base, of(other));
        }
    }

    #[test]
    fn every_file_of_the_catalogue_counts() {
        let mut files = FILES;
        for index in 0..files.len() {
            let text = format!("{}\n[more]\nvalue = 1\n", files[index].1);
            let original = std::mem::replace(&mut files[index], ("model", ""));
            let changed: Vec<(&str, &str)> = files
                .iter()
                .map(|file| if file.1.is_empty() { (original.0, text.as_str()) } else { *file })
                .collect();
            assert_ne!(digest_of(&changed), digest(), "{}", original.0);
            files[index] = original;
        }
    }
}
