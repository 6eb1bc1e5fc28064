//! Plans of made-up recordings.

use super::*;
use crate::result::{self, Cents, Milli};
use crate::testing;
use stormglass_scenarios::plan::{ClusterKind, Constant, LimitsPlan};

fn requirements() -> Requirements {
    Requirements {
        ingress_bytes_per_sec: 40_000_000,
        groups: 2,
        peak_permille: 2000,
        record_bytes: 1024,
        retention_seconds: 86_400,
        replication: 3,
        p99_ns: 50_000_000,
        states: State::ALL.to_vec(),
        growth_permille: 300,
        region: "us-east-1".to_owned(),
    }
}

#[test]
fn bounds_follow_the_arithmetic() {
    let mut plan = testing::plan();
    let constant = Constant {
        value: 1024,
        unit: "ns/KiB".to_owned(),
        source: "a nanosecond for each byte".to_owned(),
        confidence: "U".to_owned(),
    };
    plan.model.constants.insert("cpu.produce_ns_per_kib".to_owned(), constant);
    for broker in &mut plan.cluster.brokers {
        let host = &mut broker.host;
        (host.vcpus, host.cpu_speed_permille, host.cpu_baseline_permille) = (2, 500, 1000);
    }
    let bounds = bounds(&plan, &requirements(), 1000);
    let of = |resource: &str| bounds.iter().find(|one| one.resource == resource).unwrap();
    let nic = plan.cluster.brokers[0].host.nic.baseline_per_sec;
    // 80 MB/s at peak, two of three brokers left: 80 to consumers, 40 to followers each.
    assert_eq!(of("network").state, State::AzAtPeak);
    assert_eq!(of("network").percent, Milli::ratio(120_000_000 * 100, i128::from(nic)));
    // 60 partitions with three replicas on three brokers.
    assert_eq!(of("partitions").percent, Milli::from_units(6_000));
    assert!(bounds.is_sorted_by(|a, b| a.percent >= b.percent));
    // 40 MB/s of produced bytes for each survivor, on the equivalent of one core.
    assert_eq!(of("cpu").percent, Milli::from_units(4_000));
    assert!(of("disk").percent > Milli::ZERO);
}

#[test]
fn quotas_of_clusters_and_partitions_are_bounds() {
    let mut plan = testing::plan();
    plan.cluster.kind = ClusterKind::MskServerless;
    plan.cluster.limits = Some(LimitsPlan {
        in_sustained_bytes_per_sec: None,
        in_bytes_per_sec: Some(50_000_000),
        out_sustained_bytes_per_sec: None,
        out_bytes_per_sec: Some(100_000_000),
        partition_in_bytes_per_sec: Some(5_000_000),
        partition_out_bytes_per_sec: Some(10_000_000),
        requests_per_sec: Some(5_000),
        shared_by: None,
        source: "made up".to_owned(),
    });
    let limits = plan.cluster.limits.clone();
    let bounds = bounds(&plan, &requirements(), 2400);
    let of = |resource: &str| bounds.iter().find(|one| one.resource == resource).unwrap();
    // 80 MB/s at peak and twice that out, two of three left; 60 partitions.
    assert_eq!(of("ingress quota").percent, Milli::from_units(80_000));
    assert_eq!(of("egress quota").percent, Milli::from_units(80_000));
    assert_eq!(of("partition ingress quota").percent, Milli::ratio(1_333_333 * 100, 5_000_000));
    assert_eq!(of("partition egress quota").percent, Milli::ratio(2_666_666 * 100, 10_000_000));
    assert_eq!(equation_1(&plan, &requirements()), None, "no brokers to count");
    // The same quotas as parts of those of the cluster: 150 MB/s, whoever is left.
    plan.cluster.limits = limits.map(|limits| LimitsPlan { shared_by: Some(3), ..limits });
    let shared = super::bounds(&plan, &requirements(), 2400);
    let of = |resource: &str| shared.iter().find(|one| one.resource == resource).unwrap();
    assert_eq!(of("ingress quota").percent, Milli::ratio(80_000_000 * 100, 150_000_000));
    assert_eq!(of("partition ingress quota").percent, Milli::ratio(1_333_333 * 100, 5_000_000));
}

