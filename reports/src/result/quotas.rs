//! What quotas of a service did to the run, a sentence for all brokers that suffer alike.

use super::decimal::Milli;
use super::phase::Scope;
use crate::recording::{BrokerSecond, Recording, Second};
use crate::text;
use stormglass_scenarios::plan::Plan;

/// How a note on a broker's quotas begins, before its id.
const OF_BROKER: &str = "quotas: broker ";

/// Seconds in which brokers took or sent more than their service promises, a note for each broker.
pub(super) fn beyond_sustained(plan: &Plan, recording: &Recording) -> Vec<String> {
    let Some(limits) = &plan.cluster.limits else { return Vec::new() };
    let mut notes = Vec::new();
    for (at, node) in plan.cluster.brokers.iter().enumerate() {
        let over = |bound: Option<u64>, bytes: fn(&BrokerSecond) -> u64| {
            let bound = bound?;
            let broker = |second: &Second| second.brokers.get(at).map_or(0, bytes);
            let seconds = Scope::Measured.seconds(recording);
            let count = seconds.filter(|second| broker(second) > bound).count();
            (count > 0).then_some((bound, count))
        };
        let flows = [
            ("took", over(limits.in_sustained_bytes_per_sec, |broker| broker.bytes_in)),
            ("sent", over(limits.out_sustained_bytes_per_sec, |broker| broker.bytes_out)),
        ];
        for (what, (bound, count)) in flows.iter().filter_map(|(what, over)| Some((what, (*over)?)))
        {
            notes.push(format!(
                "{OF_BROKER}{} {what} more than the sustained {} MB/s in {count} s of the measured \
                 time: AWS promises no undegraded performance there, and how much worse it gets is \
                 not simulated",
                node.id,
                text::short(Milli::mb_from_bytes(bound)),
            ));
        }
    }
    notes
}

/// Notes that say the same of several brokers become one, where the first of them stood: figures that
/// differ become a range.
pub(super) fn joined(notes: Vec<String>) -> Vec<String> {
    let mut all: Vec<Alike> = Vec::new();
    for note in notes {
        let one = Alike::of(note);
        match all.iter_mut().find(|known| known.says_the_same(&one)) {
            Some(known) => known.join(one),
            None => all.push(one),
        }
    }
    all.into_iter().map(Alike::into_note).collect()
}

/// Notes that differ in brokers and figures alone.
struct Alike {
    /// Ids of the brokers; none where it is no such note.
    brokers: Vec<i32>,
    /// What is said, word by word, once for each.
    words: Vec<Vec<String>>,
}

impl Alike {
    fn of(note: String) -> Self {
        let parts = note.strip_prefix(OF_BROKER).and_then(|rest| rest.split_once(' '));
        let of_broker = parts.and_then(|(id, said)| Some((id.parse::<i32>().ok()?, said)));
        match of_broker {
            Some((id, said)) => {
                let said = said.split(' ').map(str::to_owned).collect();
                Self { brokers: vec![id], words: vec![said] }
            }
            None => Self { brokers: Vec::new(), words: vec![vec![note]] },
        }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let (own, others) = (&self.words[0], &other.words[0]);
        let alike =
            |(a, b): (&String, &String)| a == b || (figure(a).is_some() && figure(b).is_some());
        let is_of_brokers = !self.brokers.is_empty() && !other.brokers.is_empty();
        is_of_brokers && own.len() == others.len() && own.iter().zip(others).all(alike)
    }

    fn join(&mut self, other: Self) {
        self.brokers.extend(other.brokers);
        self.words.extend(other.words);
    }

    fn into_note(mut self) -> String {
        let said: Vec<String> = (0..self.words[0].len()).map(|at| self.word(at)).collect();
        let said = said.join(" ");
        if self.brokers.is_empty() {
            return said;
        }
        self.brokers.sort_unstable();
        self.brokers.dedup();
        format!("quotas: {} {said}", text::brokers(&self.brokers))
    }

    /// A word, or from which figure to which the brokers differ.
    fn word(&self, at: usize) -> String {
        let mut all: Vec<&String> = self.words.iter().map(|words| &words[at]).collect();
        all.sort_by(|a, b| {
            let value = |word: &str| figure(word).unwrap_or(0.0);
            value(a).total_cmp(&value(b))
        });
        match (all.first(), all.last()) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (least, _) => least.map_or(String::new(), |word| (*word).clone()),
        }
    }
}

/// A word that is a figure.
fn figure(word: &str) -> Option<f64> {
    word.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    fn joined(notes: &[&str]) -> Vec<String> {
        super::joined(notes.iter().map(|note| (*note).to_owned()).collect())
    }

    #[test]
    fn brokers_that_suffer_alike_share_a_sentence() {
        let waits = |broker, answers, ms| {
            format!(
                "quotas: broker {broker} made producers wait after {answers} answers, {ms} ms each"
            )
        };
        let notes: Vec<String> = [(1, 3_407, 104), (2, 3_569, 101), (3, 999, 104), (4, 3_451, 103)]
            .map(|(broker, answers, ms)| waits(broker, answers, ms))
            .to_vec();
        let notes: Vec<&str> = notes.iter().map(String::as_str).collect();
        let expected = "quotas: brokers 1 to 4 made producers wait after 999 to 3569 answers, 101 to \
                        104 ms each";
        assert_eq!(joined(&notes), [expected]);
    }

    #[test]
    fn what_is_said_of_others_or_of_something_else_stays_apart() {
        let notes = [
            "quotas: broker 1 took more",
            "2 latencies are counted as one hour",
            "quotas: broker 1 sent more",
            "3 latencies are counted as one hour",
            "quotas: broker 3 took more",
        ];
        let expected = [
            "quotas: brokers 1, 3 took more",
            "2 latencies are counted as one hour",
            "quotas: broker 1 sent more",
            "3 latencies are counted as one hour",
        ];
        assert_eq!(joined(&notes), expected);
    }
}
