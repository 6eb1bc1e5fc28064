//! The clocks of the machine: the one place where they are read.

use std::time::{Duration as StdDuration, Instant as StdInstant, SystemTime, UNIX_EPOCH};
use stormglass_broker_core::time::{Duration, Instant};

/// Monotonic time since the process started, and the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: StdInstant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "real time enters here")]
    pub(crate) fn start() -> Self {
        Self { origin: StdInstant::now() }
    }

    pub(crate) fn now(&self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Milliseconds since the epoch.
    #[expect(clippy::disallowed_methods, reason = "real time enters here")]
    pub(crate) fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A span for the standard library.
pub(crate) fn std_duration(span: Duration) -> StdDuration {
    StdDuration::from_nanos(span.as_nanos())
}
