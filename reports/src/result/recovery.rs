//! How the cluster came back from each fault: when it was detected, when leaders, producers,
//! replicas, latency and consumers were themselves again.
//!
//! Everything is read from the recording. Events are exact; gauges are per second, so what comes
//! from them is rounded up to the end of a second. A fault is followed until the next one begins,
//! or to the end of the run; only the fencing of a node that it hit may come later, while it lasts.
//! "Normal" is what the ten seconds before the fault showed, or before the first of several that
//! came before all was well again.

use super::decimal::Milli;
use super::types::{Recovery, Return};
use crate::recording::{ClusterEvent, Recording, Second};
use std::collections::BTreeSet;

const FAULTS_MAX: usize = 50;
const SECOND_NS: u64 = 1_000_000_000;
/// Elections at most this far apart belong together.
const BURST_GAP_NS: u64 = 2 * SECOND_NS;
/// A process that comes back has registered within this.
const RETURN_NS: u64 = 10 * SECOND_NS;
/// Seconds before a fault that say what is normal.
const NORMAL_SECONDS: usize = 10;
/// Below this many records a second's share of acknowledged ones says nothing.
const RECORDS_MIN: u64 = 20;
/// Latency that nobody calls a disturbance, whatever it was before.
const LATENCY_FLOOR_NS: u64 = 10_000_000;

/// A row per fault or change of load, in order of time. Those of one moment share a row: what
/// follows cannot be told apart.
pub(crate) fn rows(recording: &Recording) -> Vec<Recovery> {
    let mut moments: Vec<Vec<&ClusterEvent>> = Vec::new();
    for fault in recording.events.iter().filter(|event| event.kind == "fault-begin") {
        match moments.last_mut() {
            Some(moment) if moment[0].at_ns == fault.at_ns => moment.push(fault),
            _ => moments.push(vec![fault]),
        }
    }
    let waiting = waiting(&recording.seconds);
    let (mut told, mut rows, mut calm_ns) = (BTreeSet::new(), Vec::<Recovery>::new(), 0);
    for (index, faults) in moments.iter().enumerate().take(FAULTS_MAX) {
        let until_ns = moments.get(index + 1).map_or(u64::MAX, |next| next[0].at_ns);
        let at_ns = faults[0].at_ns;
        if !rows.last().is_some_and(is_troubled) {
            calm_ns = at_ns;
        }
        let waiting = &waiting;
        let aftermath = Aftermath { faults, at_ns, until_ns, calm_ns, recording, waiting };
        rows.push(aftermath.row(&mut told));
    }
    rows
}

impl Recovery {
    /// Whether all was well again and the fault over when the next one, `next`, began.
    #[must_use]
    pub fn was_over_at(&self, next: &Self) -> bool {
        let states = [self.produce, self.backlog, self.latency, self.replicas, self.consumers];
        self.until_s.is_none_or(|until| until <= next.at_s) && !states.contains(&Return::NotBack)
    }
}

/// Whether a fault is still felt when the next one begins. Latency and lag do not count: a load that
/// stays higher is the new normal.
fn is_troubled(row: &Recovery) -> bool {
    [row.produce, row.backlog, row.replicas].contains(&Return::NotBack)
}

/// Records that wait for their acknowledgement at each second's end.
fn waiting(seconds: &[Second]) -> Vec<u64> {
    let mut sum = 0_u64;
    let after = |second: &Second| {
        sum = (sum + second.offered_records)
            .saturating_sub(second.acked_records + second.failed_records);
        sum
    };
    seconds.iter().map(after).collect()
}

/// The faults of a moment and the time that is put down to them.
struct Aftermath<'a> {
    faults: &'a [&'a ClusterEvent],
    at_ns: u64,
    until_ns: u64,
    /// When all was well the last time.
    calm_ns: u64,
    recording: &'a Recording,
    waiting: &'a [u64],
}

