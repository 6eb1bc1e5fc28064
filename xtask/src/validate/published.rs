//! Published results, with the scenario that has their set-up. Sources in docs/validation.md.

/// A published run.
#[derive(Debug)]
pub(crate) struct Run {
    /// Short name.
    pub(crate) id: &'static str,
    /// Where it was published.
    pub(crate) source: &'static str,
    /// File of scenarios/validation, without its ending.
    pub(crate) scenario: &'static str,
    /// Changes to it, as `--set` takes them.
    pub(crate) sets: &'static [(&'static str, &'static str)],
    /// What was published.
    pub(crate) cells: &'static [Cell],
}

impl Run {
    /// The scenario's file in the checkout.
    pub(crate) fn path(&self) -> String {
        format!("scenarios/validation/{}.toml", self.scenario)
    }
}

/// A published value.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) metric: Metric,
    pub(crate) published: f64,
}

/// What was measured. Latencies in ms.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Metric {
    /// From `send()` to the acknowledgement; the model's from the intended time.
    Publish(Stat),
    /// From `send()` to delivery.
    EndToEnd(Stat),
    /// Records acknowledged per second.
    RecordsPerSec,
    /// Decimal megabytes acknowledged per second.
    MbPerSec,
}

/// A figure of a distribution.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stat {
    Mean,
    Quantile(f64),
    Max,
}

const fn publish(quantile: f64, published: f64) -> Cell {
    Cell { metric: Metric::Publish(Stat::Quantile(quantile)), published }
}

const fn end_to_end(quantile: f64, published: f64) -> Cell {
    Cell { metric: Metric::EndToEnd(Stat::Quantile(quantile)), published }
}

const fn cell(metric: Metric, published: f64) -> Cell {
    Cell { metric, published }
}

const MSK: &str = "AWS samples, performance-testing-framework-for-apache-kafka, test-result.png";
const LINKEDIN: &str = "LinkedIn 2014, benchmark of Kafka 0.8.1";
const KROXYLICIOUS: &str = "Kroxylicious 2026, baseline without proxy";

/// A point of the curve of 3 x kafka.m5.large: rate, median, 99th percentile.
macro_rules! msk {
    ($id:literal, $rate:literal, $p50:literal, $p99:literal) => {
        Run {
            id: $id,
            source: MSK,
            scenario: "msk-m5-large",
            sets: &[("producers.0.rate", $rate)],
            cells: &[publish(0.5, $p50), publish(0.99, $p99)],
        }
    };
}

/// Every run.
pub(crate) const RUNS: &[Run] = &[
    msk!("MSK-8", "8 MB/s", 6.0, 30.4),
    msk!("MSK-16", "16 MB/s", 6.0, 30.0),
    msk!("MSK-24", "24 MB/s", 6.0, 31.1),
    msk!("MSK-32", "32 MB/s", 6.1, 32.0),
    msk!("MSK-40", "40 MB/s", 6.2, 33.1),
    msk!("MSK-44", "44 MB/s", 6.3, 34.0),
    msk!("MSK-48", "48 MB/s", 7.0, 34.0),
    msk!("MSK-52", "52 MB/s", 7.0, 34.9),
    msk!("MSK-56", "56 MB/s", 7.0, 36.0),
    Run {
        id: "LI1",
        source: LINKEDIN,
        scenario: "li1",
        sets: &[],
        cells: &[cell(Metric::RecordsPerSec, 821_557.0)],
    },
    Run {
        id: "LI3",
        source: LINKEDIN,
        scenario: "li3",
        sets: &[],
        cells: &[cell(Metric::RecordsPerSec, 421_823.0)],
    },
    Run {
        id: "LI8",
        source: LINKEDIN,
        scenario: "li8",
        sets: &[],
        cells: &[end_to_end(0.5, 2.0), end_to_end(0.99, 3.0), end_to_end(0.999, 14.0)],
    },
    Run {
        id: "CF1",
        source: "Confluent 2020, raw result file",
        scenario: "cf1",
        sets: &[],
        cells: &[
            cell(Metric::RecordsPerSec, 200_076.0),
            publish(0.1, 1.589),
            publish(0.25, 1.913),
            publish(0.5, 2.146),
            publish(0.75, 2.42),
            publish(0.9, 3.105),
            publish(0.95, 3.479),
            publish(0.99, 4.349),
            publish(0.999, 17.368),
            publish(0.9999, 65.852),
            cell(Metric::Publish(Stat::Max), 94.2),
            end_to_end(0.5, 3.004),
            end_to_end(0.95, 4.349),
            end_to_end(0.99, 5.434),
            end_to_end(0.999, 18.329),
        ],
    },
    Run {
        id: "JV1",
        source: "Vanlightly 2023, most that the NVMe disks take",
        scenario: "jv1",
        sets: &[],
        cells: &[cell(Metric::MbPerSec, 1900.0)],
    },
    Run {
        id: "KX1",
        source: KROXYLICIOUS,
        scenario: "kx1",
        sets: &[],
        cells: &[
            cell(Metric::Publish(Stat::Mean), 7.2),
            publish(0.99, 12.6),
            cell(Metric::EndToEnd(Stat::Mean), 13.0),
            end_to_end(0.99, 21.0),
        ],
    },
    Run {
        id: "KX4",
        source: KROXYLICIOUS,
        scenario: "kx4",
        sets: &[],
        cells: &[cell(Metric::RecordsPerSec, 19_400.0)],
    },
];
