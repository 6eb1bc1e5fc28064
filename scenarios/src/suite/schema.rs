//! The keys of a suite.

use super::limit::Limits;
use super::{Base, Check, Errors, SEEDS_DEFAULT};
use crate::schema::decode::{At, Decode, List, section, string, wrong_kind};
use crate::schema::scalar::{Count, Name, Text};
use crate::text::diagnostic::Diagnostic;
use crate::text::set::split_pair;
use crate::text::source::{Sources, Span};
use crate::text::tree::{Node, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use std::borrow::Cow;

section! {
    /// A suite of scenarios that must not get worse.
    "the suite" Suite {
        /// Name of the suite.
        name: At<Name>,
        /// What to compare with: `git:REVISION`, a file that `gate --save` wrote, or `none`.
        /// Default: none.
        base: Option<At<Text>>,
        /// Number of paired seeds. Default: 8.
        seeds: Option<At<Count<1, 10_000>>>,
        /// Shell command that builds the base's own program in a checkout of it.
        build: Option<At<Text>>,
        /// That program, relative to the checkout.
        binary: Option<At<Text>>,
        /// The scenarios.
        scenarios: List<SuiteScenario>,
    }
}

section! {
    /// A scenario of a suite.
    "[[scenarios]]" SuiteScenario {
        /// A name of the library, or a file relative to the suite.
        scenario: At<Text>,
        /// What to call it. Default: the scenario's name here.
        name: Option<At<Name>>,
        /// Keys to change, as `--set` takes them: `["phases.measure=20s"]`.
        set: Option<At<Sets>>,
        /// How far figures may move.
        limits: Option<At<Limits>>,
    }
}

/// JSON Schema of a suite.
#[must_use]
pub fn suite_schema() -> serde_json::Value {
    schema_for!(Suite).to_value()
}

/// Pairs of path and value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sets(Vec<(String, String)>);

impl Decode for Sets {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let Value::Array(items) = &node.value else {
            let help = "write set = [\"phases.measure=20s\"]";
            errors.push(wrong_kind(node, "an array of `path=value`").help(help));
            return None;
        };
        let mut sets = Vec::new();
        for item in items {
            let text = string(item, "`path=value`", errors)?;
            let Some(pair) = split_pair(text) else {
                let message = format!("`{text}` is not a pair");
                let help = "write \"path=value\", as --set takes it";
                errors.push(Diagnostic::new(item.span, message, "no `=`").help(help));
                return None;
            };
            sets.push(pair);
        }
        Some(Self(sets))
    }
}

impl JsonSchema for Sets {
    fn schema_name() -> Cow<'static, str> {
        "Sets".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Keys to change, such as `[\"phases.measure=20s\"]`.",
            "type": "array",
            "items": { "type": "string", "pattern": "^.+=" }
        })
    }
}

impl Suite {
    /// The suite with its defaults. What makes no sense is reported.
    pub(super) fn resolve(self, sources: &Sources, errors: &mut Errors) -> super::Suite {
        let base = self.base.as_ref().map_or(Base::None, |base| Base::parse(&base.value.0));
        self.check_build(&base, errors);
        if self.scenarios.items.is_empty() {
            let span = self.name.span;
            let help = "add [[scenarios]] with scenario = \"steady\" and limits";
            errors.push(Diagnostic::new(span, "the suite has no scenarios", "here").help(help));
        }
        let mut checks: Vec<(Check, Span)> = Vec::new();
        for item in self.scenarios.items {
            let span = item.value.scenario.span;
            let check = item.value.resolve(sources);
            if let Some((_, first)) = checks.iter().find(|(other, _)| other.name == check.name) {
                let message = format!("two scenarios are called `{}`", check.name);
                errors.push(
                    Diagnostic::new(span, message, "the second")
                        .related(*first, "the first")
                        .help("give one of them another name = \"...\""),
                );
            }
            checks.push((check, span));
        }
        super::Suite {
            name: self.name.value.0,
            base,
            seeds: self.seeds.map_or(SEEDS_DEFAULT, |seeds| u64::from(seeds.value.0)),
            build: self.build.map(|build| build.value.0),
            binary: self.binary.map(|binary| binary.value.0),
            checks: checks.into_iter().map(|(check, _)| check).collect(),
        }
    }

    fn check_build(&self, base: &Base, errors: &mut Errors) {
        let (missing, there) = match (&self.build, &self.binary) {
            (Some(build), None) => ("binary", build.span),
            (None, Some(binary)) => ("build", binary.span),
            (Some(build), Some(_)) if !matches!(base, Base::Git(_)) => {
                let message = "only a base of `git:REVISION` can be built";
                errors.push(Diagnostic::new(build.span, message, "nothing to build in"));
                return;
            }
            _ => return,
        };
        let message = format!("`{missing}` is missing: build and binary belong together");
        errors.push(Diagnostic::new(there, message, "the other one"));
    }
}

impl SuiteScenario {
    fn resolve(self, sources: &Sources) -> Check {
        let line = sources.place(self.scenario.span).line;
        let scenario = self.scenario.value.0;
        let mut limits = self.limits.map(|limits| limits.value.items).unwrap_or_default();
        for (limit, span) in &mut limits {
            limit.line = sources.place(*span).line;
        }
        Check {
            name: self.name.map_or_else(|| scenario.clone(), |name| name.value.0),
            scenario,
            sets: self.set.map(|set| set.value.0).unwrap_or_default(),
            limits: limits.into_iter().map(|(limit, _)| limit).collect(),
            line,
        }
    }
}
