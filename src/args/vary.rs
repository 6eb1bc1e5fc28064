//! `--vary key=a,b,c`: a key and its values.

use crate::failure::Failure;
use stormglass_scenarios::split_pair;

/// A key and the values that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vary {
    /// Path as `--set` takes it.
    pub(crate) key: String,
    /// Values.
    pub(crate) values: Vec<String>,
}

impl Vary {
    /// Reads one. Commas within quotes or brackets belong to a value.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let refuse = |reason: &str| {
            Failure::usage(format!("--vary `{text}` {reason}"))
                .help("write --vary 'producers.*.rate=5 MB/s,10 MB/s'")
        };
        let (key, values) = split_pair(text).ok_or_else(|| refuse("is not a pair"))?;
        let values = split(&values);
        if values.iter().any(String::is_empty) {
            return Err(refuse("has an empty value"));
        }
        Ok(Self { key, values })
    }
}

/// All of a command. A key that is varied twice would have one of its values in the table and another
/// one in the run.
pub(super) fn all(texts: &[String]) -> Result<Vec<Vary>, Failure> {
    let mut found: Vec<Vary> = Vec::new();
    for text in texts {
        let one = Vary::parse(text)?;
        if found.iter().any(|known| known.key == one.key) {
            return Err(Failure::usage(format!("--vary {} is there twice", one.key))
                .help("give all of its values at once"));
        }
        found.push(one);
    }
    Ok(found)
}

fn split(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let (mut depth, mut quoted) = (0_i32, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        if c == ',' && depth <= 0 && !quoted {
            values.push(String::new());
        } else if let Some(last) = values.last_mut() {
            last.push(c);
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_varied_once() {
        let texts = |keys: [&str; 2]| keys.map(|key| format!("{key}=1,2")).to_vec();
        assert_eq!(all(&texts(["a.b", "a.c"])).unwrap().len(), 2);
        assert!(all(&texts(["a.b", "a.b"])).unwrap_err().message().contains("twice"));
    }

    #[test]
    fn commas_in_brackets_and_quotes_stay() {
        let vary =
            Vary::parse("a.b=1, 5 MB/s,[\"x\", \"y\"],{ min = 1, max = 2 },\"p,q\"").unwrap();
        assert_eq!(vary.key, "a.b");
        assert_eq!(
            vary.values,
            ["1", "5 MB/s", "[\"x\", \"y\"]", "{ min = 1, max = 2 }", "\"p,q\""]
        );
        for text in ["a", "=1", "a=", "a=1,,2"] {
            assert!(Vary::parse(text).is_err(), "{text}");
        }
    }
}
