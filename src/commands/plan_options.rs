//! What a plan may choose from: sizes of brokers of the kinds that were asked for, priced, and without
//! what arithmetic rules out.

use super::cost;
use super::plan_scenario::{Shape, Trial};
use super::plan_storage::kind_of;
use super::price_file;
use crate::args::Plan as PlanArgs;
use crate::failure::Failure;
use stormglass_reports::cost::{CostOptions, of_cluster_with, of_run_with};
use stormglass_reports::planner::{
    Bound, Candidate, Cluster, RuledOut, State, bounds, equation_1, transfer,
};
use stormglass_reports::result::{Cents, Milli};
use stormglass_scenarios::plan::{ClusterKind, Plan};
use stormglass_scenarios::{
    Offer, ec2_offers, express_sizes, msk_offers, regions, serverless_offer,
};

/// More brokers come in steps of the AZs.
const AZS: u32 = 3;
/// What is looked among when neither kinds nor instance types are given.
const KIND_BY_DEFAULT: ClusterKind = ClusterKind::MskStandard;

/// A shape with its price and bounds.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) shape: Shape,
    pub(super) candidate: Candidate,
}

/// Clusters within the bounds, and what is not.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// The cheapest first.
    pub(super) choices: Vec<Choice>,
    /// How many are ruled out.
    pub(super) cut: u32,
    /// Of each kind without a choice, one of its clusters.
    pub(super) ruled_out: Vec<RuledOut>,
}

/// Every size of broker that can be chosen.
fn offers() -> Vec<Offer> {
    let mut all = msk_offers();
    all.extend(express_sizes());
    all.push(serverless_offer().0);
    all.extend(ec2_offers());
    all
}

/// The options of a command.
///
/// # Errors
/// If no instance type has a name that was asked for, the region is not known, or the prices cannot be
/// read.
pub(super) fn options(args: &PlanArgs) -> Result<Options, Failure> {
    let mut prices = CostOptions::default();
    if let Some(path) = &args.prices {
        prices.prices = price_file::read_file(path)?;
        cost::known_meters(&prices)?;
        of_one_size(&prices)?;
    }
    let region = &args.requirements.region;
    if !regions().contains(&region.as_str()) {
        return Err(Failure::usage(format!("no prices are known for the region `{region}`"))
            .help(format!("known: {}", regions().join(", "))));
    }
    check_instances(args)?;
    let offers: Vec<Offer> = offers().into_iter().filter(|one| is_wanted(one.name, args)).collect();
    let (mut found, mut nearest) = (Options::default(), Vec::new());
    for offer in offers {
        for brokers in counts(offer, args) {
            let partitions_max = u64::from(offer.recommended_partitions);
            let shape = Shape { instance: offer.name, brokers, partitions_max };
            match option(shape.clone(), args, &prices) {
                Ok(choice) => found.choices.push(choice),
                Err(reason) => {
                    found.cut += 1;
                    note(&mut nearest, &shape, reason);
                }
            }
        }
    }
    let has =
        |kind: ClusterKind| found.choices.iter().any(|one| one.candidate.cluster.kind == kind);
    nearest.retain(|one: &Nearest| !has(one.ruled_out.kind));
    found.ruled_out = nearest.into_iter().map(|one| one.ruled_out).collect();
    found.choices.sort_by_key(|one| one.candidate.cluster.monthly_usd);
    Ok(found)
}

/// A host's price without its instance type would make all sizes cost the same.
fn of_one_size(prices: &CostOptions) -> Result<(), Failure> {
    let of_all = ["broker-hour", "ec2-hour"];
    let Some(price) = prices.prices.iter().find(|one| of_all.contains(&one.meter.as_str())) else {
        return Ok(());
    };
    let meter = &price.meter;
    Err(Failure::usage(format!("`{meter}` would be the price of every instance type"))
        .help(format!("name the type: {meter}:TYPE")))
}

/// Whether a text names an instance type or its family.
fn names(text: &str, instance: &str) -> bool {
    let family = instance.rsplit_once('.').map_or(instance, |(family, _)| family);
    text == instance || text == family
}

/// What was typed names something, of a kind that was asked for.
fn check_instances(args: &PlanArgs) -> Result<(), Failure> {
    let all = offers();
    for text in &args.instances {
        if !all.iter().any(|offer| names(text, offer.name)) {
            let known: Vec<&str> = all.iter().map(|one| one.name).collect();
            return Err(Failure::usage(format!("no instance type of the name `{text}`"))
                .help(format!("the catalogue has {}", known.join(", "))));
        }
        let kind = kind_of(text);
        if !args.kinds.is_empty() && !args.kinds.contains(&kind) {
            let with_it = args.kinds.iter().chain([&kind]).map(|one| one.name());
            let with_it: Vec<&str> = with_it.collect();
            return Err(Failure::usage(format!(
                "--instance {text} is {}, --kind leaves it out",
                kind.name()
            ))
            .help(format!("add it: --kind {}", with_it.join(","))));
        }
    }
    Ok(())
}