impl Aftermath<'_> {
    /// `told` are the events, by index, that earlier faults account for.
    fn row(&self, told: &mut BTreeSet<usize>) -> Recovery {
        let fenced = self.fenced(told);
        let (leaders_after_s, leaders_moved) = self.leaders(fenced, told);
        Recovery {
            fault: self.name(),
            at_s: Milli::seconds_from_ns(self.at_ns),
            until_s: self
                .faults
                .iter()
                .filter_map(|fault| fault.until_ns)
                .max()
                .map(Milli::seconds_from_ns),
            detected_after_s: fenced.map(|event| self.after(event)),
            leaders_after_s,
            leaders_moved,
            produce: self.produce(),
            backlog: self.backlog(),
            latency: self.latency(),
            replicas: self.replicas(),
            consumers: self.consumers(),
        }
    }

    fn name(&self) -> String {
        let first = &self.faults[0].detail;
        match self.faults.len() - 1 {
            0 => first.clone(),
            more => format!("{first}, and {more} more at once"),
        }
    }

    /// Events of a kind between two times that no earlier fault accounts for.
    fn events(
        &self,
        kind: &'static str,
        (from_ns, until_ns): (u64, u64),
        told: &BTreeSet<usize>,
    ) -> impl Iterator<Item = (usize, &ClusterEvent)> {
        self.recording.events.iter().enumerate().filter(move |(index, event)| {
            event.kind == kind
                && (from_ns..until_ns).contains(&event.at_ns)
                && !told.contains(index)
        })
    }

    /// The first broker that was fenced. A fault of certain nodes accounts for those alone, and as
    /// long as it lasts, whatever else begins meanwhile.
    fn fenced(&self, told: &mut BTreeSet<usize>) -> Option<&ClusterEvent> {
        let nodes = self.nodes();
        let until_ns = match &nodes {
            Some(_) => self.until_ns.max(self.lasts_ns()),
            None => self.until_ns,
        };
        let is_hit = |event: &ClusterEvent| match (&nodes, event.node) {
            (Some(nodes), Some(node)) => nodes.contains(&node),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let found = self
            .events("broker-fenced", (self.at_ns, until_ns), told)
            .find(|(_, event)| is_hit(event));
        let (index, event) = found?;
        told.insert(index);
        Some(event)
    }

    /// The nodes that were hit, if it was certain ones.
    fn nodes(&self) -> Option<Vec<i32>> {
        self.faults.iter().map(|fault| fault.node).collect()
    }

    /// When the last of the faults ends.
    fn lasts_ns(&self) -> u64 {
        self.faults.iter().filter_map(|fault| fault.until_ns).max().unwrap_or(self.at_ns)
    }

    fn after(&self, event: &ClusterEvent) -> Milli {
        Milli::seconds_from_ns(event.at_ns - self.at_ns)
    }

    /// The end of the first burst of elections, and how many partitions moved in it. Later ones
    /// bring leaders back to where they are preferred.
    fn leaders(
        &self,
        fenced: Option<&ClusterEvent>,
        told: &mut BTreeSet<usize>,
    ) -> (Option<Milli>, u64) {
        let window = match fenced {
            Some(event) => (event.at_ns, self.until_ns.max(event.at_ns + BURST_GAP_NS)),
            // A process that is back before it is missed registers anew, which moves its leaders.
            None if self.nodes().is_some() => {
                (self.at_ns, self.until_ns.min(self.lasts_ns().saturating_add(RETURN_NS)))
            }
            None => (self.at_ns, self.until_ns),
        };
        let (mut last, mut moved): (Option<&ClusterEvent>, u64) = (None, 0);
        let mut burst = Vec::new();
        for (index, event) in self.events("leader-elected", window, told) {
            if last.is_some_and(|last| event.at_ns - last.at_ns > BURST_GAP_NS) {
                break;
            }
            moved += event.partitions;
            last = Some(event);
            burst.push(index);
        }
        told.extend(burst);
        (last.map(|event| self.after(event)), moved)
    }

    /// Indices of the seconds that belong to the fault.
    fn range(&self) -> std::ops::Range<usize> {
        let count = self.recording.seconds.len();
        let index = |ns: u64| usize::try_from(ns / SECOND_NS).unwrap_or(count).min(count);
        index(self.at_ns)..index(self.until_ns)
    }

    /// The seconds that say what is normal.
    fn before(&self) -> &[Second] {
        let end = self.calm();
        &self.recording.seconds[end.saturating_sub(NORMAL_SECONDS)..end]
    }

    /// Index of the second up to which all was well.
    fn calm(&self) -> usize {
        let count = self.recording.seconds.len();
        usize::try_from(self.calm_ns / SECOND_NS).unwrap_or(count).min(count)
    }

    /// Back by the end of second `index`.
    fn back_in(&self, index: usize) -> Return {
        let end_ns = (index as u64 + 1) * SECOND_NS;
        Return::Back { after_s: Milli::seconds_from_ns(end_ns.saturating_sub(self.at_ns)) }
    }

    /// From the first second that is off until the first that is normal again.
    fn first_return(
        &self,
        is_off: impl Fn(usize) -> bool,
        is_normal: impl Fn(usize) -> bool,
    ) -> Return {
        let Some(off) = self.range().find(|index| is_off(*index)) else {
            return Return::Undisturbed;
        };
        (off..self.range().end)
            .find(|index| is_normal(*index))
            .map_or(Return::NotBack, |index| self.back_in(index))
    }

    /// Until the second after the last one that is off.
    fn last_return(&self, is_off: impl Fn(usize) -> bool) -> Return {
        let range = self.range();
        match range.clone().rev().find(|index| is_off(*index)) {
            None => Return::Undisturbed,
            Some(off) if off + 1 >= range.end => Return::NotBack,
            Some(off) => self.back_in(off + 1),
        }
    }

    /// Stalled when less than half of what is offered is acknowledged, back from nine tenths on.
    fn produce(&self) -> Return {
        let second = |index: usize| &self.recording.seconds[index];
        self.first_return(
            |index| {
                let Second { offered_records, acked_records, .. } = *second(index);
                offered_records >= RECORDS_MIN && acked_records * 2 < offered_records
            },
            |index| {
                let Second { offered_records, acked_records, .. } = *second(index);
                offered_records >= RECORDS_MIN && acked_records * 10 >= offered_records * 9
            },
        )
    }

    /// Nothing waits that would not wait on any day.
    fn backlog(&self) -> Return {
        let calm = self.calm();
        let before = &self.waiting[calm.saturating_sub(NORMAL_SECONDS)..calm];
        let normal = before.iter().copied().max().unwrap_or(0);
        let limit = 2 * normal + self.tenth_of_a_second();
        self.first_return(|index| self.waiting[index] > limit, |index| self.waiting[index] <= limit)
    }

    /// Records offered in a tenth of a second before the fault.
    fn tenth_of_a_second(&self) -> u64 {
        let before = self.before();
        let offered: u64 = before.iter().map(|second| second.offered_records).sum();
        offered / (10 * before.len().max(1) as u64)
    }

    /// The p99 of every second stays within three times the median one before.
    fn latency(&self) -> Return {
        let mut before: Vec<u64> = self
            .before()
            .iter()
            .filter(|second| second.response.count > 0)
            .map(|second| second.response.p99_ns)
            .collect();
        before.sort_unstable();
        let Some(normal) = before.get(before.len() / 2) else { return Return::Undisturbed };
        let limit = (3 * normal).max(LATENCY_FLOOR_NS);
        self.last_return(|index| {
            let second = &self.recording.seconds[index];
            match second.response.count {
                0 => second.offered_records >= RECORDS_MIN,
                _ => second.response.p99_ns > limit,
            }
        })
    }

    /// Every partition has all of its replicas in sync.
    fn replicas(&self) -> Return {
        self.last_return(|index| {
            self.recording.seconds[index].brokers.iter().any(|broker| broker.under_replicated > 0)
        })
    }

    /// All groups together are no further behind than before.
    fn consumers(&self) -> Return {
        let lag = |second: &Second| second.groups.iter().map(|group| group.sum_lag).sum::<u64>();
        let normal = self.before().iter().map(lag).max().unwrap_or(0);
        let limit = 2 * normal + self.tenth_of_a_second();
        self.last_return(|index| lag(&self.recording.seconds[index]) > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn seconds(of: Return) -> Option<String> {
        match of {
            Return::Back { after_s } => Some(after_s.to_string()),
            Return::Undisturbed | Return::NotBack => None,
        }
    }

    #[test]
    fn the_outage_is_told_step_by_step() {
        let rows = rows(&testing::az_outage());
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(
            (row.fault.as_str(), row.at_s.to_string().as_str()),
            ("AZ a lost power", "60.000")
        );
        assert_eq!(row.detected_after_s.unwrap().to_string(), "9.120");
        let leaders = row.leaders_after_s.unwrap();
        assert!(leaders > row.detected_after_s.unwrap() && leaders.units() < 10_000, "{leaders}");
        assert_eq!(row.leaders_moved, 20, "the way back to preferred leaders does not count");
        assert_eq!(row.produce, Return::Undisturbed, "two thirds of the load went on");
        assert!(seconds(row.backlog).is_some());
        assert_eq!(seconds(row.replicas).unwrap(), "82.000");
    }

    #[test]
    fn a_stall_ends_with_the_first_second_that_flows_and_not_before() {
        let mut recording = testing::az_outage();
        for second in &mut recording.seconds[60..75] {
            second.acked_records = 0;
        }
        let row = &rows(&recording)[0];
        assert_eq!(seconds(row.produce).unwrap(), "16.000");
        for second in &mut recording.seconds[75..] {
            second.acked_records = 0;
        }
        assert_eq!(rows(&recording)[0].produce, Return::NotBack);
    }

    #[test]
    fn the_next_fault_ends_the_story_of_the_one_before() {
        let mut recording = testing::az_outage();
        let mut again = recording.events[0].clone();
        again.at_ns = 100 * SECOND_NS;
        recording.events.push(again);
        let rows = rows(&recording);
        assert_eq!((rows[0].replicas, rows.len()), (Return::NotBack, 2));
        assert_eq!(seconds(rows[1].replicas).unwrap(), "42.000");
        assert_eq!(rows[1].detected_after_s, None);
    }

    /// Node 1 at second 60, node 2 at second 65, before anything of the first has come back.
    fn overlapping() -> Recording {
        let mut recording = testing::az_outage();
        let first = &mut recording.events[0];
        (first.node, first.detail) = (Some(1), "node 1 is gone".to_owned());
        let second = ClusterEvent {
            at_ns: 65 * SECOND_NS,
            node: Some(2),
            detail: "node 2 is gone".to_owned(),
            ..recording.events[0].clone()
        };
        let at = recording.events.iter().position(|event| event.at_ns > second.at_ns).unwrap();
        recording.events.insert(at, second);
        recording
    }

    #[test]
    fn a_fenced_node_belongs_to_the_fault_that_hit_it() {
        let rows = rows(&overlapping());
        assert_eq!(rows[0].detected_after_s.unwrap().to_string(), "9.120");
        assert_eq!((rows[0].leaders_moved, rows[1].leaders_moved), (20, 0));
        assert_eq!((rows[1].detected_after_s, rows[1].leaders_after_s), (None, None));
    }

    #[test]
    fn normal_is_what_was_before_the_first_of_overlapping_faults() {
        let both = rows(&overlapping());
        assert_eq!(both[0].backlog, Return::NotBack);
        let alone = &rows(&testing::az_outage())[0];
        let ends = |row: &Recovery| match row.backlog {
            Return::Back { after_s } => Some(row.at_s.units() + after_s.units()),
            Return::Undisturbed | Return::NotBack => None,
        };
        assert_eq!(ends(&both[1]), ends(alone));
        assert!(ends(alone).is_some());
    }

    #[test]
    fn faults_of_one_moment_share_a_row() {
        let mut recording = testing::az_outage();
        let twin = recording.events[0].clone();
        recording.events.insert(1, twin);
        let rows = rows(&recording);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].fault, "AZ a lost power, and 1 more at once");
    }

    #[test]
    fn no_fault_no_row() {
        assert!(rows(&testing::empty_recording()).is_empty());
    }
}
