//! A file whose keys are a command's flags: texts, numbers, and lists of them.

/// Keys, with `-` for `_`, and their values, in the file's order.
///
/// # Errors
/// What is wrong, after `:LINE: ` where the line is known.
pub fn read_flags(text: &str) -> Result<Vec<(String, String)>, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        format!(":{line}: {}", error.message())
    })?;
    let scalar = |key: &str, value: &toml::Value| match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        _ => Err(format!(": `{key}` is neither a text nor a number nor a list of them")),
    };
    let mut flags: Vec<(String, String)> = Vec::new();
    for (key, value) in &table {
        let text = match value {
            toml::Value::Array(items) => {
                let items = items.iter().map(|item| scalar(key, item));
                items.collect::<Result<Vec<_>, _>>()?.join(",")
            }
            value => scalar(key, value)?,
        };
        let flag = key.replace('_', "-");
        if flags.iter().any(|(other, _)| *other == flag) {
            return Err(format!(": `{flag}` is there twice, once as `{}`", flag.replace('-', "_")));
        }
        flags.push((flag, text));
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_flags() {
        let text = "record_size = \"1 KiB\"\npeak = 2\nsurvive = [\"none\", \"az\"]\n";
        let flags = read_flags(text).unwrap();
        let pairs: Vec<(&str, &str)> =
            flags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("record-size", "1 KiB"), ("peak", "2"), ("survive", "none,az")]);
        assert!(read_flags("a = 1\nb = \n").unwrap_err().starts_with(":2: "));
        assert!(read_flags("a = { b = 1 }").unwrap_err().contains("`a`"));
        assert!(read_flags("a_b = 1\na-b = 2\n").unwrap_err().contains("twice"));
    }
}
