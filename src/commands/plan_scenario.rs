//! The scenario of a candidate cluster in a failure state.

use super::load::plan_of_text;
use super::plan_storage::kind_of;
use crate::failure::Failure;
use std::ops::Range;
use stormglass_reports::planner::{Requirements, State};
use stormglass_scenarios::plan::{ClusterKind, Plan};
use stormglass_scenarios::service_limit;

/// Before anything happens.
const WARMUP_S: u32 = 4;
/// Settled seconds that are judged.
const JUDGED_S: u32 = 10;
/// From a failure until it has settled: nine seconds until a broker is fenced, an election, 30 s
/// until requests on half-open connections have failed (`request.timeout.ms`), and the backlog.
const SETTLE_S: u32 = 36;
/// What one partition takes at peak, bytes per second.
const PARTITION_BYTES_PER_SEC: u64 = 5_000_000;
/// What one partition of Serverless is to take at peak: four fifths of its quotas.
const SERVERLESS_IN_BYTES_PER_SEC: u64 = 4_000_000;
const SERVERLESS_OUT_BYTES_PER_SEC: u64 = 8_000_000;
/// The quotas of Serverless count at least ten seconds, so that who is above them is held only then.
const QUOTA_WINDOW_S: u32 = 20;
/// Clients that had requests at lost brokers stand still until those fail (`request.timeout.ms`).
const STALL_S: u64 = 30;
/// A backlog that has not drained at a service's quotas after so much longer is a finding of its own.
const DRAIN_MAX_S: u64 = 150;
/// What one client takes at peak, bytes per second.
const CLIENT_BYTES_PER_SEC: u64 = 20_000_000;
const AZS: u32 = 3;

/// What a cluster is put through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial {
    /// The state.
    pub(super) state: State,
    /// Load, parts per thousand of the average.
    pub(super) load_permille: u64,
    /// Longer than usual by so much before it is judged, seconds.
    pub(super) longer_s: u32,
}

impl Trial {
    /// As long as usual.
    pub(super) const fn new(state: State, load_permille: u64) -> Self {
        Self { state, load_permille, longer_s: 0 }
    }

    /// Seconds of the run that are judged.
    pub(super) fn settled(self) -> Range<u32> {
        let end = WARMUP_S + self.measure_s();
        match self.state {
            State::Rolling => WARMUP_S..end,
            _ => end - JUDGED_S..end,
        }
    }

    const fn measure_s(self) -> u32 {
        let usual = match self.state {
            State::None => JUDGED_S,
            State::Rolling => 40,
            State::Broker | State::Az | State::AzAtPeak => SETTLE_S + JUDGED_S,
        };
        usual + self.longer_s
    }
}

/// A candidate before it has a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Instance type.
    pub(super) instance: &'static str,
    /// Brokers, a multiple of the AZs.
    pub(super) brokers: u32,
    /// Partition replicas for each broker at most.
    pub(super) partitions_max: u64,
}

impl Shape {
    /// Partitions: enough for the peak and two for each broker, the same number for all.
    pub(super) fn partitions(&self, requirements: &Requirements) -> u32 {
        let peak = requirements.ingress_bytes_per_sec * requirements.peak_permille / 1000;
        let wanted = if kind_of(self.instance) == ClusterKind::MskServerless {
            let read = peak * u64::from(requirements.groups);
            let by_quota = peak.div_ceil(SERVERLESS_IN_BYTES_PER_SEC);
            by_quota.max(read.div_ceil(SERVERLESS_OUT_BYTES_PER_SEC))
        } else {
            peak.div_ceil(PARTITION_BYTES_PER_SEC)
        };
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX / 2).max(2 * self.brokers);
        wanted.next_multiple_of(self.brokers)
    }

    /// A trial that is long enough to be judged.
    pub(super) fn trial(
        &self,
        requirements: &Requirements,
        state: State,
        load_permille: u64,
    ) -> Trial {
        let is_serverless = kind_of(self.instance) == ClusterKind::MskServerless;
        let longer_s = match state {
            _ if !is_serverless => 0,
            State::None => QUOTA_WINDOW_S,
            State::Rolling => 0,
            State::Broker | State::Az | State::AzAtPeak => drain_s(requirements, load_permille),
        };
        Trial { longer_s, ..Trial::new(state, load_permille) }
    }

    /// Keys of `[cluster]` that choose brokers; there are none to choose on Serverless.
    fn brokers_text(&self) -> String {
        match kind_of(self.instance) {
            ClusterKind::MskServerless => String::new(),
            _ => format!("instance = \"{}\"\nbrokers = {}\n", self.instance, self.brokers),
        }
    }

    /// The plan of a trial.
    ///
    /// # Errors
    /// If the cluster cannot be: too much storage for a volume, for example.
    pub(super) fn plan(
        &self,
        requirements: &Requirements,
        trial: Trial,
        seed: u64,
    ) -> Result<Plan, Failure> {
        let text = self.text(requirements, trial);
        let mut plan = plan_of_text("plan", &text, &[])?;
        plan.seed = seed;
        spend_credits(&mut plan);
        Ok(plan)
    }

    fn text(&self, requirements: &Requirements, trial: Trial) -> String {
        let load = requirements.ingress_bytes_per_sec * trial.load_permille / 1000;
        let clients = u32::try_from(load.div_ceil(CLIENT_BYTES_PER_SEC)).unwrap_or(u32::MAX);
        let clients = clients.max(1).next_multiple_of(AZS);
        let copies = requirements.replication;
        let groups: String = (1..=requirements.groups)
            .map(|group| {
                format!(
                    "[[consumers]]\ngroup = \"g{group}\"\ntopics = [\"t\"]\ncount = {clients}\n"
                )
            })
            .collect();
        format!(
            "name = \"plan\"\nquestion = \"Does it hold?\"\nexpect = \"It does.\"\n\
             [cluster]\nkind = \"{}\"\nregion = \"{}\"\n{}\
             azs = [\"a\", \"b\", \"c\"]\n{}\
             [[topics]]\nname = \"t\"\npartitions = {}\nreplication = {copies}\n{}\
             [[producers]]\nname = \"p\"\ntopic = \"t\"\ncount = {clients}\nrate = \"{load} B/s\"\n\
             record_size = \"{} B\"\narrival = \"poisson\"\nconfig.linger.ms = 5\n\
             {groups}{}\
             [phases]\nwarmup = \"{WARMUP_S}s\"\nmeasure = \"{}s\"\nheal = \"0s\"\ndrain = \"1s\"\n",
            kind_of(self.instance).name(),
            requirements.region,
            self.brokers_text(),
            self.storage_text(requirements),
            self.partitions(requirements),
            self.retention_text(requirements),
            requirements.record_bytes,
            event(trial),
            trial.measure_s(),
        )
    }
}

