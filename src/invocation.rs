//! A command line as text that a shell reads back as the same words.

/// The words of a command line, quoted where a POSIX shell needs it.
pub(crate) fn quoted<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quote(word.as_ref())).collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        assert_eq!(
            quoted([
                "stormglass",
                "run",
                "a b.toml",
                "--set",
                "producers.*.rate=5 MB/s",
                "",
                "it's"
            ]),
            r"stormglass run 'a b.toml' --set 'producers.*.rate=5 MB/s' '' 'it'\''s'"
        );
    }
}
