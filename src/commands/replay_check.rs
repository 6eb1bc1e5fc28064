//! `stormglass replay --check`: is it the same run every time?
//!
//! Runs the plan twice, each on a fresh thread, and compares the hash checkpoints over all events
//! and the bytes of result.json; also with the result.json beside the plan, if this version wrote
//! it. Leaves out the verdict on the cluster: a run that breaks a promise, and does so every time,
//! passes.

use crate::args::Replay;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress;
use crate::simulation::{Job, Outcome, total_ns};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use stormglass_reports::recording::Recording;
use stormglass_reports::result::RunResult;

/// What the audit found, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Audit {
    identical: bool,
    exit_code: u8,
    events: u64,
    event_hash: String,
    checkpoints: usize,
    recorded: Recorded,
    differences: Vec<Difference>,
}

/// How the result beside the plan compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Recorded {
    /// There is none that this version can be compared with.
    NotComparable,
    /// The same bytes.
    Identical,
    /// Other bytes.
    Differs,
}

/// Something that was not the same.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    /// `second run` or `recorded result`.
    against: &'static str,
    /// Where and how, for people.
    detail: String,
}

/// Runs twice and compares.
pub(super) fn check(
    args: &Replay,
    job: &Job,
    dir_of_plan: &Path,
    output: Output,
) -> Result<Exit, Failure> {
    let label = format!("audit of {} seed {}", job.plan.scenario, job.plan.seed);
    let total_ns = total_ns(&job.plan).saturating_mul(2);
    let (one, two) = progress::watch(output, &label, total_ns, |board| {
        thread::scope(|scope| {
            let first = scope.spawn(|| job.clone().simulate(board.meter()));
            let second = job.clone().simulate(board.meter());
            let first = first.join().unwrap_or_else(|_| Err(Failure::internal("a run panicked")));
            Ok::<_, Failure>((first?, second?))
        })
    })?;
    if let Some(out) = &args.out {
        one.write(out)?;
    }
    if job.interrupt.load(Ordering::Relaxed) {
        let message = "interrupted before both runs ended: nothing was compared";
        return Err(Failure::new(Exit::Interrupted, message));
    }
    let audit = Audit::new(&one, &two, dir_of_plan);
    show(&audit, &job.command, output)?;
    Ok(if audit.identical { Exit::Ok } else { Exit::ReplayDiffers })
}

impl Audit {
    fn new(one: &Outcome, two: &Outcome, dir_of_plan: &Path) -> Self {
        let mut differences = Vec::new();
        let against = "second run";
        if let Some(detail) =
            first_event_difference(&Trail::of(&one.recording), &Trail::of(&two.recording))
        {
            differences.push(Difference { against, detail });
        }
        let (text, other) = (one.result.to_json(), two.result.to_json());
        if let Some(detail) = first_line_difference(&text, &other) {
            differences.push(Difference { against, detail });
        }
        let recorded = match recorded_text(dir_of_plan, &one.result) {
            None => Recorded::NotComparable,
            Some(recorded) => match first_line_difference(&text, &recorded) {
                None => Recorded::Identical,
                Some(detail) => {
                    differences.push(Difference { against: "recorded result", detail });
                    Recorded::Differs
                }
            },
        };
        let identical = differences.is_empty();
        let exit = if identical { Exit::Ok } else { Exit::ReplayDiffers };
        Self {
            identical,
            exit_code: exit.code(),
            events: one.recording.events_processed,
            event_hash: one.recording.event_hash.clone(),
            checkpoints: one.recording.checkpoints.len(),
            recorded,
            differences,
        }
    }

    fn text(&self, command: &str) -> String {
        let Self { events, event_hash, checkpoints, .. } = self;
        if !self.identical {
            let lines = self
                .differences
                .iter()
                .map(|difference| format!("  {}: {}\n", difference.against, difference.detail));
            return format!("DIFFERS\n{}\n{command}\n", lines.collect::<String>());
        }
        let recorded = match self.recorded {
            Recorded::Identical => ", and so is the recorded result.json",
            Recorded::NotComparable | Recorded::Differs => "",
        };
        format!(
            "identical: two runs of {events} events, hash {event_hash}, {checkpoints} checkpoints\n\
             result.json has the same bytes{recorded}\n"
        )
    }
}

