//! Ctrl-C: the first asks the simulation to stop and write what there is, the second kills.
//!
//! One wish may come as several signals: `timeout` signals the program and then its whole group, and
//! wrappers pass on what a terminal has sent to all of them.

use crate::exit::Exit;
use crate::failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Signals that come so soon after the first are the same wish: nobody has seen yet that it was heard.
const SAME_WISH: Duration = Duration::from_millis(500);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// To stop and write what there is.
    Stop,
    /// To end at once.
    Kill,
}

/// Signals so far.
#[derive(Debug, Default)]
struct Signals {
    first: Option<Duration>,
}

impl Signals {
    /// What a signal asks for that comes at this time, on any clock that only goes forward.
    fn heard(&mut self, at: Duration) -> Wish {
        let first = *self.first.get_or_insert(at);
        if at.saturating_sub(first) < SAME_WISH { Wish::Stop } else { Wish::Kill }
    }
}

/// Installs the handler and returns the flag that the first signal sets (SIGINT, SIGTERM, SIGHUP).
pub(crate) fn install() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let (installed, mut signals) = (now(), Signals::default());
    let handler = move || match signals.heard(now() - installed) {
        Wish::Stop => seen.store(true, Ordering::Relaxed),
        Wish::Kill => std::process::exit(i32::from(Exit::Interrupted.code())),
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::internal(format!("cannot handle Ctrl-C: {error}")))?;
    Ok(flag)
}

#[expect(clippy::disallowed_methods, reason = "a user's signals come on the wall clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What signals ask for that come at these times, in microseconds.
    fn wishes<const N: usize>(at_us: [u64; N]) -> [Wish; N] {
        let mut signals = Signals::default();
        at_us.map(|at| signals.heard(Duration::from_micros(at)))
    }

    #[test]
    fn signals_at_once_are_one_wish() {
        assert_eq!(wishes([7_000_000, 7_000_000, 7_000_003, 7_499_999]), [Wish::Stop; 4]);
    }

    #[test]
    fn a_later_signal_kills_however_many_came_at_once() {
        assert_eq!(wishes([10, 500_010]), [Wish::Stop, Wish::Kill]);
        let [.., before, after] = wishes([0, 20, 499_999, 500_000]);
        assert_eq!((before, after), (Wish::Stop, Wish::Kill));
        assert_eq!(wishes([0, 3_600_000_000, 3_600_000_001]), [Wish::Stop, Wish::Kill, Wish::Kill]);
    }
}