/// The fault lasts until the end.
fn event(trial: Trial) -> String {
    let fault = match trial.state {
        State::None => return String::new(),
        State::Broker => "fault = \"host-crash\"\nnode = 3",
        State::Az | State::AzAtPeak => "fault = \"az-down\"\naz = \"c\"\nmode = \"power-off\"",
        State::Rolling => {
            return "[[events]]\nat = \"0s\"\nfault = \"rolling-restart\"\nnodes = [1, 2]\ndown = \"15s\"\n\
                    pause = \"5s\"\n"
                .to_owned();
        }
    };
    format!("[[events]]\nat = \"0s\"\nfor = \"{}s\"\n{fault}\n", trial.measure_s())
}

/// A plan for years cannot count on credits that last for minutes.
fn spend_credits(plan: &mut Plan) {
    for node in &mut plan.cluster.brokers {
        let host = &mut node.host;
        host.cpu_credits_ns = 0;
        host.nic.initial = 0;
        for volume in &mut host.volumes {
            volume.throughput.initial = 0;
            volume.iops.initial = 0;
            volume.instance_throughput.initial = 0;
        }
    }
}

/// How long the backlog of a stall takes to drain at the quotas of Serverless, which hold it back as they
/// do the load. Above them it never does.
fn drain_s(requirements: &Requirements, load_permille: u64) -> u32 {
    let quota = |name: &str| service_limit(name).map_or(u64::MAX, |limit| limit.value);
    let load = requirements.ingress_bytes_per_sec.saturating_mul(load_permille) / 1000;
    let read = load.saturating_mul(u64::from(requirements.groups));
    let drain = |load: u64, quota: u64| match quota.checked_sub(load) {
        Some(spare) if spare > 0 => STALL_S.saturating_mul(load) / spare,
        _ => 0,
    };
    let longest =
        drain(load, quota("serverless-in-bytes")).max(drain(read, quota("serverless-out-bytes")));
    u32::try_from(longest.min(DRAIN_MAX_S)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements() -> Requirements {
        Requirements {
            ingress_bytes_per_sec: 100_000_000,
            groups: 2,
            peak_permille: 2000,
            record_bytes: 1024,
            retention_seconds: 86_400,
            replication: 3,
            p99_ns: 50_000_000,
            states: State::ALL.to_vec(),
            growth_permille: 0,
            region: "us-east-1".to_owned(),
        }
    }

    #[test]
    fn every_state_of_a_candidate_can_be_planned() {
        let shape = Shape { instance: "kafka.m7g.xlarge", brokers: 6, partitions_max: 1000 };
        // 100 MB/s for a day, three times over six brokers, and a quarter more.
        assert_eq!(shape.storage_gib(&requirements()), 5_030);
        assert_eq!(shape.partitions(&requirements()), 42);
        for state in State::ALL {
            let trial = Trial::new(state, 1000);
            let plan = shape.plan(&requirements(), trial, 7).unwrap();
            assert_eq!((plan.cluster.brokers.len(), plan.seed), (6, 7));
            assert_eq!(plan.consumers.len(), 2);
            assert_eq!(plan.events.is_empty(), state == State::None, "{state:?}");
            assert!(plan.cluster.brokers.iter().all(|node| node.host.nic.initial == 0));
            let end = (plan.phases.warmup_ns + plan.phases.measure_ns) / 1_000_000_000;
            assert_eq!(u64::from(trial.settled().end), end);
            let longer = Trial { longer_s: 60, ..trial };
            assert_eq!(longer.settled().end, trial.settled().end + 60);
        }
    }

    #[test]
    fn express_has_no_volumes_and_bills_what_is_kept() {
        let shape = Shape { instance: "express.m7g.xlarge", brokers: 6, partitions_max: 1000 };
        // 100 MB/s for a day over six brokers.
        assert_eq!(shape.storage_gib(&requirements()), 1_342);
        let plan = shape.plan(&requirements(), Trial::new(State::None, 1000), 7).unwrap();
        assert_eq!(plan.topics[0].config["retention.ms"], "86400000");
        assert_eq!(plan.cluster.limits.unwrap().in_sustained_bytes_per_sec, Some(31_200_000));
    }

    #[test]
    fn serverless_has_partitions_for_its_quotas_and_trials_that_outlast_their_windows() {
        let shape = Shape { instance: "msk-serverless", brokers: 3, partitions_max: 2400 };
        // 200 MB/s at peak by 4 MB/s each, and 400 by 8: no more; with a third group 600 by 8.
        assert_eq!(shape.partitions(&requirements()), 51);
        let more = Requirements { groups: 3, ..requirements() };
        assert_eq!(shape.partitions(&more), 75);
        for state in State::ALL {
            let trial = shape.trial(&requirements(), state, 1000);
            let plan = shape.plan(&requirements(), trial, 7).unwrap();
            assert_eq!(plan.cluster.limits.unwrap().in_bytes_per_sec, Some(66_666_666));
            assert!(trial.settled().start >= 20 || state == State::Rolling, "{state:?}");
        }
    }

    #[test]
    fn what_a_quota_holds_back_has_time_to_drain() {
        let shape = Shape { instance: "msk-serverless", brokers: 3, partitions_max: 2400 };
        let longer = |rate, state| {
            let load = Requirements { ingress_bytes_per_sec: rate, ..requirements() };
            shape.trial(&load, state, 1000).longer_s
        };
        // 30 s of 100 MB/s at the 100 MB/s that are left of 200; of 150 MB/s at 50.
        assert_eq!(longer(100_000_000, State::Az), 30);
        assert_eq!(longer(150_000_000, State::AzAtPeak), 90);
        assert_eq!(longer(190_000_000, State::Broker), 150, "as long as is waited");
        assert_eq!(longer(200_000_000, State::Az), 0, "never");
        assert_eq!(longer(100_000_000, State::None), QUOTA_WINDOW_S);
        let standard = Shape { instance: "kafka.m7g.large", brokers: 3, partitions_max: 1000 };
        assert_eq!(standard.trial(&requirements(), State::Az, 1000).longer_s, 0);
    }

    #[test]
    fn a_volume_of_ones_own_keeps_up_with_the_peak_and_local_disks_are_all_taken() {
        let of = |instance: &'static str| Shape { instance, brokers: 3, partitions_max: 4000 };
        let volumes = |shape: Shape| {
            let plan = shape.plan(&requirements(), Trial::new(State::None, 1000), 7).unwrap();
            plan.cluster.brokers[0].host.volumes.clone()
        };
        // 200 MB/s at peak, three times over three brokers, and a quarter more: 239 MiB/s.
        let gp3 = volumes(of("m7g.2xlarge"));
        assert_eq!((gp3.len(), gp3[0].kind.as_str()), (1, "gp3"));
        assert_eq!(gp3[0].throughput.baseline_per_sec, 239 << 20);
        let nvme = volumes(of("i3en.6xlarge"));
        assert!(nvme.len() == 2 && nvme.iter().all(|volume| volume.kind == "nvme"));
        // As little as it may be, a volume has what every one has for nothing.
        let little = Requirements { ingress_bytes_per_sec: 1000, ..requirements() };
        let trial = Trial::new(State::None, 1000);
        let plan = of("m7g.large").plan(&little, trial, 7).unwrap();
        let volume = &plan.cluster.brokers[0].host.volumes[0];
        assert_eq!(volume.size_bytes, 1 << 30);
        assert_eq!(volume.throughput.baseline_per_sec, 125 << 20);
    }

    #[test]
    fn what_no_volume_holds_is_refused() {
        let shape = Shape { instance: "kafka.m7g.large", brokers: 3, partitions_max: 1000 };
        let long = Requirements { retention_seconds: 86_400 * 30, ..requirements() };
        assert!(shape.plan(&long, Trial::new(State::None, 1000), 1).is_err());
    }
}