#[test]
fn survivors_are_counted_by_az() {
    assert_eq!(State::AzAtPeak.survivors(6, 3), 4);
    assert_eq!(State::Broker.survivors(6, 3), 5);
    assert_eq!(State::None.survivors(6, 3), 6);
    assert_eq!(State::Az.load_permille(2000), 1000);
    assert_eq!(State::None.load_permille(2000), 2000);
}

#[test]
fn only_settled_seconds_are_judged() {
    let (plan, recording) = (testing::plan(), testing::az_outage());
    let result = result::build("plan", "model", &plan, &recording);
    let run = (&result, &recording);
    let steady = judge(State::None, 1000, &requirements(), &(30..50), run);
    assert!(steady.holds, "{steady:?}");
    // The outage begins at 60 s: a third of the partitions stalls.
    let stalled = judge(State::Az, 1000, &requirements(), &(60..68), run);
    assert!(!stalled.holds && stalled.reason.is_some(), "{stalled:?}");
    let strict = Requirements { p99_ns: 1_000, ..requirements() };
    let late = judge(State::None, 1000, &strict, &(30..50), run);
    assert!(late.reason.unwrap().contains("not below"));
    // Of records that producers still hold nothing is known: a part of the load is missing.
    let blocked = judge(State::None, 2000, &requirements(), &(30..50), run);
    assert!(blocked.reason.unwrap().contains("producers are blocked"));
    let nothing = judge(State::None, 1000, &requirements(), &(9_000..9_010), run);
    assert!(!nothing.holds);
}

fn candidate(brokers: u32, usd: i64, p99_ms: i64) -> Candidate {
    let state = |state: State| Judgement {
        state,
        load_permille: state.load_permille(2000),
        holds: p99_ms < 50,
        reason: (p99_ms >= 50).then(|| format!("response p99 {p99_ms} ms, not below 50.0 ms")),
        p50_ms: Some(Milli::from_units(p99_ms * 300)),
        p99_ms: Some(Milli::from_units(p99_ms * 1000)),
        acked_percent: Milli::from_units(100_000),
        longest_gap_ms: Milli::from_units(30_000_000),
        lost_records: 0,
        uses: vec![Use { resource: "cpu".to_owned(), percent: Milli::from_units(71_300) }],
    };
    let fits = p99_ms < 50;
    let headroom = Headroom {
        state: State::AzAtPeak,
        holds_at: Milli::from_units(1_250),
        breaks_at: Some(Milli::from_units(1_500)),
        binds: Some(Use { resource: "network".to_owned(), percent: Milli::from_units(96_000) }),
        reason: None,
        verified: Some(Verified {
            holds_below: true,
            reason_below: None,
            breaks_above: Some(true),
            reason_above: Some("az-at-peak: response p99 90 ms, not below 50.0 ms".to_owned()),
        }),
    };
    let curve = [1000, 2000, 2500]
        .map(|load_permille| Judgement { load_permille, ..state(State::AzAtPeak) });
    let mut candidate = Candidate {
        cluster: Cluster {
            kind: ClusterKind::MskStandard,
            instance: "kafka.m7g.xlarge".to_owned(),
            brokers,
            storage_gib: 1_200,
            partitions: 60,
            monthly_usd: Cents::from_units(usd),
            traffic_usd: Cents::from_units(1_234),
        },
        bounds: bounds(&testing::plan(), &requirements(), 1000),
        states: if fits { State::ALL.map(state).to_vec() } else { vec![state(State::AzAtPeak)] },
        fits,
        headroom: fits.then_some(headroom),
        curve: if fits { curve.to_vec() } else { Vec::new() },
        growth: None,
        equation_1: Some(3),
        bill: crate::cost::of_cluster(&testing::plan()).lines,
    };
    candidate.growth = growth(&candidate, &requirements());
    candidate
}

