//! Addresses in a text become links. Nothing is fetched: a reader may click.

use maud::{Markup, html};

/// The text with every `https://` address as a link.
pub(crate) fn linked(text: &str) -> Markup {
    html! {
        @for (index, word) in text.split(' ').enumerate() {
            @if index > 0 { " " }
            @match address(word) {
                Some((before, address, after)) => {
                    (before)
                    a href=(address) rel="noreferrer" { (address.trim_start_matches("https://")) }
                    (after)
                }
                None => (word),
            }
        }
    }
}

/// What stands before an address, the address, and the punctuation after it.
fn address(word: &str) -> Option<(&str, &str, &str)> {
    let start = word.find("https://")?;
    let end = word.trim_end_matches([',', ';', '.', ')']).len();
    (end > start).then(|| (&word[..start], &word[start..end], &word[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_links_and_markup_stays_text() {
        let text = linked("price list (https://aws.amazon.com/msk/pricing/), <b>").into_string();
        let link = "<a href=\"https://aws.amazon.com/msk/pricing/\" rel=\"noreferrer\">\
                    aws.amazon.com/msk/pricing/</a>";
        assert_eq!(text, format!("price list ({link}), &lt;b&gt;"));
        assert!(!linked("javascript:alert(1)").into_string().contains("<a"));
    }
}
