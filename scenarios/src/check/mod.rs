//! Checks that no single value shows: topology, references, limits, timing.
//!
//! A broken section was reported when it was read; checks that need it are skipped, so that one
//! slip does not cause a second, misleading message.

mod clients;
mod cluster;
mod configs;
mod custom;
mod events;
mod managed;
mod operations;
mod overlaps;
mod rates;
mod remote;
mod storage;
mod topics;

use crate::bounds::{PHASE_NS_MAX, constant_min};
use crate::catalogue::managed::settable;
use crate::schema::decode::{At, Errors, List};
use crate::schema::scalar::Name;
use crate::schema::scenario::Scenario;
use crate::text::diagnostic::{Diagnostic, suggestion};
use crate::text::source::Span;

/// Reports everything in `scenario` that cannot be run.
pub(crate) fn check(scenario: &Scenario, errors: &mut Errors) {
    if let Some(part) = &scenario.cluster.0 {
        cluster::check(&part.value, part.span, errors);
    }
    topics::check(scenario, errors);
    managed::check_topics(scenario, errors);
    clients::check(scenario, errors);
    check_phases(scenario, errors);
    events::check(scenario, errors);
    overlaps::check(scenario, errors);
    check_thresholds(scenario, errors);
    check_model(scenario, errors);
}

fn check_phases(scenario: &Scenario, errors: &mut Errors) {
    let Some(phases) = scenario.phases.get() else { return };
    let lengths = [&phases.warmup, &phases.heal, &phases.drain];
    let lengths = lengths.into_iter().flatten().chain([&phases.measure]);
    for length in lengths.filter(|length| length.value.0 > PHASE_NS_MAX) {
        let message = "a phase longer than a year cannot be simulated";
        errors.push(Diagnostic::new(length.span, message, "too long").help("at most 365d"));
    }
    if phases.measure.value.0 == 0 {
        let message = "the measure phase lasts no time";
        errors.push(
            Diagnostic::new(phases.measure.span, message, "here")
                .help("write the time in which measurements count, such as \"120s\""),
        );
    }
}

/// A threshold on a phase that does not happen would always be missed, or always met.
fn check_thresholds(scenario: &Scenario, errors: &mut Errors) {
    let (Some(phases), Some(thresholds)) = (scenario.phases.get(), &scenario.thresholds.0) else {
        return;
    };
    let times = phases.times();
    for threshold in &thresholds.value.items {
        let empty = match threshold.phase.as_deref() {
            Some("warmup") => times.warmup_ns == 0,
            Some("heal") => times.heal_ns == 0,
            Some("drain") => times.drain_ns == 0,
            _ => false,
        };
        if empty {
            let phase = threshold.phase.as_deref().unwrap_or_default();
            let message = format!(
                "the threshold `{}` is on the phase `{phase}`, which lasts no time",
                threshold.text
            );
            errors.push(
                Diagnostic::new(thresholds.span, message, "in these thresholds")
                    .help(format!("give [phases] a `{phase}`")),
            );
        }
    }
}

fn check_model(scenario: &Scenario, errors: &mut Errors) {
    let Some(overrides) = &scenario.model.0 else { return };
    let mut constants: Vec<String> =
        crate::catalogue::model::model().constants.keys().cloned().collect();
    if let Some(cluster) = scenario.cluster.get() {
        constants.extend(settable(cluster.plan_kind()));
    }
    if scenario.has_remote_storage() {
        constants.extend(crate::catalogue::remote::constants().keys().cloned());
    }
    for (name, span, value) in &overrides.value.entries {
        if constants.contains(name) {
            let least = constant_min(name);
            if *value < least {
                let message = format!("`{name}` is {value}, and the model needs at least {least}");
                errors.push(Diagnostic::new(*span, message, "too small"));
            }
            continue;
        }
        let message = format!("`{name}` is not a model constant");
        errors.push(with_suggestion(
            Diagnostic::new(*span, message, "unknown constant"),
            name,
            constants.iter().map(String::as_str),
        ));
    }
}

/// Reports names that stand twice.
fn refuse_duplicates<'a>(
    what: &str,
    names: impl Iterator<Item = &'a At<Name>>,
    errors: &mut Errors,
) {
    let mut seen: Vec<&At<Name>> = Vec::new();
    for name in names {
        if let Some(first) = seen.iter().find(|first| first.value == name.value) {
            let message = format!("{what} `{}` is given twice", name.value.0);
            errors.push(
                Diagnostic::new(name.span, message, "again").related(first.span, "first here"),
            );
        }
        seen.push(name);
    }
}

/// Reports a name that does not exist, when all that exist are known.
fn require_known<'a, T: 'a>(
    what: &str,
    name: &At<Name>,
    list: &'a List<T>,
    name_of: impl Fn(&'a T) -> &'a str,
    errors: &mut Errors,
) {
    let names: Vec<&str> = list.items.iter().map(|item| name_of(&item.value)).collect();
    if list.complete && !names.contains(&name.value.0.as_str()) {
        errors.push(unknown_name(what, &name.value.0, name.span, &names));
    }
}

/// `` there is no topic `x` ``, with what there is.
fn unknown_name(what: &str, name: &str, span: Span, names: &[&str]) -> Diagnostic {
    let message = format!("there is no {what} `{name}`");
    let diagnostic = Diagnostic::new(span, message, format!("no such {what}"));
    if names.is_empty() {
        return diagnostic.help(format!("the scenario has no {what} at all"));
    }
    with_suggestion(diagnostic, name, names.iter().copied())
}

fn with_suggestion<'a>(
    diagnostic: Diagnostic,
    word: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    match suggestion(word, candidates) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// Reports AZs that the cluster does not have, and an empty list.
fn check_azs(scenario: &Scenario, azs: Option<&At<List<Name>>>, errors: &mut Errors) {
    let (Some(cluster), Some(azs)) = (scenario.cluster.get(), azs) else { return };
    if azs.value.items.is_empty() && azs.value.complete {
        errors.push(
            Diagnostic::new(azs.span, "the list of AZs is empty", "here")
                .help("leave the key out to spread over all AZs"),
        );
    }
    let names = cluster.az_names();
    for az in &azs.value.items {
        check_az(az, &names, errors);
    }
}

fn check_az(az: &At<Name>, names: &[String], errors: &mut Errors) {
    if !names.contains(&az.value.0) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        errors.push(unknown_name("AZ", &az.value.0, az.span, &names));
    }
}
