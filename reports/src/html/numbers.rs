//! The numbers as tables: latency, throughput, availability, resources.

use crate::result::{
    BrokerResources, LatencyRow, Milli, PartitionGap, RemoteStorage, RunResult, ThroughputRow,
};
use crate::summary::{availability_sentence, gap_reason};
use crate::text;
use maud::{Markup, html};

const PHASES: [&str; 3] = ["measure+heal", "measure", "heal"];
const PARTITIONS_MAX: usize = 5;
/// Columns of a latency table after its names.
const FIGURES: [&str; 8] = ["mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "records"];

/// The section.
pub(super) fn section(result: &RunResult) -> Markup {
    html! {
        section id="numbers" {
            h2 { "Numbers" }
            (latency(result))
            (throughput(result))
            @if let Some(remote) = &result.remote_storage { (remote_storage(remote)) }
            (availability(result))
            (resources(result))
        }
    }
}

fn latency(result: &RunResult) -> Markup {
    let is_told = |row: &LatencyRow| row.kind != "delay" || row.max_ms > Milli::ZERO;
    let total = |row: &&LatencyRow| {
        row.group == "*" && PHASES.contains(&row.phase.as_str()) && is_told(row)
    };
    let one = |row: &&LatencyRow| row.group != "*" && row.phase == "measure+heal" && is_told(row);
    let mut rows: Vec<&LatencyRow> = result.latency.iter().filter(total).collect();
    rows.sort_by_key(|row| order(&row.kind));
    let mut groups: Vec<&LatencyRow> = result.latency.iter().filter(one).collect();
    groups.sort_by_key(|row| order(&row.kind));
    html! {
        h3 { "Latency" }
        p { "Milliseconds per record, by the phase in which it was intended. Response counts from \
             the intended time to the acknowledgement, so that waiting in the client is not \
             hidden; service from the send; end to end to the delivery; delay, when there is any, \
             to the hand-over to the client." }
        (latency_table(&rows, false))
        @if groups.len() > 3 {
            details {
                summary { "By group and topic, measure and heal together" }
                (latency_table(&groups, true))
            }
        }
    }
}

fn order(kind: &str) -> usize {
    ["response", "end_to_end", "service", "delay"].iter().position(|k| *k == kind).unwrap_or(9)
}

fn latency_table(rows: &[&LatencyRow], by_group: bool) -> Markup {
    html! {
        div.table {
            table {
                thead { tr {
                    th { "Latency" }
                    @if by_group { th { "Group" } th { "Topic" } } @else { th { "Phase" } }
                    @for name in FIGURES {
                        th.n { (name) }
                    }
                } }
                tbody {
                    @for (index, row) in rows.iter().enumerate() {
                        @let is_new = index > 0 && rows[index - 1].kind != row.kind;
                        tr.part[is_new] {
                            td { (row.kind.replace('_', " ")) }
                            @if by_group { td { (row.group) } td { (row.topic) } }
                            @else { td { (row.phase) } }
                            td.n { (text::short(row.mean_ms)) }
                            td.n { (text::short(row.p50_ms)) }
                            td.n { (text::short(row.p90_ms)) }
                            td.n { (text::short(row.p99_ms)) }
                            td.n { (text::short(row.p99_9_ms)) }
                            td.n { (row.p99_99_ms.map_or("-".to_owned(), text::short)) }
                            td.n { (text::short(row.max_ms)) }
                            td.n { (text::grouped(row.count)) }
                        }
                    }
                }
            }
        }
    }
}

fn throughput(result: &RunResult) -> Markup {
    let rows: Vec<&ThroughputRow> =
        result.throughput.iter().filter(|row| row.phase != "warmup").collect();
    html! {
        h3 { "Throughput" }
        p { "Means and the busiest second, MB/s (10" sup { "6" } " bytes) and records per second." }
        div.table {
            table {
                thead { tr {
                    th { "Phase" } th.n { "seconds" }
                    th.n { "offered" } th.n { "acked" } th.n { "acked, max" } th.n { "consumed" }
                    th.n { "offered rec/s" } th.n { "acked rec/s" }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            td { (row.phase) }
                            td.n { (row.seconds) }
                            td.n { (text::short(row.offered.mb_per_s_avg)) }
                            td.n { (text::short(row.acked.mb_per_s_avg)) }
                            td.n { (text::short(row.acked.mb_per_s_max)) }
                            td.n { (text::short(row.consumed.mb_per_s_avg)) }
                            td.n { (text::number(row.offered.records_per_s_avg, 0)) }
                            td.n { (text::number(row.acked.records_per_s_avg, 0)) }
                        }
                    }
                }
            }
        }
    }
}

