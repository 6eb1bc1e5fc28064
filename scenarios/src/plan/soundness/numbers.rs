//! Whether the numbers of a plan that was read from a file are within what a scenario may ask for (`bounds`): a run of
//! it ends, and what needs a size has one.

use super::refuse;
use crate::bounds::{
    BROKERS_MAX, CLIENTS_MAX, CONTROLLERS_MAX, CPU_SPEED_PERMILLE_MAX, CPU_SPEED_PERMILLE_MIN,
    DURATION_NS_MAX, KEYS_MAX, MEMORY_BYTES_MIN, OUTSTANDING_MAX, PARTITIONS_MAX, PHASE_NS_MAX,
    PRELOAD_RECORD_BYTES_MAX, PRELOAD_RECORD_BYTES_MIN, REPLICAS_MAX, TRANSACTION_RECORDS_MAX,
    VCPUS_MAX, ZIPF_PERMILLE_MAX, constant_min,
};
use crate::digest::PlanError;
use crate::plan::{
    Arrival, ConsumerPlan, HostPlan, KeyDist, ModelPlan, PhasesPlan, Plan, ProducerPlan, SizeDist,
    TransactionsPlan, VolumePlan,
};
use std::fmt;
use std::ops::RangeInclusive;

/// The whole, parts per thousand.
const WHOLE_PERMILLE: u32 = 1_000;
/// Longest run, ns: four phases.
const RUN_NS_MAX: u64 = 4 * PHASE_NS_MAX;
/// Largest record, bytes: Kafka's sizes have 31 bits.
const RECORD_BYTES_MAX: u32 = i32::MAX.unsigned_abs();

/// Refuses a number that is out of its range.
pub(super) fn within<T: PartialOrd + fmt::Display>(
    path: fmt::Arguments<'_>,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), PlanError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (least, most) = allowed.into_inner();
    refuse(format!("{path} is {value}: {least} to {most} are allowed"))
}

/// Refuses a number that is too small.
fn at_least<T: PartialOrd + fmt::Display>(
    path: fmt::Arguments<'_>,
    value: T,
    least: T,
) -> Result<(), PlanError> {
    if value >= least {
        return Ok(());
    }
    refuse(format!("{path} is {value}: {least} is the least that is allowed"))
}

impl Plan {
    /// The numbers of all but nodes and events, which are looked at one by one.
    pub(super) fn check_numbers(&self) -> Result<(), PlanError> {
        at_least(format_args!("first_producer_epoch"), self.first_producer_epoch, 0)?;
        check_phases(&self.phases)?;
        check_model(&self.model)?;
        let cluster = &self.cluster;
        for (role, nodes, most) in [
            ("brokers", &cluster.brokers, BROKERS_MAX),
            ("controllers", &cluster.controllers, CONTROLLERS_MAX),
        ] {
            if nodes.len() > most as usize {
                let count = nodes.len();
                return refuse(format!("cluster.{role} has {count} nodes: {most} are allowed"));
            }
        }
        self.check_topic_numbers()?;
        for (index, producer) in self.producers.iter().enumerate() {
            check_producer(&format!("producers[{index}]"), producer)?;
        }
        for (index, consumer) in self.consumers.iter().enumerate() {
            check_consumer(&format!("consumers[{index}]"), consumer)?;
        }
        for (index, price) in self.prices.iter().enumerate() {
            at_least(format_args!("prices[{index}].nano_usd"), price.nano_usd, 0)?;
        }
        Ok(())
    }

