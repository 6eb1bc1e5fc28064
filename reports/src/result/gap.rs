//! Why the longest gap is as long as it is, as far as the recording, the faults of the plan and the
//! clients' own timeouts tell. Says nothing where it would have to guess.

pub(crate) mod hit;

use self::hit::{Hit, hit, is_hit, producers_away};
use super::decimal::Milli;
use super::full::{self, Full};
use crate::recording::{ClusterEvent, Recording, Second, Unavailability};
use crate::text;
use stormglass_scenarios::plan::{ClientProfile, Plan, ProducerPlan};

const SECOND_NS: u64 = 1_000_000_000;
/// Shorter gaps need no reason.
const GAP_MIN_NS: u64 = 2 * SECOND_NS;
/// Clients find a new leader within this: metadata refresh, back-off, a connection.
const CLIENT_NS: u64 = 3 * SECOND_NS / 2;
/// Elections at most this far apart belong together.
const BURST_GAP_NS: u64 = 2 * SECOND_NS;

/// A sentence without a full stop; `full` are the volumes that the load has filled.
pub(super) fn reason(plan: &Plan, recording: &Recording, full: &[Full]) -> Option<String> {
    let worst = recording
        .unavailability
        .iter()
        .max_by_key(|gap| (gap.longest_ns, std::cmp::Reverse(&gap.partition)))
        .filter(|gap| gap.longest_ns >= GAP_MIN_NS)?;
    let gap = Gap::of(plan, recording, worst, full)?;
    gap.producers_away()
        .or_else(|| gap.without_quorum())
        .or_else(|| gap.without_leader())
        .or_else(|| gap.below_min_isr())
        .or_else(|| gap.election())
        .or_else(|| gap.timeout())
        .or_else(|| gap.held_up())
}

/// The longest gap with what is known of its partition.
struct Gap<'a> {
    plan: &'a Plan,
    recording: &'a Recording,
    worst: &'a Unavailability,
    end_ns: u64,
    topic: &'a str,
    replicas: &'a [i32],
    /// Who led when it began.
    leader: i32,
    /// What happened to that leader.
    hit: Option<Hit>,
    /// Brokers whose volumes the load has filled before it ended.
    full: Vec<Full>,
}

impl<'a> Gap<'a> {
    fn of(
        plan: &'a Plan,
        recording: &'a Recording,
        worst: &'a Unavailability,
        full: &[Full],
    ) -> Option<Self> {
        let (topic, number) = worst.partition.rsplit_once('-')?;
        let planned = plan.topics.iter().find(|one| one.name == topic)?;
        let replicas = planned.assignment.get(number.parse::<usize>().ok()?)?;
        let leader = leader_before(recording, worst).or_else(|| replicas.first().copied())?;
        let end_ns = worst.from_ns + worst.longest_ns;
        let full: Vec<Full> = full.iter().copied().filter(|one| one.at_ns <= end_ns).collect();
        let filled = || {
            let begun_ns = worst.from_ns.saturating_add(SECOND_NS);
            let mut all = full.iter();
            let own = all.find(|one| one.broker == leader && one.at_ns <= begun_ns)?;
            Some(Hit::full_volume(own.at_ns))
        };
        let hit = hit(plan, leader, worst.from_ns).or_else(filled);
        Some(Self { plan, recording, worst, end_ns, topic, replicas, leader, hit, full })
    }

    /// How many of the gap's seconds are so, if they are most of it.
    fn most(&self, is_so: impl Fn(&Second) -> bool) -> Option<u64> {
        let count = self.recording.seconds.len();
        let index = |ns: u64| usize::try_from(ns / SECOND_NS).unwrap_or(count).min(count);
        let seconds = &self.recording.seconds[index(self.worst.from_ns)..index(self.end_ns)];
        let found = seconds.iter().filter(|second| is_so(second)).count() as u64;
        (found >= 2 && found * 2 * SECOND_NS >= self.worst.longest_ns).then_some(found)
    }

    /// Nothing came from the producers.
    fn producers_away(&self) -> Option<String> {
        let from_ns = self.worst.from_ns;
        let (what, ends_ns) = producers_away(self.plan, self.topic, self.leader, from_ns)?;
        let away_ns = ends_ns.min(self.end_ns).saturating_sub(from_ns);
        (away_ns * 2 >= self.worst.longest_ns)
            .then(|| format!("its producers {what} for {} of it", spoken(away_ns)))
    }