fn remote_storage(remote: &RemoteStorage) -> Markup {
    let rows = [
        ("Copied there", remote.copied_mb_per_s, remote.copied_mb_per_s_max, remote.copied_gb),
        ("Fetched", remote.fetched_mb_per_s, remote.fetched_mb_per_s_max, remote.fetched_gb),
    ];
    html! {
        h3 { "Remote storage" }
        p { "Means and the busiest second over measure and heal, MB/s; bytes and requests over the \
             whole run. " (text::short(remote.stored_gb)) " GB are stored at the end. "
            (text::grouped(remote.puts)) " PUT and DELETE requests, " (text::grouped(remote.gets))
            " GET requests, and " (text::grouped(remote.slow_downs))
            " that were answered with 503 Slow Down." }
        div.table {
            table.narrow {
                thead { tr { th { "Bytes" } th.n { "mean" } th.n { "max" } th.n { "GB" } } }
                tbody {
                    @for (name, mean, max, gb) in rows {
                        tr {
                            td { (name) }
                            td.n { (text::short(mean)) }
                            td.n { (text::short(max)) }
                            td.n { (text::short(gb)) }
                        }
                    }
                }
            }
        }
    }
}

fn availability(result: &RunResult) -> Markup {
    let availability = &result.availability;
    let worst: Vec<&PartitionGap> =
        availability.worst_partitions.iter().take(PARTITIONS_MAX).collect();
    html! {
        h3 { "Availability" }
        p { (availability_sentence(result)) ". "
            @if let Some(reason) = gap_reason(result) { (reason) ". " }
            "A gap is the time between two acknowledgements on a partition while records waited. " }
        @if !worst.is_empty() {
            div.table {
                table.narrow {
                    thead { tr { th { "Partition" } th.n { "Longest gap" } th.n { "From t" } } }
                    tbody {
                        @for gap in worst {
                            tr {
                                td { (gap.partition) }
                                td.n { (text::duration(gap.longest_ms)) }
                                td.n { (text::number(gap.from_s, 1)) " s" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn resources(result: &RunResult) -> Markup {
    if result.resources.is_empty() {
        return html! {};
    }
    let burstable = result.resources.iter().any(|row| row.cpu_credits_min.is_some());
    html! {
        h3 { "Resources per broker" }
        p { "Mean and busiest second over measure and heal, while the broker was up. Above 90 % \
             is marked ▲." }
        div.table {
            table.packed {
                thead { tr {
                    th { "Broker" } th { "AZ" } th.n { "up" }
                    th.n { "CPU" } th.n { "network" } th.n { "disk" }
                    th.n { "in MB/s" } th.n { "out MB/s" }
                    th.n { "cache hits" } th.n { "handlers idle" } th.n { "queue, max" }
                    th.n { "net credits, min" }
                    @if burstable { th.n { "CPU credits, min" } }
                } }
                tbody { @for row in &result.resources { (resource_row(row, burstable)) } }
            }
        }
    }
}

fn resource_row(row: &BrokerResources, burstable: bool) -> Markup {
    let percent = |value: Milli| format!("{} %", text::number(value, 0));
    // Of what is best at 100 % nothing is rounded up to it.
    let least = |value: Milli| format!("{} %", text::whole_down(value));
    let credits = row.cpu_credits_min.map(|credits| text::number(credits, 1));
    html! {
        tr {
            td { (row.broker) }
            td { (row.az) }
            td.n { (percent(row.up_percent)) }
            td.n { (mean_and_max(row.cpu_percent_avg, row.cpu_percent_max)) }
            td.n { (mean_and_max(row.network_percent_avg, row.network_percent_max)) }
            td.n { (mean_and_max(row.disk_percent_avg, row.disk_percent_max)) }
            td.n { (text::short(row.in_mb_per_s_avg)) }
            td.n { (text::short(row.out_mb_per_s_avg)) }
            td.n { (row.cache_hit_percent.map_or("-".to_owned(), least)) }
            td.n { (percent(row.handler_idle_percent_avg)) }
            td.n { (row.request_queue_max) }
            td.n { (row.network_credits_percent_min.map_or("-".to_owned(), least)) }
            @if burstable {
                td.n { (credits.unwrap_or("-".to_owned())) }
            }
        }
    }
}

fn mean_and_max(mean: Milli, max: Milli) -> Markup {
    let full = max > Milli::from_units(90_000);
    html! {
        (text::number(mean, 0)) " / "
        @if full { strong.full { (text::number(max, 0)) " % ▲" } }
        @else { (text::number(max, 0)) " %" }
    }
}