    fn check_topic_numbers(&self) -> Result<(), PlanError> {
        let mut replicas = 0_u64;
        for (index, topic) in self.topics.iter().enumerate() {
            let place = format!("topics[{index}]");
            let partitions = topic.assignment.len();
            if partitions > PARTITIONS_MAX as usize {
                return refuse(format!(
                    "{place}.assignment has {partitions} partitions: {PARTITIONS_MAX} are allowed"
                ));
            }
            replicas += topic.assignment.iter().map(|ids| ids.len() as u64).sum::<u64>();
            if replicas > REPLICAS_MAX {
                return refuse(format!(
                    "{place}.assignment makes more than {REPLICAS_MAX} replicas of all topics \
                     together, which is the most that is allowed"
                ));
            }
            if topic.preload_bytes > 0 {
                within(
                    format_args!("{place}.preload_record_bytes"),
                    topic.preload_record_bytes,
                    PRELOAD_RECORD_BYTES_MIN..=PRELOAD_RECORD_BYTES_MAX,
                )?;
            }
        }
        Ok(())
    }
}

fn check_phases(phases: &PhasesPlan) -> Result<(), PlanError> {
    within(format_args!("phases.warmup_ns"), phases.warmup_ns, 0..=PHASE_NS_MAX)?;
    within(format_args!("phases.measure_ns"), phases.measure_ns, 1..=PHASE_NS_MAX)?;
    within(format_args!("phases.heal_ns"), phases.heal_ns, 0..=PHASE_NS_MAX)?;
    within(format_args!("phases.drain_ns"), phases.drain_ns, 0..=PHASE_NS_MAX)
}

fn check_model(model: &ModelPlan) -> Result<(), PlanError> {
    for (name, constant) in &model.constants {
        let least = constant_min(name);
        at_least(format_args!("model.constants[\"{name}\"].value"), constant.value, least)?;
    }
    Ok(())
}

/// The numbers of a node's host.
pub(super) fn check_host(place: &str, host: &HostPlan) -> Result<(), PlanError> {
    within(format_args!("{place}.vcpus"), host.vcpus, 1..=VCPUS_MAX)?;
    within(
        format_args!("{place}.cpu_speed_permille"),
        host.cpu_speed_permille,
        CPU_SPEED_PERMILLE_MIN..=CPU_SPEED_PERMILLE_MAX,
    )?;
    within(
        format_args!("{place}.cpu_baseline_permille"),
        host.cpu_baseline_permille,
        1..=WHOLE_PERMILLE,
    )?;
    at_least(format_args!("{place}.memory_bytes"), host.memory_bytes, MEMORY_BYTES_MIN)?;
    within(format_args!("{place}.heap_bytes"), host.heap_bytes, 0..=host.memory_bytes)?;
    at_least(format_args!("{place}.nic.baseline_per_sec"), host.nic.baseline_per_sec, 1)?;
    at_least(format_args!("{place}.flow_cap_bytes_per_sec"), host.flow_cap_bytes_per_sec, 1)?;
    for (index, volume) in host.volumes.iter().enumerate() {
        check_volume(&format!("{place}.volumes[{index}]"), volume)?;
    }
    Ok(())
}

/// A path to volumes may have no rate: then it limits nothing.
fn check_volume(place: &str, volume: &VolumePlan) -> Result<(), PlanError> {
    let throughput = volume.throughput.baseline_per_sec;
    at_least(format_args!("{place}.throughput.baseline_per_sec"), throughput, 1)?;
    at_least(format_args!("{place}.iops.baseline_per_sec"), volume.iops.baseline_per_sec, 1)?;
    at_least(format_args!("{place}.io_size_bytes"), volume.io_size_bytes, 1)
}

fn check_producer(place: &str, producer: &ProducerPlan) -> Result<(), PlanError> {
    within(format_args!("{place}.count"), producer.count, 1..=CLIENTS_MAX)?;
    check_curve(place, &producer.rate_curve)?;
    check_arrival(place, producer.arrival)?;
    check_size(place, producer.record_size)?;
    check_keys(place, producer.keys)?;
    within(
        format_args!("{place}.compression_permille"),
        producer.compression_permille,
        1..=WHOLE_PERMILLE,
    )?;
    at_least(format_args!("{place}.first_sequence"), producer.first_sequence, 0)?;
    producer.transactions.map_or(Ok(()), |transactions| check_transactions(place, transactions))
}

