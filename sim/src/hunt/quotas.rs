//! Quotas of clients in a swarm: an administrator sets a few for a while, changes its mind, takes all of them away
//! long before the storm is over, and asks what there is; or all clients are under quotas both ways. Draws come from
//! streams of their own, so that the other seeds stay as they are.

use super::dice::Dice;
use stormglass_scenarios::plan::{Operation, Plan, QuotaOf};

const MS: u64 = 1_000_000;
/// A client that waits for its quota waits for less, once that is gone, as a rule.
const WAIT_MAX_NS: u64 = 10_000 * MS;
/// Who everybody is.
const ANONYMOUS: &str = "ANONYMOUS";

type Changes = Vec<(u64, Operation)>;

/// What the administrator of a seed does about quotas.
pub(super) fn changes(plan: &Plan, (from_ns, to_ns): (u64, u64)) -> Changes {
    let mut dice = Dice::new(plan.seed, "client quotas");
    let ends_ns = to_ns.saturating_sub(WAIT_MAX_NS);
    if !dice.percent(6) || ends_ns <= from_ns {
        return both_ways(plan, (from_ns, ends_ns));
    }
    let at_ns = dice.between(from_ns, from_ns + (ends_ns - from_ns) / 2);
    let ends_ns = dice.between(at_ns + (ends_ns - at_ns) / 2, ends_ns);
    let mut draw = Draw { dice, plan, at_ns, ends_ns };
    let mut changes = Vec::new();
    for _ in 0..draw.dice.between(1, 3) {
        draw.quota(&mut changes);
    }
    for _ in 0..draw.dice.between(1, 3) {
        draw.question(&mut changes);
    }
    if draw.dice.percent(30) {
        draw.flaw(&mut changes);
    }
    if draw.dice.percent(60) {
        draw.second(&mut changes);
    }
    changes
}

/// All clients of a user share a quota of what they produce, and another one of what they fetch: what they do one way is
/// nothing to the other. They fetch less than they may.
fn both_ways(plan: &Plan, (from_ns, ends_ns): (u64, u64)) -> Changes {
    let mut dice = Dice::new(plan.seed, "quotas both ways");
    if !dice.percent(4) || ends_ns <= from_ns {
        return Vec::new();
    }
    let user = dice.pick(&[ANONYMOUS, QuotaOf::DEFAULT]).to_owned();
    let of = QuotaOf { user: Some(user), client_id: None, ip: None };
    let at_ns = dice.between(from_ns, from_ns + (ends_ns - from_ns) / 2);
    let mut changes = Vec::new();
    for (key, values) in
        [("producer_byte_rate", ["8000", "16000"]), ("consumer_byte_rate", ["200000", "1000000"])]
    {
        let value = dice.pick(&values).to_owned();
        for (at_ns, value) in [(at_ns, Some(value)), (ends_ns, None)] {
            let (of, key) = (of.clone(), key.to_owned());
            changes.push((at_ns, Operation::SetClientQuota { of, key, value }));
        }
    }
    changes
}

struct Draw<'a> {
    dice: Dice,
    plan: &'a Plan,
    at_ns: u64,
    ends_ns: u64,
}

