//! docs/against-kafka.md.

use super::figures::{Broker, Measured, Spread};
use super::process::machine;
use super::{
    CASES, DELETES_AT_ONCE, FILL_BYTES, FILL_WARM_UP_BYTES, KAFKA, PACED_BYTES_PER_SEC,
    PACED_SECONDS, PACED_WARM_UP_SECONDS, SETTINGS,
};
use crate::ci::today;
use std::fmt::Write as _;

/// The page.
pub(super) fn page(ours: &Broker, theirs: &Broker, rounds: u32) -> String {
    let mut page = head(ours, theirs, rounds);
    fastest(&mut page, ours, theirs);
    paced(&mut page, ours, theirs);
    let _ = writeln!(
        page,
        "\n## Memory\n\n\
         Resident at the end: {:.0} MiB / {:.0} MiB; at its highest: {:.0} MiB / {:.0} MiB.",
        ours.rss_mib, theirs.rss_mib, ours.peak_mib, theirs.peak_mib,
    );
    page
}

fn head(ours: &Broker, theirs: &Broker, rounds: u32) -> String {
    let setting = |(key, value)| format!("`{key}={value}`");
    let (both, kafkas) = (SETTINGS.map(setting).join(" and "), setting(DELETES_AT_ONCE));
    let (times, turns) = match rounds {
        1 => ("a single time".to_owned(), "figures of one round"),
        n => (format!("{n} times"), "each figure is the median of these rounds"),
    };
    format!(
        "# Against Apache Kafka\n\n\
         Written by `cargo xtask conformance --bench`: {} and {}, side by side on the same machine, one \
         node each with defaults but {both}, for Kafka also {kafkas}, driven by the ProducerPerformance and ConsumerPerformance \
         of Kafka {KAFKA} with the same settings. The brokers take turns case by case, in alternating order, \
         and do every case {times}; {turns}. In brackets are the lowest and the highest. \
         The one whose turn it is not is stopped, as an idle Kafka takes some percent of a core.\n\n\
         Every case has a topic of its own. {} MB are written as fast as the producer can, and read from the \
         page cache; then records come for {} s at {} MB/s. Of both, the producer's first part ({} MB, {} s) \
         is a warm-up of its JVM and in none of its figures (`--warmup-records`).\n\n\
         Clients and broker share the machine's cores: the highest rates are those of both together. CPU time \
         is the broker's alone, and has the warm-up's. What was read counts from when the consumer has joined \
         its group.\n\n\
         Measured on {} on {}.\n\n\
         Each cell: Stormglass / Apache Kafka.\n",
        ours.name,
        theirs.name,
        FILL_BYTES / 1_000_000,
        PACED_SECONDS,
        PACED_BYTES_PER_SEC / 1_000_000,
        FILL_WARM_UP_BYTES / 1_000_000,
        PACED_WARM_UP_SECONDS,
        today(),
        machine(),
    )
}

/// Writing and reading as fast as it goes.
fn fastest(page: &mut String, ours: &Broker, theirs: &Broker) {
    *page += "\n## As fast as it goes\n\n\
        | acks | record | partitions | records/s | MiB/s | MiB/s read | broker's CPU s: write | read |\n\
        |---|---|---|---|---|---|---|---|\n";
    for index in 0..CASES.len() {
        let pair = |of: fn(&Measured) -> f64| [ours.spread(index, of), theirs.spread(index, of)];
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            case(index),
            ranges(pair(|it| it.fastest.records_per_sec)),
            medians(pair(|it| it.fastest.mib_per_sec), 0),
            ranges(pair(|it| it.read_mib_per_sec)),
            medians(pair(|it| it.cpu[0]), 1),
            medians(pair(|it| it.cpu[1]), 1),
        );
    }
    let [rates, reads] = [
        better(ours, theirs, |it| -it.fastest.records_per_sec),
        better(ours, theirs, |it| -it.read_mib_per_sec),
    ];
    let all = CASES.len();
    let _ = writeln!(
        page,
        "\nStormglass writes faster in {rates} of {all} cases, and is read faster in {reads}."
    );
}

/// Latencies where both keep up.
fn paced(page: &mut String, ours: &Broker, theirs: &Broker) {
    let rate = PACED_BYTES_PER_SEC / 1_000_000;
    let _ = write!(
        page,
        "\n## At {rate} MB/s\n\n\
         | acks | record | partitions | p50 ms | p99 ms | p99.9 ms | broker's CPU s |\n\
         |---|---|---|---|---|---|---|\n"
    );
    for index in 0..CASES.len() {
        let pair = |of: fn(&Measured) -> f64| [ours.spread(index, of), theirs.spread(index, of)];
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            case(index),
            medians(pair(|it| it.paced.p50_ms), 0),
            ranges(pair(|it| it.paced.p99_ms)),
            ranges(pair(|it| it.paced.p999_ms)),
            medians(pair(|it| it.cpu[2]), 1),
        );
    }
    let [p99, p999] =
        [better(ours, theirs, |it| it.paced.p99_ms), better(ours, theirs, |it| it.paced.p999_ms)];
    let _ = writeln!(
        page,
        "\nStormglass has the lower p99 in {p99} of {} cases, and the lower p99.9 in {p999}.",
        CASES.len(),
    );
}

/// Cases in which a figure of ours is lower than theirs.
fn better(ours: &Broker, theirs: &Broker, of: fn(&Measured) -> f64) -> usize {
    let is_better =
        |index: &usize| ours.spread(*index, of).median < theirs.spread(*index, of).median;
    (0..CASES.len()).filter(is_better).count()
}

fn case(index: usize) -> String {
    let case = CASES[index];
    format!("{} | {} B | {}", case.acks, case.record_bytes, case.partitions)
}

fn medians([ours, theirs]: [Spread; 2], digits: usize) -> String {
    format!("{:.digits$} / {:.digits$}", ours.median, theirs.median)
}

/// With the lowest and the highest.
fn ranges(pair: [Spread; 2]) -> String {
    let [ours, theirs] = pair.map(|spread| {
        let [min, median, max] = [spread.min, spread.median, spread.max].map(whole);
        if min == max { median } else { format!("{median} ({min}..{max})") }
    });
    format!("{ours} / {theirs}")
}

/// A whole number, its thousands apart.
fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_with_their_ends() {
        let spread = |min, median, max| Spread { min, median, max };
        let pair = [spread(484_340.0, 1_484_340.4, 2_000_000.0), spread(7.0, 7.2, 7.4)];
        assert_eq!(ranges(pair), "1,484,340 (484,340..2,000,000) / 7");
        assert_eq!(medians(pair, 1), "1484340.4 / 7.2");
        assert_eq!([999.6, 100.0, 0.0].map(whole), ["1,000", "100", "0"]);
    }

    #[test]
    fn the_page_has_a_row_per_case_and_counts_who_is_better() {
        let broker = |name, p99_ms| {
            let mut broker = Broker::new(name, CASES.len());
            for case in &mut broker.cases {
                let mut measured = Measured::default();
                measured.paced.p99_ms = p99_ms;
                case.push(measured);
            }
            broker
        };
        let page = page(&broker("ours", 5.0), &broker("theirs", 6.0), 1);
        assert_eq!(page.matches("| 5 / 6 |").count(), CASES.len());
        assert!(
            page.contains("the lower p99 in 8 of 8 cases, and the lower p99.9 in 0."),
            "{page}"
        );
    }
}