    /// No controller, and so no election.
    fn without_quorum(&self) -> Option<String> {
        let seconds = &self.recording.seconds;
        // A real cluster does not tell who is active.
        if seconds.iter().all(|second| second.controller.is_none()) {
            return None;
        }
        let count = self.most(|second| second.controller.is_none())?;
        let from = self.worst.from_ns / SECOND_NS;
        let first =
            seconds.iter().find(|one| u64::from(one.index) >= from && one.controller.is_none())?;
        let now_ns = u64::from(first.index) * SECOND_NS;
        let controllers = &self.plan.cluster.controllers;
        let away = controllers.iter().filter(|one| is_hit(self.plan, one.id, now_ns)).count();
        let why = if away * 2 >= controllers.len() && away > 0 {
            format!(
                "{away} of {} controllers were down or cut off, and without a quorum",
                controllers.len()
            )
        } else {
            "without one".to_owned()
        };
        Some(format!(
            "no controller was active for {count} s of it: {why} no partition gets another leader"
        ))
    }

    /// Nobody may lead the partition, though its old leader is known to be gone.
    fn without_leader(&self) -> Option<String> {
        let fenced_ns = self.fenced().map_or(self.worst.from_ns, |event| event.at_ns);
        let count = self.most(|second| {
            second.offline_partitions > 0
                && u64::from(second.index) * SECOND_NS >= fenced_ns
                && self.away(second) > 0
        })?;
        let mut full = self.full.clone();
        full.retain(|one| self.replicas.contains(&one.broker));
        let why = match full.len() {
            0 => String::new(),
            1 => format!(", and the volume of {} was full", full::named(&full)),
            _ => format!(", and volumes of {} were full", full::named(&full)),
        };
        Some(format!(
            "for {count} s of it partitions had no leader: no replica in sync with the last one \
             was up{why}"
        ))
    }

    /// The leader refuses `acks=all`.
    fn below_min_isr(&self) -> Option<String> {
        let needed = self.min_isr();
        let waits = self.plan.producers.iter().any(|producer| {
            let acks = producer.config.get("acks").map_or("all", String::as_str);
            producer.topic == self.topic && matches!(acks, "all" | "-1")
        });
        let replicas = self.replicas.len();
        let count = self.most(|second| {
            waits
                && replicas.saturating_sub(self.away(second)) < needed
                && second.brokers.iter().any(|broker| broker.under_min_isr > 0)
        })?;
        Some(format!(
            "for {count} s of it fewer replicas were up than acks=all needs, \
             min.insync.replicas={needed}"
        ))
    }

    fn min_isr(&self) -> usize {
        const KEY: &str = "min.insync.replicas";
        let topic = self.plan.topics.iter().find(|topic| topic.name == self.topic);
        let own = topic.and_then(|topic| topic.config.get(KEY));
        let text = own.or_else(|| self.plan.cluster.config.get(KEY));
        text.and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// Replicas that are down or out of reach at a second's end.
    fn away(&self, second: &Second) -> usize {
        let end_ns = (u64::from(second.index) + 1) * SECOND_NS;
        let is_away = |replica: &&i32| {
            let at = self.plan.cluster.brokers.iter().position(|one| one.id == **replica);
            let gauges = at.and_then(|at| second.brokers.get(at));
            gauges.is_some_and(|gauges| !gauges.up) || is_hit(self.plan, **replica, end_ns)
        };
        self.replicas.iter().filter(is_away).count()
    }

    /// Since when the leader was in trouble.
    fn since_ns(&self) -> u64 {
        self.hit.as_ref().map_or(self.worst.from_ns, |hit| hit.at_ns)
    }

    /// When the leader was found out.
    fn fenced(&self) -> Option<&'a ClusterEvent> {
        let since_ns = self.since_ns();
        self.recording.events.iter().find(|event| {
            event.kind == "broker-fenced"
                && event.node == Some(self.leader)
                && (since_ns..=self.end_ns).contains(&event.at_ns)
        })
    }

    /// The end of the first burst of elections after that. Where several brokers go at once, those of the
    /// first to be fenced may come just before.
    fn elected_ns(&self) -> Option<u64> {
        let before_ns = self.since_ns().saturating_sub(SECOND_NS);
        let from_ns = self
            .fenced()
            .map_or(before_ns, |event| event.at_ns.saturating_sub(BURST_GAP_NS).max(before_ns));
        let mut last: Option<u64> = None;
        for event in self.recording.events.iter().filter(|event| event.kind == "leader-elected") {
            let too_late = event.at_ns > last.map_or(self.end_ns, |last| last + BURST_GAP_NS);
            if too_late {
                break;
            }
            if event.at_ns >= from_ns {
                last = Some(event.at_ns);
            }
        }
        last
    }

    /// Who led, and what became of it.
    fn who(&self) -> Option<String> {
        let hit = self.hit.as_ref()?;
        Some(format!("its leader, broker {}, {}", self.leader, hit.predicate()))
    }