fn show(audit: &Audit, command: &str, output: Output) -> Result<(), Failure> {
    if output.is_json() { output.json(audit) } else { output.text(&audit.text(command)) }
}

/// The result beside the plan, if it is a whole run of this plan by this version.
fn recorded_text(dir: &Path, result: &RunResult) -> Option<String> {
    let text = fs::read_to_string(dir.join("result.json")).ok()?;
    let recorded: RunResult = serde_json::from_str(&text).ok()?;
    let comparable = recorded.version == result.version
        && recorded.plan_digest == result.plan_digest
        && !recorded.is_interrupted();
    comparable.then_some(text)
}

/// The hashes that a run leaves behind.
#[derive(Debug, Clone)]
struct Trail<'a> {
    /// Events so far and the hash over them.
    checkpoints: &'a [(u64, u64)],
    events: u64,
    hash: &'a str,
}

impl<'a> Trail<'a> {
    fn of(recording: &'a Recording) -> Self {
        Self {
            checkpoints: &recording.checkpoints,
            events: recording.events_processed,
            hash: &recording.event_hash,
        }
    }
}

/// The events between the last equal checkpoint and the first that differs.
fn first_event_difference(one: &Trail<'_>, two: &Trail<'_>) -> Option<String> {
    let mut equal = 0;
    for (a, b) in one.checkpoints.iter().zip(two.checkpoints) {
        if a != b {
            return Some(format!(
                "the first different event lies in events {} to {} (hash {:016x}, then {:016x})",
                equal + 1,
                a.0.max(b.0),
                a.1,
                b.1
            ));
        }
        equal = a.0;
    }
    let same_end = one.events == two.events && one.hash == two.hash;
    (!same_end).then(|| {
        format!(
            "the first different event lies after event {equal} ({} events with hash {}, then {} \
             with {})",
            one.events, one.hash, two.events, two.hash
        )
    })
}

fn first_line_difference(one: &str, two: &str) -> Option<String> {
    if one == two {
        return None;
    }
    let (mut left, mut right) = (one.lines(), two.lines());
    for number in 1_u32.. {
        let (a, b) = (left.next(), right.next());
        if a != b || (a.is_none() && b.is_none()) {
            let shown = |line: Option<&str>| {
                line.map_or("its end".to_owned(), |text| format!("`{}`", text.trim()))
            };
            return Some(format!("result.json line {number}: {}, then {}", shown(a), shown(b)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail<'a>(checkpoints: &'a [(u64, u64)], events: u64, hash: &'a str) -> Trail<'a> {
        Trail { checkpoints, events, hash }
    }

    #[test]
    fn the_first_divergent_interval_is_named() {
        let one = trail(&[(100, 1), (200, 2), (300, 3)], 310, "x");
        assert_eq!(first_event_difference(&one, &one), None);
        let two = trail(&[(100, 1), (200, 9), (300, 8)], 310, "y");
        let text = first_event_difference(&one, &two).unwrap();
        assert!(text.contains("events 101 to 200"), "{text}");
    }

    #[test]
    fn a_difference_after_the_last_checkpoint_is_found() {
        let one = trail(&[(100, 1)], 150, "x");
        let two = trail(&[(100, 1)], 150, "y");
        assert!(first_event_difference(&one, &two).unwrap().contains("after event 100"));
        let longer = trail(&[(100, 1), (200, 2)], 250, "x");
        assert!(first_event_difference(&one, &longer).unwrap().contains("after event 100"));
    }

    #[test]
    fn the_first_divergent_line_is_named() {
        assert_eq!(first_line_difference("a\nb\n", "a\nb\n"), None);
        let text = first_line_difference("a\n  b\n", "a\n  c\n").unwrap();
        assert_eq!(text, "result.json line 2: `b`, then `c`");
        assert!(first_line_difference("a\n", "a\nb\n").unwrap().contains("its end, then `b`"));
        assert!(first_line_difference("a", "a\n").is_some());
    }
}
