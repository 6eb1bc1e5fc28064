//! docs/against-kafka.md.

use super::{Broker, CASES, FILL_BYTES, Measured, PACED_BYTES_PER_SEC, PACED_SECONDS};
use std::fmt::Write as _;

/// The page.
pub(super) fn page(ours: &Broker, theirs: &Broker) -> String {
    let mut page = format!(
        "# Against Apache Kafka\n\n\
         Written by `cargo xtask conformance --bench`: {} and {}, one after the other on the same \
         machine, one node each with defaults, driven by Kafka's own ProducerPerformance and \
         ConsumerPerformance with the same settings. Every case writes {} MB to a topic of its own as \
         fast as the producer can, reads them from the page cache, and writes for {} s at {} MB/s. A \
         warm-up comes before.\n\n\
         The producer and the broker share the machine's cores: the highest rates are those of both \
         together. CPU time is the broker's alone.\n\n",
        ours.name,
        theirs.name,
        FILL_BYTES / 1_000_000,
        PACED_SECONDS,
        PACED_BYTES_PER_SEC / 1_000_000,
    );
    page += "Each cell: Stormglass / Apache Kafka.\n\n";
    page += "| acks | record | partitions | records/s, fastest | MiB/s, fastest | MiB/s read | broker's CPU s: write, read | p50, p99, p99.9 ms at the fixed rate | CPU s at that rate |\n";
    page += "|---|---|---|---|---|---|---|---|---|\n";
    for ((case, ours), theirs) in CASES.iter().zip(&ours.cases).zip(&theirs.cases) {
        let pair = |of: fn(&Measured) -> f64| format!("{:.0} / {:.0}", of(ours), of(theirs));
        let latencies = |it: &Measured| {
            format!("{:.0}, {:.0}, {:.0}", it.paced.p50, it.paced.p99, it.paced.p999)
        };
        let cpu = |it: &Measured| format!("{:.1}, {:.1}", it.cpu[0], it.cpu[1]);
        let _ = writeln!(
            page,
            "| {} | {} B | {} | {} | {} | {} | {} / {} | {} / {} | {:.1} / {:.1} |",
            case.acks,
            case.record_bytes,
            case.partitions,
            pair(|it| it.fastest.records_per_sec),
            pair(|it| it.fastest.mb_per_sec),
            pair(|it| it.consumed_mb_per_sec),
            cpu(ours),
            cpu(theirs),
            latencies(ours),
            latencies(theirs),
            ours.cpu[2],
            theirs.cpu[2],
        );
    }
    let _ = writeln!(
        page,
        "\nResident memory at the end: {:.0} MiB / {:.0} MiB; at its highest: {:.0} MiB / {:.0} MiB.",
        ours.rss_mib, theirs.rss_mib, ours.peak_mib, theirs.peak_mib,
    );
    page
}