impl Draw<'_> {
    /// One is set, for one owner or two, perhaps changes, and goes.
    fn quota(&mut self, changes: &mut Changes) {
        let (key, values, clients) = self.kind();
        let owners = self.dice.pick(&[1_u32, 1, 2]);
        for _ in 0..owners {
            let of = self.owner(&clients);
            let mut set = |at_ns: u64, value: Option<&str>| {
                let (of, key, value) = (of.clone(), key.to_owned(), value.map(str::to_owned));
                changes.push((at_ns, Operation::SetClientQuota { of, key, value }));
            };
            let soon = (self.at_ns + self.dice.around(200 * MS)).min(self.ends_ns);
            set(soon, Some(self.dice.pick(values)));
            if self.dice.percent(50) {
                let value = self.dice.pick(values);
                set(self.dice.between(self.at_ns, self.ends_ns), Some(value));
            }
            if self.dice.percent(25) {
                set(self.dice.between(self.at_ns, self.ends_ns), None);
            }
            set(self.ends_ns, None);
        }
    }

    /// Somebody who has a quota gets another one, which goes first: the other one stays.
    fn second(&mut self, changes: &mut Changes) {
        let ends_ns = self.ends_ns;
        let is_owner = |(at_ns, operation): &(u64, Operation)| match operation {
            Operation::SetClientQuota { of, key, value: Some(_) } if of.ip.is_none() => {
                (*at_ns < ends_ns).then(|| (*at_ns, of.clone(), key.clone()))
            }
            _ => None,
        };
        let Some((at_ns, of, first)) = changes.iter().find_map(is_owner) else { return };
        let (key, value) = match first.as_str() {
            "request_percentage" => ("controller_mutation_rate", "50"),
            _ => ("request_percentage", "50"),
        };
        let goes_ns = self.dice.between(at_ns, ends_ns);
        for (at_ns, value) in [(at_ns, Some(value)), (goes_ns, None), (ends_ns, None)] {
            let (of, key, value) = (of.clone(), key.to_owned(), value.map(str::to_owned));
            changes.push((at_ns, Operation::SetClientQuota { of, key, value }));
        }
    }

    /// A quota, what it may be, and whose clients it is for. Rates are below what clients do without.
    fn kind(&mut self) -> (&'static str, &'static [&'static str], Vec<String>) {
        let producers = self.plan.producers.iter().map(|producer| producer.name.clone());
        let groups = self.plan.consumers.iter().map(|group| group.group.clone());
        match self.dice.index(20) {
            0..8 => ("producer_byte_rate", &["4000", "8000", "8000", "16000"], producers.collect()),
            8..14 => ("consumer_byte_rate", &["6000", "12000", "24000"], groups.collect()),
            14..18 => {
                let all = producers.chain(groups).collect();
                ("request_percentage", &["0.05", "0.2", "1", "50"], all)
            }
            _ => ("controller_mutation_rate", &["1", "5"], vec!["admin".to_owned()]),
        }
    }

    fn owner(&mut self, clients: &[String]) -> QuotaOf {
        let default = || Some(QuotaOf::DEFAULT.to_owned());
        let user = match self.dice.index(5) {
            0 => Some(ANONYMOUS.to_owned()),
            1 => default(),
            _ => None,
        };
        let client_id = match self.dice.index(4) {
            0 => default(),
            1 if user.is_some() => None,
            _ if clients.is_empty() => default(),
            _ => Some(self.dice.pick(clients)),
        };
        QuotaOf { user, client_id, ip: None }
    }

    fn question(&mut self, changes: &mut Changes) {
        let part = |dice: &mut Dice, name: &str| match dice.index(4) {
            0 => Some(QuotaOf::ANY.to_owned()),
            1 => Some(QuotaOf::DEFAULT.to_owned()),
            2 => Some(name.to_owned()),
            _ => None,
        };
        let names = self.plan.producers.iter().map(|producer| producer.name.as_str());
        let names: Vec<&str> = names.chain(["admin"]).collect();
        let name = self.dice.pick(&names);
        let of = QuotaOf {
            user: part(&mut self.dice, ANONYMOUS),
            client_id: part(&mut self.dice, name),
            ip: None,
        };
        let strict = self.dice.percent(40);
        let at_ns = self.dice.between(self.at_ns, self.ends_ns + 2_000 * MS);
        changes.push((at_ns, Operation::DescribeClientQuotas { of, strict }));
    }

    /// One that nobody may set, or one of an address, which is none of a broker's business.
    fn flaw(&mut self, changes: &mut Changes) {
        let of = |user: Option<&str>, client_id: Option<&str>, ip: Option<&str>| QuotaOf {
            user: user.map(str::to_owned),
            client_id: client_id.map(str::to_owned),
            ip: ip.map(str::to_owned),
        };
        let connections = "connection_creation_rate";
        let (of, key, value) = self.dice.pick(&[
            (of(None, Some("admin"), None), "producer_byte_rate", "0"),
            (of(Some(ANONYMOUS), None, None), "consumer_byte_rate", "-5"),
            (of(None, Some("admin"), None), connections, "5"),
            (of(None, None, None), "producer_byte_rate", "5000"),
            (of(Some(ANONYMOUS), None, Some("10.0.0.1")), connections, "5"),
            (of(None, None, Some("10.0.0.1")), connections, "5"),
            (of(None, None, Some(QuotaOf::DEFAULT)), connections, "50"),
        ]);
        let (key, value) = (key.to_owned(), Some(value.to_owned()));
        let at_ns = self.dice.between(self.at_ns, self.ends_ns);
        changes.push((at_ns, Operation::SetClientQuota { of, key, value }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use std::collections::BTreeMap;
    use stormglass_scenarios::plan::Action;
    use stormglass_scenarios::{Source, load};

    /// Each owner's quotas in order of time.
    fn set(plan: &Plan) -> BTreeMap<String, Vec<Option<String>>> {
        let mut set: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for event in &plan.events {
            if let Action::Admin { operation: Operation::SetClientQuota { of, key, value } } =
                &event.action
            {
                set.entry(format!("{of:?} {key}")).or_default().push(value.clone());
            }
        }
        set
    }

    #[test]
    fn some_seeds_have_quotas_which_do_not_stay() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut seeds, mut both) = (0, 0);
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            both += u32::from(!both_ways(&plan, (0, 1)).is_empty());
            let set = set(&plan);
            seeds += u32::from(!set.is_empty());
            let stays = set.values().filter(|values| values.last().is_some_and(Option::is_some));
            // that of an address, or one that is refused
            assert!(stays.clone().count() <= 1, "seed {seed}: {set:?}");
            assert!(stays.into_iter().all(|values| values.len() == 1), "seed {seed}: {set:?}");
        }
        assert!((10..75).contains(&seeds) && (4..40).contains(&both), "{seeds} {both}");
    }
}
