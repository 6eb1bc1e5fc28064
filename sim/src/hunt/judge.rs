//! What a run of a hunt is worth: sound, excused, or a failure with a signature by which it is
//! recognised again.

use crate::runtime::{Finished, SimError};
use stormglass_reports::recording::Violation;

/// The checker of what groups receive.
const CONSUMED: &str = "everything-consumed";
/// Longest signature, characters.
const SIGNATURE_MAX: usize = 110;

/// A broken promise of a seed: its first that no fault excuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The same for failures of one kind: checker, and what was seen without its numbers.
    pub signature: String,
    /// Checker that fired; `panic` when an assertion failed, `application-panic` when one of an
    /// application under test did, `endless` when the run did not end.
    pub checker: String,
    /// When, ns since the run began.
    pub at_ns: u64,
    /// What was promised and seen, and the history that led there.
    pub account: String,
}

/// What a run is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// No promise was broken.
    Sound,
    /// Only promises that Kafka itself does not keep under these faults were broken.
    Excused,
    /// A promise was broken.
    Failed(Failure),
    /// The plan cannot be run, or this build cannot.
    Refused(String),
}

/// Judges a run.
#[must_use]
pub fn judge(outcome: &Result<Finished, SimError>) -> Judgement {
    let finished = match outcome {
        Ok(finished) => finished,
        Err(SimError::Panicked(message)) => return Judgement::Failed(crash("panic", message)),
        Err(SimError::ApplicationPanicked(message)) => {
            return Judgement::Failed(crash("application-panic", message));
        }
        Err(SimError::Endless(events)) => {
            let message = format!("the run did not end within {events} events");
            return Judgement::Failed(crash("endless", &message));
        }
        Err(error) => return Judgement::Refused(error.to_string()),
    };
    verdict(&finished.recording.violations)
}

fn verdict(violations: &[Violation]) -> Judgement {
    let excused = violations.iter().filter(|violation| !violation.excused_by.is_empty());
    let lossy: Vec<&Option<String>> = excused.map(|violation| &violation.partition).collect();
    // a reader may miss something where records were lost under its position
    let follows = |violation: &Violation| {
        violation.checker == CONSUMED && lossy.contains(&&violation.partition)
    };
    let real = violations.iter().filter(|violation| violation.excused_by.is_empty());
    let real = real.filter(|violation| !follows(violation));
    match real.min_by_key(|violation| violation.at_ns) {
        Some(violation) => Judgement::Failed(failure(violation)),
        None if violations.is_empty() => Judgement::Sound,
        None => Judgement::Excused,
    }
}

fn failure(violation: &Violation) -> Failure {
    let seen = violation.account.lines().find_map(|line| line.strip_prefix("seen: "));
    let mut seen = seen.unwrap_or_default().to_owned();
    if let Some(partition) = &violation.partition {
        seen = seen.replace(partition, "P");
    }
    Failure {
        signature: signature(&violation.checker, &seen),
        checker: violation.checker.clone(),
        at_ns: violation.at_ns,
        account: violation.account.clone(),
    }
}

fn crash(kind: &str, message: &str) -> Failure {
    Failure {
        signature: signature(kind, message.lines().next().unwrap_or_default()),
        checker: kind.to_owned(),
        at_ns: 0,
        account: format!("{kind}: {message}\n"),
    }
}

/// Checker and text, each run of digits and each list of them as one `#`.
fn signature(checker: &str, text: &str) -> String {
    let mut short = String::new();
    let mut in_hex = false;
    for c in text.chars() {
        in_hex = c == 'x' && short.ends_with('#') || in_hex && c.is_ascii_hexdigit();
        match c {
            _ if in_hex => {}
            '0'..='9' if short.ends_with('#') => {}
            '0'..='9' => short.push('#'),
            _ => short.push(c),
        }
    }
    for list in ["#, #", "# and #", "#.#", "#..#"] {
        while short.contains(list) {
            short = short.replace(list, "#");
        }
    }
    let short: String = short.chars().take(SIGNATURE_MAX).collect();
    format!("{checker}: {short}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_reports::recording::Excuse;

    #[test]
    fn numbers_and_lists_of_them_do_not_matter() {
        let a = signature("isr-rules", "leader 1 has ISR 1, 2 and 13 at 20..31");
        let b = signature("isr-rules", "leader 22 has ISR 3 at 7..8");
        assert_eq!(a, "isr-rules: leader # has ISR # at #");
        assert_eq!(a, b);
        assert_eq!(signature("a", "tag 0x2f is at 0x1"), "a: tag # is at #");
    }

    fn violation(checker: &str, partition: &str, is_excused: bool) -> Violation {
        let excuse = Excuse { at_ns: 1, node: 1, event: Some(0), detail: "power".to_owned() };
        Violation {
            checker: checker.to_owned(),
            at_ns: 5,
            partition: Some(partition.to_owned()),
            account: "seen: x\n".to_owned(),
            excused_by: if is_excused { vec![excuse] } else { Vec::new() },
        }
    }

    #[test]
    fn what_follows_from_an_excused_loss_is_excused_too() {
        let loss = || violation("no-acked-loss", "t-0", true);
        assert_eq!(verdict(&[]), Judgement::Sound);
        assert_eq!(verdict(&[loss()]), Judgement::Excused);
        assert_eq!(verdict(&[loss(), violation(CONSUMED, "t-0", false)]), Judgement::Excused);
        for real in [violation(CONSUMED, "t-1", false), violation("isr-rules", "t-0", false)] {
            assert!(matches!(verdict(&[loss(), real]), Judgement::Failed(_)));
        }
    }

    #[test]
    fn a_panic_is_a_failure_and_a_refused_plan_is_none() {
        let panicked = judge(&Err(SimError::Panicked("offset 12 is gone".to_owned())));
        let Judgement::Failed(failure) = panicked else { panic!("{panicked:?}") };
        assert_eq!(failure.signature, "panic: offset # is gone");
        assert!(matches!(judge(&Err(SimError::NoPlants)), Judgement::Refused(_)));
    }
}
