//! A line on stderr while simulations run: simulated time, speed, events per second.
//!
//! Inside a simulation the clock is the simulated one, so whoever reports progress only adds to
//! counters; an ordinary thread draws. On anything but a terminal there is silence.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use stormglass_sim::Progress;

const REDRAW: Duration = Duration::from_millis(100);
const NS_PER_MS: u64 = 1_000_000;
const TEMPLATE: &str = "{prefix} {bar:32} {percent:>3}%  {msg}";

/// Simulated time and events so far, over all simulations that are watched together.
#[derive(Debug, Default)]
pub(crate) struct Board {
    sim_ns: AtomicU64,
    events: AtomicU64,
    done: AtomicBool,
    note: Mutex<String>,
}

impl Board {
    /// A meter for one more simulation.
    pub(crate) fn meter(self: &Arc<Self>) -> Box<dyn Progress> {
        Box::new(Meter { board: Arc::clone(self), sim_ns: 0, events: 0 })
    }

    /// Says something more.
    pub(crate) fn note(&self, text: String) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// What stands beside the bar after `wall`.
    fn message(&self, total_ns: u64, wall: Duration) -> String {
        let (sim_ns, events) =
            (self.sim_ns.load(Ordering::Relaxed), self.events.load(Ordering::Relaxed));
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX).max(1);
        let speed_tenths = sim_ns / NS_PER_MS * 10 / wall_ms;
        let note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if !note.is_empty() {
            let events = short_count(events.saturating_mul(1000) / wall_ms);
            return format!("{note}, {events} events/s");
        }
        format!(
            "{} of {} s simulated, {}.{} s/s, {} events/s",
            sim_ns / 1_000_000_000,
            total_ns / 1_000_000_000,
            speed_tenths / 10,
            speed_tenths % 10,
            short_count(events.saturating_mul(1000) / wall_ms),
        )
    }
}

/// Adds one simulation's progress to its board.
struct Meter {
    board: Arc<Board>,
    sim_ns: u64,
    events: u64,
}

impl Progress for Meter {
    fn tick(&mut self, sim_ns: u64, _total_ns: u64, events: u64) {
        self.board.sim_ns.fetch_add(sim_ns.saturating_sub(self.sim_ns), Ordering::Relaxed);
        self.board.events.fetch_add(events.saturating_sub(self.events), Ordering::Relaxed);
        self.sim_ns = sim_ns.max(self.sim_ns);
        self.events = events.max(self.events);
    }
}

/// Does `work` and draws its progress meanwhile. `total_ns` is the simulated time of all of it.
pub(crate) fn watch<T>(
    output: Output,
    label: &str,
    total_ns: u64,
    work: impl FnOnce(&Arc<Board>) -> T,
) -> T {
    let board = Arc::new(Board::default());
    if !output.is_live() {
        return work(&board);
    }
    thread::scope(|scope| {
        let painter = scope.spawn(|| paint(&board, label, total_ns));
        let _stop = Stop { board: &board, painter: painter.thread().clone() };
        work(&board)
    })
}

/// Ends the painter, also when the work panics.
struct Stop<'a> {
    board: &'a Board,
    painter: thread::Thread,
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.board.done.store(true, Ordering::Release);
        self.painter.unpark();
    }
}

#[expect(clippy::disallowed_methods, reason = "speed is simulated time over wall time")]
fn paint(board: &Board, label: &str, total_ns: u64) {
    let start = Instant::now();
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(Some(total_ns / NS_PER_MS), target);
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is well formed");
    bar.set_style(style.progress_chars("━╸ "));
    bar.set_prefix(label.to_owned());
    while !board.done.load(Ordering::Acquire) {
        bar.set_position(board.sim_ns.load(Ordering::Relaxed) / NS_PER_MS);
        bar.set_message(board.message(total_ns, start.elapsed()));
        thread::park_timeout(REDRAW);
    }
    bar.finish_and_clear();
}

/// A count of at most four digits: `950`, `12.3k`, `4.1M`.
fn short_count(count: u64) -> String {
    let scaled =
        |unit: u64, name: &str| format!("{}.{}{name}", count / unit, count % unit * 10 / unit);
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => scaled(1_000, "k"),
        _ => scaled(1_000_000, "M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Terminals};

    #[test]
    fn meters_add_up_on_one_board() {
        let board = Arc::new(Board::default());
        let (mut one, mut two) = (board.meter(), board.meter());
        one.tick(2_000_000_000, 9, 1_000_000);
        one.tick(3_000_000_000, 9, 1_500_000);
        two.tick(5_000_000_000, 9, 1_000_000);
        let message = board.message(20_000_000_000, Duration::from_secs(2));
        assert_eq!(message, "8 of 20 s simulated, 4.0 s/s, 1.2M events/s");
    }

    #[test]
    fn counts_stay_short() {
        let shown: Vec<String> = [0, 999, 1_000, 12_345, 4_100_000].map(short_count).into();
        assert_eq!(shown, ["0", "999", "1.0k", "12.3k", "4.1M"]);
    }

    #[test]
    fn the_work_is_done_with_and_without_a_terminal() {
        for stderr in [false, true] {
            let terminals = Terminals { stdout: false, stderr, colourless: true };
            let output = Output::new(Format::Text, terminals);
            assert_eq!(watch(output, "x", 1, Arc::strong_count), 1);
        }
    }
}
