//! What tests of storms look at.

use super::adding::{Draw, window};
use super::{SWARM, rarely, swarm};
use stormglass_scenarios::plan::{EventPlan, Plan};
use stormglass_scenarios::{Source, load};

/// Each sort is part of some storms, and not of most.
pub(super) fn assert_some_seeds_have(draws: &[Draw]) {
    let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
    let mut of_all = vec![0; draws.len()];
    for seed in 1..600 {
        let plan = swarm(&base, seed);
        for (count, draw) in of_all.iter_mut().zip(draws) {
            *count += i32::from(!draw(&plan, window(&plan)).is_empty());
        }
        assert_in_time(&plan);
    }
    assert!(of_all.iter().all(|seeds| (5..200).contains(seeds)), "{of_all:?}");
}

/// All of a storm begins before all is healed, but for what ends throttles.
pub(super) fn assert_in_time(plan: &Plan) {
    let ends_ns = plan.phases.heal_starts_ns();
    let late: Vec<&EventPlan> = plan.events.iter().filter(|event| event.at_ns >= ends_ns).collect();
    let unthrottled = rarely::unthrottled(plan);
    assert!(late.iter().copied().eq(&unthrottled), "seed {}: {late:?}", plan.seed);
}
