//! What a storm has for applications under test alone: their processes are killed, or stopped for so
//! long that others take over from them.

use super::adding::{add, lasting};
use super::dice::Dice;
use stormglass_scenarios::plan::{Action, Plan};

const MS: u64 = 1_000_000;

/// Adds faults of processes to a storm. `names` are those that a fault may have for its victim. Draws
/// come from a stream of their own, so that the cluster's storm stays as it is.
pub fn strike(plan: &mut Plan, names: &[String]) {
    let mut dice = Dice::new(plan.seed, "applications");
    let from_ns = plan.phases.warmup_ns;
    let to_ns = plan.phases.heal_starts_ns();
    if names.is_empty() {
        return;
    }
    for _ in 0..dice.between(2, 6) {
        let client = dice.pick(names);
        let lasts = dice.pick(&[50, 300, 1_000, 3_000, 6_000]) * MS;
        let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
        let action = match dice.percent(65) {
            true => Action::ClientCrash { client },
            false => Action::ClientPause { client, instance: None },
        };
        add(plan, to_ns, [lasting(at_ns, lasts, action)]);
    }
}
