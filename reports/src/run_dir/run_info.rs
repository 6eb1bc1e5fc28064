//! `run.json`: what a run took. The one file that differs between two runs of the same seed.

use crate::result::Milli;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a run took on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// Wall-clock time.
    pub wall_seconds: Milli,
    /// Simulated time.
    pub sim_seconds: Milli,
    /// Speed.
    pub sim_seconds_per_wall_second: Milli,
    /// Events processed.
    pub events: u64,
    /// Events per wall-clock second.
    pub events_per_second: u64,
    /// Largest resident set of the process; absent when unknown.
    pub peak_rss_bytes: Option<u64>,
    /// Version of Stormglass.
    pub version: String,
    /// The machine, such as `x86_64 linux, 8 threads`.
    pub host: String,
}

impl RunInfo {
    /// Of a run that simulated `sim_ns` with `events` in `wall`.
    #[must_use]
    pub fn new(
        wall: Duration,
        sim_ns: u64,
        events: u64,
        peak_rss_bytes: Option<u64>,
        host: impl Into<String>,
    ) -> Self {
        let wall_ns = i128::try_from(wall.as_nanos().max(1)).unwrap_or(i128::MAX);
        let per_second = i128::from(events) * 1_000_000_000 / wall_ns;
        Self {
            wall_seconds: Milli::ratio(wall_ns, 1_000_000_000),
            sim_seconds: Milli::seconds_from_ns(sim_ns),
            sim_seconds_per_wall_second: Milli::ratio(i128::from(sim_ns), wall_ns),
            events,
            events_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            peak_rss_bytes,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host.into(),
        }
    }

    /// The text of `run.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("run info holds only JSON's own types");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_simulated_over_wall_time() {
        let info = RunInfo::new(Duration::from_secs(4), 200_000_000_000, 8_000_000, None, "test");
        assert_eq!(info.sim_seconds_per_wall_second.to_string(), "50.000");
        assert_eq!(info.events_per_second, 2_000_000);
        assert!(info.to_json().contains("\"wall_seconds\": 4.000"));
    }

    #[test]
    fn no_time_at_all_divides_by_nothing() {
        let info = RunInfo::new(Duration::ZERO, 0, 0, None, "test");
        assert_eq!(info.events_per_second, 0);
    }
}
