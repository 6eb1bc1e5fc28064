//! docs/differential.md.

use super::accepted;
use super::accepted::ACCEPTED;
use super::script::{Difference, Script};
use std::fmt::Write as _;

/// What differs and is not asked for, and why.
const NOT_ASKED: [(&str, &str); 2] = [
    (
        "`segment.bytes` and `log.segment.bytes` from 14 on",
        "Kafka takes 1 MiB or more (KIP-1030); simulations have small segments, and topics of theirs \
         have the same bounds here",
    ),
    (
        "values of brokers' configs that Kafka does not check, as `log.retention.ms=-5`",
        "they are bound as those of topics are; Kafka takes them and goes by something else",
    ),
];

/// The page.
pub(super) fn page(script: &Script) -> String {
    let tally = &script.tally;
    let unknown: Vec<_> =
        script.found.iter().filter(|(found, _)| accepted(found).is_none()).collect();
    let mut page = format!(
        "# Answers compared with Apache Kafka's\n\n\
         Written by `cargo xtask conformance --differential`: the same requests to `stormglass serve` \
         and to Apache Kafka 4.1.1 (one node each, KRaft, defaults), one after the other from the \
         same empty state, in every version that both serve. Addresses, ids that are drawn, times of \
         appends and wordings of messages are only compared for being there.\n\n\
         {} questions, {} answers, {} fields; {} differ for a reason, {} do not.\n",
        tally.questions,
        tally.answers,
        tally.fields,
        script.found.len() - unknown.len(),
        unknown.len(),
    );
    if !unknown.is_empty() {
        page += "\n## Without a reason\n\n| question | versions | field | Stormglass | Apache Kafka |\n|---|---|---|---|---|\n";
        for (found, versions) in unknown {
            row(&mut page, found, versions);
        }
    }
    page += "\n## For a reason\n\n| questions | field | why |\n|---|---|---|\n";
    for entry in &ACCEPTED {
        let question = if entry.question.is_empty() { "all" } else { entry.question };
        let _ = writeln!(page, "| {question} | `{}` | {} |", entry.field, entry.why);
    }
    page += "\n## Not asked\n\n| what | why |\n|---|---|\n";
    for (what, why) in NOT_ASKED {
        let _ = writeln!(page, "| {what} | {why} |");
    }
    page
}

fn row(page: &mut String, found: &Difference, versions: &[i16]) {
    let versions = match versions {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    };
    let Difference { question, field, ours, theirs } = found;
    let [ours, theirs] = [ours, theirs].map(|text| text.replace('|', "\\|"));
    let field = field.replace('|', "\\|");
    let _ = writeln!(page, "| {question} | {versions} | `{field}` | {ours} | {theirs} |");
}
