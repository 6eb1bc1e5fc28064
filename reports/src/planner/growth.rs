//! When growth uses up a cluster's headroom.

use super::types::{Candidate, Growth, Requirements};
use crate::cost::copies_kept;
use crate::result::Milli;

const MONTHS: f64 = 12.0;

/// Months until the load has grown to where thresholds break, and until volumes are full; nothing
/// without growth or headroom.
#[must_use]
pub fn growth(candidate: &Candidate, requirements: &Requirements) -> Option<Growth> {
    let headroom = candidate.headroom.as_ref()?;
    let yearly = requirements.growth_permille;
    (yearly > 0).then(|| Growth {
        load_months: months(headroom.holds_at, yearly),
        is_beyond: headroom.breaks_at.is_none(),
        volume_months: volumes_full(candidate, requirements).map(|at| months(at, yearly)),
    })
}

/// Multiple of the load at which volumes are full; nothing where storage grows by itself.
fn volumes_full(candidate: &Candidate, requirements: &Requirements) -> Option<Milli> {
    let cluster = &candidate.cluster;
    if cluster.kind.has_elastic_storage() {
        return None;
    }
    let has = i128::from(cluster.storage_gib) * i128::from(cluster.brokers) * (1 << 30);
    let kept = i128::try_from(kept(requirements)).unwrap_or(i128::MAX);
    (kept > 0).then(|| Milli::ratio(has, kept))
}

/// Bytes of all copies that volumes keep at average load.
pub(super) fn kept(requirements: &Requirements) -> u128 {
    let Requirements { ingress_bytes_per_sec, retention_seconds, replication, .. } = requirements;
    copies_kept(*ingress_bytes_per_sec, *retention_seconds, *replication)
}

/// Compound growth from 1 to `multiple`.
#[expect(clippy::cast_possible_truncation, reason = "months of centuries fit")]
fn months(multiple: Milli, yearly_permille: u64) -> Milli {
    let yearly = 1.0 + f64::from(u32::try_from(yearly_permille).unwrap_or(u32::MAX)) / 1000.0;
    let months = libm::log(multiple.to_f64().max(1.0)) / libm::log(yearly) * MONTHS;
    Milli::from_units((months * 1000.0).round().clamp(0.0, 1e12) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_every_year_reaches_twice_the_load_in_twelve_months() {
        assert_eq!(months(Milli::from_units(2_000), 1_000), Milli::from_units(12_000));
        assert_eq!(months(Milli::from_units(1_000), 1_000), Milli::ZERO);
        assert_eq!(months(Milli::from_units(1_210), 100), Milli::from_units(24_000));
    }
}