/// A hunt may raise the load of a curve further than scenarios do: only the curve itself is looked at.
fn check_curve(place: &str, curve: &[(u64, u64)]) -> Result<(), PlanError> {
    const MAX: u64 = ProducerPlan::MILLI_RECORDS_PER_SEC_MAX;
    if curve.is_empty() {
        return refuse(format!(
            "{place}.rate_curve is empty: a curve has at least one point, such as [0, 1000] for \
             one record per second"
        ));
    }
    let mut before_ns = 0;
    for (index, (at_ns, rate)) in curve.iter().copied().enumerate() {
        within(format_args!("{place}.rate_curve[{index}][0]"), at_ns, 0..=RUN_NS_MAX)?;
        if at_ns < before_ns {
            return refuse(format!(
                "{place}.rate_curve[{index}][0] is {at_ns}, and the point before it is at \
                 {before_ns}: times rise, or stay the same at a step"
            ));
        }
        before_ns = at_ns;
        if rate > MAX {
            return refuse(format!(
                "{place}.rate_curve[{index}][1] is {rate}: 0 to {MAX} thousandths of a record per \
                 second are allowed"
            ));
        }
    }
    Ok(())
}

fn check_arrival(place: &str, arrival: Arrival) -> Result<(), PlanError> {
    match arrival {
        Arrival::Uniform | Arrival::Poisson => Ok(()),
        Arrival::Bursty { on_ns, off_ns } => {
            within(format_args!("{place}.arrival.bursty.on_ns"), on_ns, 1..=DURATION_NS_MAX)?;
            within(format_args!("{place}.arrival.bursty.off_ns"), off_ns, 0..=DURATION_NS_MAX)
        }
        Arrival::Closed { outstanding } => within(
            format_args!("{place}.arrival.closed.outstanding"),
            outstanding,
            1..=OUTSTANDING_MAX,
        ),
    }
}

fn check_size(place: &str, size: SizeDist) -> Result<(), PlanError> {
    let place = format!("{place}.record_size");
    match size {
        SizeDist::Fixed { bytes } => {
            within(format_args!("{place}.fixed.bytes"), bytes, 1..=RECORD_BYTES_MAX)
        }
        SizeDist::Uniform { min_bytes, max_bytes } => {
            within(format_args!("{place}.uniform.max_bytes"), max_bytes, 1..=RECORD_BYTES_MAX)?;
            within(format_args!("{place}.uniform.min_bytes"), min_bytes, 1..=max_bytes)
        }
    }
}

fn check_keys(place: &str, keys: KeyDist) -> Result<(), PlanError> {
    let place = format!("{place}.keys");
    let most = u64::from(KEYS_MAX);
    match keys {
        KeyDist::None => Ok(()),
        KeyDist::Uniform { count } => {
            within(format_args!("{place}.uniform.count"), count, 1..=most)
        }
        KeyDist::Zipf { count, exponent_permille } => {
            within(format_args!("{place}.zipf.count"), count, 1..=most)?;
            within(
                format_args!("{place}.zipf.exponent_permille"),
                exponent_permille,
                1..=ZIPF_PERMILLE_MAX,
            )
        }
    }
}

fn check_transactions(place: &str, transactions: TransactionsPlan) -> Result<(), PlanError> {
    let place = format!("{place}.transactions");
    let TransactionsPlan { records, length_ns, aborted_permille, restart_timeout_ms, .. } =
        transactions;
    if let Some(timeout_ms) = restart_timeout_ms {
        within(format_args!("{place}.restart_timeout_ms"), timeout_ms, 1..=i32::MAX)?;
    }
    within(format_args!("{place}.records"), records, 1..=TRANSACTION_RECORDS_MAX)?;
    within(format_args!("{place}.length_ns"), length_ns, 1..=DURATION_NS_MAX)?;
    within(format_args!("{place}.aborted_permille"), aborted_permille, 0..=WHOLE_PERMILLE)
}