fn report(fits: Vec<Candidate>, misses: Vec<Candidate>) -> PlanReport {
    let formulas = formulas(fits.iter().chain(&misses), &requirements());
    PlanReport {
        formulas,
        schema_version: PLANNER_SCHEMA_VERSION,
        exit_code: if fits.is_empty() { 7 } else { 0 },
        requirements: requirements(),
        fits,
        misses,
        cut_by_bounds: 12,
        ruled_out: vec![RuledOut {
            kind: ClusterKind::MskServerless,
            cluster: "MSK Serverless".to_owned(),
            reason: "ingress quota needs at least 150 % of what is always there, by arithmetic"
                .to_owned(),
        }],
        interrupted: false,
        runs: 14,
        assumptions: vec!["burst credits are spent".to_owned()],
        command: "stormglass plan --ingress '40 MB/s'".to_owned(),
    }
}

#[test]
fn the_answer_as_text() {
    let fits = vec![candidate(6, 312_345, 12), candidate(9, 400_000, 9)];
    insta::assert_snapshot!(table(&report(fits, vec![candidate(3, 150_000, 90)])));
}

#[test]
fn nothing_fits_and_the_nearest_miss_is_named() {
    let report = report(Vec::new(), vec![candidate(3, 150_000, 900), candidate(6, 300_000, 60)]);
    assert_eq!(report.nearest_miss().unwrap().cluster.brokers, 6);
    let text = table(&report);
    assert!(
        text.contains("No cluster meets it. Nearest: 6 x kafka.m7g.xlarge, az-at-peak"),
        "{text}"
    );
    assert!(page(&report).contains("Nothing fits"));
}

#[test]
fn equation_1_counts_bytes_against_baselines() {
    let mut plan = testing::plan();
    for node in &mut plan.cluster.brokers {
        node.host.nic.baseline_per_sec = 93_750_000;
        node.host.volumes[0].throughput.baseline_per_sec = 262_144_000;
        node.host.volumes[0].instance_throughput.baseline_per_sec = 81_250_000;
    }
    // AWS's own worked limit: three m5.large carry 70 MB/s, bound by the network.
    let at = |rate: u64| Requirements {
        ingress_bytes_per_sec: rate,
        peak_permille: 1000,
        ..requirements()
    };
    assert_eq!(equation_1(&plan, &at(70_000_000)), Some(3));
    assert_eq!(equation_1(&plan, &at(71_000_000)), Some(6));
}

#[test]
fn a_miss_names_what_arithmetic_says_is_used_up() {
    let mut miss = candidate(3, 150_000, 90);
    for (percent, is_named) in [(89_000, false), (100_000, true)] {
        "ingress quota".clone_into(&mut miss.bounds[0].resource);
        miss.bounds[0].percent = Milli::from_units(percent);
        let text = table(&report(Vec::new(), vec![miss.clone()]));
        assert_eq!(text.contains(" (ingress quota at 100 % in "), is_named, "{text}");
    }
}

#[test]
fn the_charts_have_a_knee_and_a_price() {
    let fits = vec![candidate(6, 312_345, 12), candidate(9, 400_000, 9)];
    let report = report(fits, vec![candidate(3, 150_000, 90)]);
    let names: Vec<&str> = charts(&report).iter().map(|chart| chart.name).collect();
    assert_eq!(names, ["plan-load", "plan-cost", "plan-use"]);
    assert_eq!(page(&report).matches("<figure").count(), 3);
}

#[test]
fn the_page_is_whole_and_needs_no_network() {
    let page = page(&report(vec![candidate(6, 312_345, 12)], Vec::new()));
    for text in ["6 x kafka.m7g.xlarge", "$3,123.45", "az-at-peak", "1.25x", "burst credits"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("src=") && !page.contains("url("));
}