/// Instance types narrow down the kinds that they are of; other kinds that were asked for stay whole.
fn is_wanted(name: &str, args: &PlanArgs) -> bool {
    let kind = kind_of(name);
    let is_kind_asked = args.kinds.contains(&kind);
    if !args.kinds.is_empty() && !is_kind_asked {
        return false;
    }
    if args.instances.iter().any(|one| kind_of(one) == kind) {
        args.instances.iter().any(|one| names(one, name))
    } else {
        is_kind_asked || (args.instances.is_empty() && kind == KIND_BY_DEFAULT)
    }
}

/// Numbers of brokers of a size that are considered.
fn counts(offer: Offer, args: &PlanArgs) -> Vec<u32> {
    let (serverless, stand_ins) = serverless_offer();
    if offer.name == serverless.name {
        return vec![stand_ins];
    }
    let least = AZS.max(args.requirements.replication).next_multiple_of(AZS);
    (least..=args.brokers_max).step_by(AZS as usize).collect()
}

/// Why a cluster is no choice.
enum Reason {
    /// It cannot be: what the language says.
    Refused(String),
    /// More is needed than there is.
    Bound(Bound),
    /// It would do, but nobody can say what it costs.
    Price(String),
}

/// The cluster of a kind that is overloaded least.
#[derive(Debug)]
struct Nearest {
    percent: Milli,
    ruled_out: RuledOut,
}

fn note(nearest: &mut Vec<Nearest>, shape: &Shape, reason: Reason) {
    // Of clusters that cannot be, the largest one says why none can.
    let is_refused = matches!(reason, Reason::Refused(_));
    let (percent, reason) = match reason {
        Reason::Refused(reason) => (Milli::from_units(i64::MAX), reason),
        Reason::Bound(bound) => (bound.percent, bound.says()),
        // nothing is overloaded, so no other cluster of the kind is nearer
        Reason::Price(reason) => (Milli::ZERO, reason),
    };
    let kind = kind_of(shape.instance);
    let cluster = Cluster::name_of(kind, shape.brokers, shape.instance);
    let one = Nearest { percent, ruled_out: RuledOut { kind, cluster, reason } };
    match nearest.iter_mut().find(|known| known.ruled_out.kind == one.ruled_out.kind) {
        Some(known) if one.percent < known.percent => *known = one,
        Some(known) if is_refused && one.percent == known.percent => *known = one,
        Some(_) => {}
        None => nearest.push(one),
    }
}

/// A cluster that arithmetic does not rule out.
fn option(shape: Shape, args: &PlanArgs, prices: &CostOptions) -> Result<Choice, Reason> {
    let requirements = &args.requirements;
    let plan = shape
        .plan(requirements, Trial::new(State::None, 1000), args.seed)
        .map_err(|failure| Reason::Refused(failure.message().to_owned()))?;
    let bounds = bounds(&plan, requirements, shape.partitions_max);
    if let Some(tightest) = bounds.first().filter(|bound| bound.is_broken()) {
        return Err(Reason::Bound(tightest.clone()));
    }
    let bill = of_run_with(&plan, &transfer(&plan, requirements), prices);
    if !bill.complete {
        return Err(Reason::Price(format!("not every price is known in {}", requirements.region)));
    }
    let without = of_cluster_with(&plan, prices).total_usd.units();
    let whole = bill.total_usd.units();
    let candidate = Candidate {
        cluster: Cluster {
            kind: kind_of(shape.instance),
            instance: shape.instance.to_owned(),
            brokers: shape.brokers,
            storage_gib: shape.storage_gib(requirements).max(fixed_gib(&plan)),
            partitions: shape.partitions(requirements),
            monthly_usd: bill.total_usd,
            traffic_usd: Cents::from_units(whole - without),
        },
        bounds,
        states: Vec::new(),
        fits: false,
        headroom: None,
        curve: Vec::new(),
        growth: None,
        equation_1: equation_1(&plan, requirements),
        bill: bill.lines,
    };
    Ok(Choice { shape, candidate })
}

/// Local disks of a broker, GiB.
fn fixed_gib(plan: &Plan) -> u64 {
    let Some(broker) = plan.cluster.brokers.first() else { return 0 };
    let local = broker.host.volumes.iter().filter(|volume| volume.kind == "nvme");
    local.map(|volume| volume.size_bytes >> 30).sum()
}

impl Shape {
    /// The shape of a candidate; quotas were checked when it became one.
    pub(super) fn of(candidate: &Candidate) -> Option<Self> {
        let offer = offers().into_iter().find(|one| one.name == candidate.cluster.instance)?;
        Some(Self {
            instance: offer.name,
            brokers: candidate.cluster.brokers,
            partitions_max: u64::from(offer.recommended_partitions),
        })
    }
}
