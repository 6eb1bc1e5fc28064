//! When phases begin, events end and loads change in a plan, and how long its brokers wait.

use crate::plan::{Action, ClusterPlan, EventPlan, PhasesPlan, Plan};

impl PhasesPlan {
    /// When measure, heal and drain begin, ns since the run began.
    #[must_use]
    pub fn starts_ns(&self) -> [u64; 3] {
        let measure = self.warmup_ns;
        let heal = measure.saturating_add(self.measure_ns);
        [measure, heal, heal.saturating_add(self.heal_ns)]
    }

    /// When faults are lifted, at the latest: the heal phase begins.
    #[must_use]
    pub fn heal_starts_ns(&self) -> u64 {
        self.starts_ns()[1]
    }

    /// When the load ends: the drain begins.
    #[must_use]
    pub fn drain_starts_ns(&self) -> u64 {
        self.starts_ns()[2]
    }

    /// When the run ends, at the latest.
    #[must_use]
    pub fn ends_ns(&self) -> u64 {
        self.drain_starts_ns().saturating_add(self.drain_ns)
    }
}

impl ClusterPlan {
    /// A time from the brokers' config, ms; Kafka's default where it has none.
    #[must_use]
    pub fn config_ms(&self, key: &str, default_ms: u64) -> u64 {
        self.config.get(key).and_then(|text| text.parse().ok()).unwrap_or(default_ms)
    }
}

impl EventPlan {
    /// When its effect is lifted, ns since the run began; when the heal phase begins at the latest.
    #[must_use]
    pub fn ends_ns(&self, phases: &PhasesPlan) -> u64 {
        let heal = phases.heal_starts_ns();
        self.for_ns.map_or(heal, |len| self.at_ns.saturating_add(len).min(heal))
    }

    /// Whether it has an effect at `now_ns`.
    #[must_use]
    pub fn lasts_at(&self, now_ns: u64, phases: &PhasesPlan) -> bool {
        (self.at_ns..self.ends_ns(phases)).contains(&now_ns)
    }
}

impl Plan {
    /// When events change the rate of a producer group, ns since the run began, and to how many parts
    /// per thousand of its curve; in order of time.
    #[must_use]
    pub fn load_changes(&self, producer: &str) -> Vec<(u64, u32)> {
        let mut changes = Vec::new();
        for event in &self.events {
            if let Action::Load { producer: wanted, rate_permille } = &event.action
                && wanted.as_ref().is_none_or(|wanted| wanted == producer)
            {
                changes.push((event.at_ns, *rate_permille));
                changes.push((event.ends_ns(&self.phases), 1000));
            }
        }
        changes.sort_by_key(|(at_ns, _)| *at_ns);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_load_ends_with_its_event_or_where_the_cluster_heals() {
        let phases = PhasesPlan { warmup_ns: 10, measure_ns: 20, heal_ns: 5, drain_ns: 7 };
        assert_eq!((phases.starts_ns(), phases.ends_ns()), ([10, 30, 35], 42));
        let load = |at_ns, for_ns, producer: Option<&str>| EventPlan {
            at_ns,
            for_ns,
            action: Action::Load { producer: producer.map(str::to_owned), rate_permille: 2000 },
            line: None,
        };
        let mut plan = crate::load(&crate::Source::library("steady").unwrap(), &[], 1).unwrap();
        plan.phases = phases;
        plan.events =
            vec![load(15, Some(4), None), load(12, None, Some("a")), load(28, Some(9), None)];
        let of_b = [(15, 2000), (19, 1000), (28, 2000), (30, 1000)];
        assert_eq!(plan.load_changes("b"), of_b);
        assert_eq!(plan.load_changes("a").first(), Some(&(12, 2000)));
    }
}