    fn election(&self) -> Option<String> {
        let (elected_ns, since_ns) = (self.elected_ns()?, self.since_ns());
        if self.end_ns > elected_ns + CLIENT_NS {
            return None;
        }
        let who = self.who().map(|who| who + "; ").unwrap_or_default();
        let leaders = spoken(elected_ns.saturating_sub(since_ns));
        Some(match self.fenced() {
            Some(event) => format!(
                "{who}detection takes most of it: a broker was fenced after {}, its partitions had \
                 new leaders after {leaders}",
                spoken(event.at_ns - since_ns)
            ),
            None if who.is_empty() => {
                format!("its leader moved; the last new leader stood after {leaders}")
            }
            None => format!("{who}the last new leader stood after {leaders}"),
        })
    }

    /// Clients waited for an answer that never came.
    fn timeout(&self) -> Option<String> {
        let (name, timeout_ns) = self.patience()?;
        let waited_ns = self.worst.longest_ns + SECOND_NS;
        if !(timeout_ns..=timeout_ns + 2 * SECOND_NS).contains(&waited_ns) {
            return None;
        }
        let silent = self.hit.as_ref().and_then(Hit::silent);
        let waits = |silent: &str| {
            format!(
                "a request on its way to {silent} is never answered, and its producer waits {name}, \
                 {}, before it sends again",
                spoken(timeout_ns)
            )
        };
        let Some(elected_ns) = self.elected_ns() else {
            // Nobody else came to lead: it was the host alone.
            return silent.map(waits);
        };
        Some(format!(
            "{} outlasted the elections, which were over after {}: {}",
            self.late(elected_ns),
            spoken(elected_ns.saturating_sub(self.since_ns())),
            waits(silent.unwrap_or("a lost leader")),
        ))
    }

    /// How many partitions went on without an acknowledgement after the elections.
    fn late(&self, elected_ns: u64) -> String {
        let all = &self.recording.unavailability;
        let is_late = |gap: &&Unavailability| gap.from_ns + gap.longest_ns > elected_ns + CLIENT_NS;
        let count = all.iter().filter(is_late).count();
        format!("{count} of {}", text::counted(all.len() as u64, "partition"))
    }

    /// Requests at the old leader were answered when its trouble was over.
    fn held_up(&self) -> Option<String> {
        let hit = self.hit.as_ref().filter(|hit| hit.lets_go())?;
        let (who, lasts_ns) = (self.who()?, hit.ends_ns.saturating_sub(hit.at_ns));
        let soon_ns = hit.ends_ns.saturating_add(2 * CLIENT_NS);
        if (hit.ends_ns.saturating_sub(SECOND_NS)..=soon_ns).contains(&self.end_ns) {
            return Some(format!(
                "{who}, and requests on their way there were answered when that was over, after {}",
                spoken(lasts_ns)
            ));
        }
        let again = (soon_ns..=soon_ns.saturating_add(lasts_ns)).contains(&self.end_ns);
        (again && hit.loses_packets()).then(|| {
            format!(
                "{who} for {}, and TCP, whose pauses double, sent what was on its way there again \
                 only {} later",
                spoken(lasts_ns),
                spoken(self.end_ns - hit.ends_ns)
            )
        })
    }

    /// How long the most patient producer of the partition's topic waits for an answer, and the config
    /// that says so.
    fn patience(&self) -> Option<(&'static str, u64)> {
        let own = |producer: &ProducerPlan| {
            let name = match producer.profile {
                ClientProfile::Java => "request.timeout.ms",
                // Its own request.timeout.ms is for the broker.
                ClientProfile::Librdkafka => "socket.timeout.ms",
            };
            let ms = producer.config.get(name)?.parse::<u64>().ok()?;
            Some((name, ms.saturating_mul(1_000_000)))
        };
        let producers = self.plan.producers.iter().filter(|producer| producer.topic == self.topic);
        producers.filter_map(own).max_by_key(|(_, ns)| *ns)
    }
}

/// Who led the partition when the gap began, where the recording tells.
fn leader_before(recording: &Recording, gap: &Unavailability) -> Option<i32> {
    let second = (gap.from_ns / SECOND_NS).checked_sub(1)?;
    let seen = recording.replicas.iter().rev().find(|row| {
        row.leads && *row.partition == *gap.partition && u64::from(row.second) <= second
    });
    let elected = || {
        recording.events.iter().rev().find(|event| {
            event.kind == "leader-elected"
                && event.at_ns <= gap.from_ns
                && event.partition.as_deref() == Some(&*gap.partition)
        })
    };
    seen.map(|row| row.node).or_else(|| elected()?.node)
}

fn spoken(ns: u64) -> String {
    text::duration(Milli::ms_from_ns(ns))
}

#[cfg(test)]
mod tests;
