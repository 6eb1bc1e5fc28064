//! A command line as text that a shell reads back as the same words.

use std::borrow::Cow;

/// The words of a command line, quoted where a POSIX shell needs it.
pub(crate) fn quoted<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quote(&shown(word.as_ref()))).collect();
    words.join(" ")
}

/// A word without the value of a property that is nobody else's to know: commands stand in reports and
/// in logs.
fn shown(word: &str) -> Cow<'_, str> {
    const SECRETS: [&str; 5] =
        ["password", "secret", "key.pem", "oauthbearer.config", "oauthbearer.assertion"];
    let value = SECRETS.iter().find_map(|secret| {
        let at = word.find(secret)?;
        Some(at + word[at..].find('=')? + 1)
    });
    value.map_or(Cow::Borrowed(word), |at| Cow::Owned(format!("{}***", &word[..at])))
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
    fn secrets_are_not_shown() {
        let words = ["bench", "-X", "sasl.password=a=b", "-Xssl.key.pem=c", "--set=cluster.secret"];
        assert_eq!(
            quoted(words),
            "bench -X 'sasl.password=***' '-Xssl.key.pem=***' --set=cluster.secret"
        );
    }

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