fn check_consumer(place: &str, consumer: &ConsumerPlan) -> Result<(), PlanError> {
    if consumer.topics.is_empty() {
        return refuse(format!("{place}.topics is empty: a group reads at least one topic"));
    }
    within(format_args!("{place}.count"), consumer.count, 1..=CLIENTS_MAX)?;
    within(format_args!("{place}.start_ns"), consumer.start_ns, 0..=RUN_NS_MAX)?;
    let process_ns = consumer.process_ns_per_record;
    within(format_args!("{place}.process_ns_per_record"), process_ns, 0..=DURATION_NS_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::refusal;
    use super::*;

    type Case<'a> = (&'a dyn Fn(&mut Plan), &'a str);

    /// Each change is refused with words that name the field.
    fn refuses(cases: &[Case<'_>]) {
        for (change, expected) in cases {
            let said = refusal(*change);
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn clients_have_counts_sizes_and_keys() {
        refuses(&[
            (&|plan| plan.producers[0].count = 0, "producers[0].count is 0: 1 to 10000 are"),
            (&|plan| plan.producers[1].count = 4_000_000_000, "producers[1].count is 4000000000:"),
            (&|plan| plan.consumers[0].count = 0, "consumers[0].count is 0: 1 to 10000 are"),
            (&|plan| plan.consumers[0].topics.clear(), "consumers[0].topics is empty"),
            (
                &|plan| plan.producers[0].record_size = SizeDist::Fixed { bytes: 0 },
                "producers[0].record_size.fixed.bytes is 0: 1 to 2147483647 are",
            ),
            (
                &|plan| {
                    plan.producers[0].record_size =
                        SizeDist::Uniform { min_bytes: 3, max_bytes: 2 };
                },
                "producers[0].record_size.uniform.min_bytes is 3: 1 to 2 are",
            ),
            (
                &|plan| plan.producers[0].keys = KeyDist::Uniform { count: 0 },
                "producers[0].keys.uniform.count is 0",
            ),
            (
                &|plan| {
                    plan.producers[0].keys = KeyDist::Zipf { count: 9, exponent_permille: 30_000 };
                },
                "producers[0].keys.zipf.exponent_permille is 30000",
            ),
            (
                &|plan| plan.producers[0].arrival = Arrival::Bursty { on_ns: 0, off_ns: 1 },
                "producers[0].arrival.bursty.on_ns is 0",
            ),
            (
                &|plan| plan.producers[0].arrival = Arrival::Closed { outstanding: 0 },
                "producers[0].arrival.closed.outstanding is 0",
            ),
            (
                &|plan| plan.producers[0].compression_permille = 0,
                "producers[0].compression_permille is 0",
            ),
            (&|plan| plan.producers[0].first_sequence = -1, "producers[0].first_sequence is -1"),
            (&|plan| plan.first_producer_epoch = -1, "first_producer_epoch is -1"),
        ]);
    }

    #[test]
    fn a_curve_has_points_in_order_of_time_and_rates_that_can_be_simulated() {
        let curve = |points: &'static [(u64, u64)]| {
            refusal(move |plan| plan.producers[0].rate_curve = points.to_vec())
        };
        assert!(curve(&[]).starts_with("producers[0].rate_curve is empty: a curve has"));
        let falls = curve(&[(5, 1), (3, 1)]);
        assert!(falls.starts_with("producers[0].rate_curve[1][0] is 3, and the point"), "{falls}");
        let high = curve(&[(0, 10_000_000_000), (0, 1_000_000_000_000_000_000)]);
        assert!(high.starts_with("producers[0].rate_curve[1][1] is 1000000000000"), "{high}");
        let late = curve(&[(u64::MAX, 1)]);
        assert!(late.starts_with("producers[0].rate_curve[0][0] is 18446744"), "{late}");
    }

    #[test]
    fn transactions_have_records_and_time() {
        let whole = TransactionsPlan {
            records: 1,
            length_ns: 1,
            aborted_permille: 0,
            epoch_each: false,
            positions: false,
            former_members: false,
            restart_timeout_ms: None,
        };
        let said = |transactions: TransactionsPlan| {
            refusal(|plan| plan.producers[0].transactions = Some(transactions))
        };
        for (transactions, expected) in [
            (TransactionsPlan { records: 0, ..whole }, "transactions.records is 0"),
            (TransactionsPlan { length_ns: 0, ..whole }, "transactions.length_ns is 0"),
            (TransactionsPlan { aborted_permille: 1001, ..whole }, "aborted_permille is 1001"),
            (
                TransactionsPlan { restart_timeout_ms: Some(0), ..whole },
                "transactions.restart_timeout_ms is 0",
            ),
        ] {
            let said = said(transactions);
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn phases_prices_and_constants_are_in_bounds() {
        let chunk = |plan: &mut Plan| {
            plan.model.constants.get_mut("disk.chunk_bytes").unwrap().value = 0;
        };
        let negative = |plan: &mut Plan| {
            plan.model.constants.get_mut("cpu.record_ns").unwrap().value = -1;
        };
        refuses(&[
            (&|plan| plan.phases.measure_ns = 0, "phases.measure_ns is 0: 1 to 31536000000000000"),
            (&|plan| plan.phases.drain_ns = u64::MAX, "phases.drain_ns is 18446744073709551615"),
            (&|plan| plan.prices[0].nano_usd = -1, "prices[0].nano_usd is -1: 0 is the least"),
            (&chunk, "model.constants[\"disk.chunk_bytes\"].value is 0: 4096 is the least"),
            (&negative, "model.constants[\"cpu.record_ns\"].value is -1: 0 is the least"),
        ]);
    }

    #[test]
    fn hosts_have_something_of_everything() {
        let host = |change: fn(&mut HostPlan)| {
            refusal(move |plan| change(&mut plan.cluster.brokers[1].host))
        };
        for (said, expected) in [
            (host(|host| host.vcpus = 0), "vcpus is 0: 1 to 1024 are"),
            (host(|host| host.cpu_speed_permille = 0), "cpu_speed_permille is 0: 10 to 100000"),
            (host(|host| host.cpu_baseline_permille = 2_000), "cpu_baseline_permille is 2000"),
            (host(|host| host.memory_bytes = 1), "memory_bytes is 1: 536870912 is the least"),
            (host(|host| host.heap_bytes = u64::MAX), "heap_bytes is 18446744073709551615"),
            (host(|host| host.nic.baseline_per_sec = 0), "nic.baseline_per_sec is 0"),
            (host(|host| host.volumes[0].io_size_bytes = 0), "volumes[0].io_size_bytes is 0"),
        ] {
            let expected = format!("cluster.brokers[1].host.{expected}");
            assert!(said.starts_with(&expected), "{said}");
        }
    }

    #[test]
    fn there_are_as_many_nodes_partitions_and_replicas_as_scenarios_may_have() {
        let many = |plan: &mut Plan| {
            let node = plan.cluster.controllers[0].clone();
            let more =
                (1..10).map(|more| crate::plan::NodePlan { id: 20_000 + more, ..node.clone() });
            plan.cluster.controllers.extend(more);
        };
        let partitions = |plan: &mut Plan| plan.topics[0].assignment = vec![vec![1]; 100_001];
        let backlog = |plan: &mut Plan| {
            (plan.topics[0].preload_bytes, plan.topics[0].preload_record_bytes) = (1 << 20, 0);
        };
        refuses(&[
            (&many, "cluster.controllers has 12 nodes: 9 are allowed"),
            (&partitions, "topics[0].assignment has 100001 partitions: 100000 are allowed"),
            (&backlog, "topics[0].preload_record_bytes is 0: 16 to 1048576 are allowed"),
        ]);
    }
}
