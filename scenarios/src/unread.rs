//! Configs that a scenario writes and no simulation reads: said, so that nobody takes a result for
//! an answer to what it cannot answer. With them goes what else is to be said of a scenario before it is run.

use crate::catalogue::configs::{KeySet, KeySpec, configs};
use crate::catalogue::groups;
use crate::check;
use crate::crowded::crowded;
use crate::load::parsed;
use crate::resolve::{Role, client_keys};
use crate::schema::decode::{At, Decode as _};
use crate::schema::events::Action;
use crate::schema::scalar::Config;
use crate::schema::scenario::Scenario;
use crate::schema::workload::{Membership, Profile};
use crate::text::source::{Source, Sources, Span};
use std::collections::BTreeMap;

/// Server configs that have the defaults of those topic configs that are not read.
const INHERITED: [(&str, &str); 5] = [
    ("compression.type", "compression.type"),
    ("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    ("preallocate", "log.preallocate"),
    ("segment.index.bytes", "log.index.size.max.bytes"),
    ("segment.jitter.ms", "log.roll.jitter.hours"),
];

/// A config key that scenarios may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigKey {
    /// Section of the catalogue: `server`, `topic`, `java_producer` and so on.
    pub section: &'static str,
    /// Its name in a plan.
    pub name: &'static str,
    /// Whether the catalogue says that a simulation reads it.
    pub simulated: bool,
}

/// All config keys of the catalogue.
#[must_use]
pub fn config_keys() -> Vec<ConfigKey> {
    let all = configs();
    let sections = [
        ("server", groups::all_server_keys()),
        ("topic", &all.topic),
        ("java_producer", &all.java_producer),
        ("java_consumer", &all.java_consumer),
        ("librdkafka_producer", &all.librdkafka_producer),
        ("librdkafka_consumer", &all.librdkafka_consumer),
    ];
    let keys_of = |(section, set): (&'static str, &'static KeySet)| {
        set.keys.iter().map(move |(name, spec)| ConfigKey {
            section,
            name: spec.kafka.as_deref().unwrap_or(name),
            simulated: spec.simulated,
        })
    };
    sections.into_iter().flat_map(keys_of).collect()
}

/// A sentence for each config that `source` with `sets` gives another value than its default and
/// that changes nothing in a simulation; in order of place. Then one for more partitions than brokers are meant to
/// have. None for a scenario with errors, which [`crate::load`] reports.
#[must_use]
pub fn unread_configs(source: &Source, sets: &[(String, String)]) -> Vec<String> {
    let Ok((root, sources, mut errors)) = parsed(source, sets) else { return Vec::new() };
    let Some(scenario) = Scenario::decode(&root, &mut errors) else { return Vec::new() };
    check::check(&scenario, &mut errors);
    if !errors.is_empty() {
        return Vec::new();
    }
    let mut found = Found::of(&scenario);
    found.server(&scenario);
    found.topics(&scenario);
    found.clients(&scenario);
    let mut sentences = found.sentences(&sources, &source.name);
    sentences.extend(crowded(&scenario).map(|(spans, what)| {
        format!("partitions ({}): {what}", places(&spans, &sources, &source.name))
    }));
    sentences
}

/// What was found so far.
struct Found {
    is_msk: bool,
    kafka_major: u32,
    /// Where a key is written, and what it lacks to be read.
    keys: BTreeMap<(String, Option<&'static str>), Vec<Span>>,
}

impl Found {
    fn of(scenario: &Scenario) -> Self {
        let cluster = scenario.cluster.get();
        Self {
            is_msk: cluster.is_some_and(|cluster| cluster.plan_kind().is_msk()),
            kafka_major: cluster.map_or(3, |cluster| cluster.kafka_version().0),
            keys: BTreeMap::new(),
        }
    }

    /// What a key is when nobody writes it.
    fn default_of<'a>(&self, spec: &'a KeySpec) -> Option<&'a str> {
        let kafka = spec.from_4_0.as_ref().filter(|_| self.kafka_major >= 4);
        let kafka = kafka.or(spec.default.as_ref());
        spec.msk.as_ref().filter(|_| self.is_msk).or(kafka).map(String::as_str)
    }

    fn add(&mut self, key: &str, needs: Option<&'static str>, span: Span) {
        self.keys.entry((key.to_owned(), needs)).or_default().push(span);
    }

    fn server(&mut self, scenario: &Scenario) {
        let keys = &groups::all_server_keys().keys;
        let config = scenario.cluster.get().and_then(|cluster| cluster.config.as_ref());
        for entry in config.iter().flat_map(|config| &config.value.entries) {
            let Some(spec) = keys.get(&entry.key).filter(|spec| !spec.simulated) else { continue };
            if self.default_of(spec) != Some(entry.value.as_str()) {
                self.add(&entry.key, None, entry.key_span);
            }
        }
    }

    fn topics(&mut self, scenario: &Scenario) {
        let written = scenario.topics.items.iter().filter_map(|topic| topic.value.config.as_ref());
        for entry in written.flat_map(|config| &config.value.entries) {
            self.topic_key(&entry.key, &entry.value, entry.key_span);
        }
        for event in &scenario.events.items {
            if let Action::TopicConfig(change) = &event.value.action
                && let Some(value) = &change.value
            {
                self.topic_key(&change.key.value.0, &value.value.0, change.key.span);
            }
        }
    }

    fn topic_key(&mut self, key: &str, value: &str, span: Span) {
        if configs().topic.keys.get(key).is_none_or(|spec| spec.simulated) {
            return;
        }
        let inherited = INHERITED.iter().find(|(own, _)| *own == key);
        let spec = inherited.and_then(|(_, server)| configs().server.keys.get(*server));
        if spec.and_then(|spec| self.default_of(spec)) != Some(value) {
            self.add(key, None, span);
        }
    }

    fn clients(&mut self, scenario: &Scenario) {
        for producer in &scenario.producers.items {
            let producer = &producer.value;
            let is_transactional = producer.transactional.as_ref().is_some_and(|on| on.value);
            let given = [
                ("compressed_to", producer.compressed_to.is_some()),
                ("transactional", is_transactional),
            ];
            let keys = client_keys(profile(producer.profile.as_ref()), Role::Producer);
            self.client(producer.config.as_ref(), keys, &given);
        }
        for consumer in &scenario.consumers.items {
            let consumer = &consumer.value;
            let membership = consumer.membership.as_ref().map(|at| &at.value);
            let is_member = !matches!(membership, None | Some(Membership::None));
            let keys = client_keys(profile(consumer.profile.as_ref()), Role::Consumer);
            self.client(consumer.config.as_ref(), keys, &[("membership", is_member)]);
        }
    }

    /// The configs of one section; `given` says which of the keys that a config may need it has.
    fn client(
        &mut self,
        config: Option<&At<Config>>,
        keys: &KeySet,
        given: &[(&'static str, bool)],
    ) {
        for entry in config.iter().flat_map(|config| &config.value.entries) {
            let Some(spec) = keys.keys.get(&entry.key) else { continue };
            let default = spec.kafka.as_ref().and_then(|name| keys.keys.get(name)).unwrap_or(spec);
            if self.default_of(default) == Some(entry.value.as_str()) {
                continue;
            }
            let lacks =
                |needs: &String| given.iter().find(|(name, is_given)| name == needs && !is_given);
            match spec.needs.as_ref().and_then(lacks) {
                _ if !spec.simulated => self.add(&entry.key, None, entry.key_span),
                Some((needs, _)) => self.add(&entry.key, Some(*needs), entry.key_span),
                None => {}
            }
        }
    }

    fn sentences(self, sources: &Sources, name: &str) -> Vec<String> {
        let mut keys: Vec<_> = self.keys.into_iter().collect();
        keys.sort_by_key(|(_, spans)| spans.iter().min().copied());
        let sentence = |((key, needs), spans): ((String, Option<&str>), Vec<Span>)| {
            let without = needs.map(|needs| format!(" without `{needs}`")).unwrap_or_default();
            format!(
                "{key} ({}) changes nothing in a simulation{without}",
                places(&spans, sources, name)
            )
        };
        keys.into_iter().map(sentence).collect()
    }
}

fn profile(written: Option<&At<Profile>>) -> Profile {
    written.map_or(Profile::Java, |profile| profile.value)
}

/// Lines of the scenario, each once, and `--set`.
fn places(spans: &[Span], sources: &Sources, name: &str) -> String {
    let places: Vec<_> = spans.iter().map(|span| sources.place(*span)).collect();
    let (own, laid_over): (Vec<_>, Vec<_>) = places.into_iter().partition(|at| at.file == name);
    let mut lines: Vec<u32> = own.iter().map(|place| place.line).collect();
    lines.sort_unstable();
    lines.dedup();
    let word = if lines.len() == 1 { "line " } else { "lines " };
    let numbers: Vec<String> = lines.iter().map(u32::to_string).collect();
    let mut parts = Vec::new();
    if !lines.is_empty() {
        parts.push(format!("{word}{}", numbers.join(", ")));
    }
    parts.extend(laid_over.first().map(|place| place.file.clone()));
    parts.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, sets: &[(&str, &str)]) -> Vec<String> {
        let pair = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
        let sets: Vec<_> = sets.iter().map(pair).collect();
        let source = Source::library(name).unwrap();
        crate::load(&source, &sets, 1).unwrap();
        unread_configs(&source, &sets)
    }

    #[test]
    fn the_library_writes_nothing_in_vain() {
        for entry in crate::library() {
            assert_eq!(of(entry.name, &[]), Vec::<String>::new(), "{}", entry.name);
        }
    }

    #[test]
    fn what_is_not_read_is_named_where_it_is_written() {
        let sets = [
            ("cluster.config.queued.max.requests", "100"),
            ("cluster.config.num.io.threads", "16"),
            ("topics.0.config.compression.type", "zstd"),
            ("consumers.0.config.session.timeout.ms", "10000"),
        ];
        let all = of("steady", &sets);
        assert!(
            all.contains(&"queued.max.requests (--set) changes nothing in a simulation".to_owned()),
            "{all:?}"
        );
        assert!(all.iter().any(|one| one.starts_with("compression.type (--set)")), "{all:?}");
        assert!(all.iter().all(|one| !one.starts_with("num.io.threads")), "{all:?}");
    }

    #[test]
    fn defaults_are_no_news() {
        let sets = [
            ("cluster.config.queued.max.requests", "500"),
            ("topics.0.config.compression.type", "producer"),
        ];
        assert_eq!(of("steady", &sets), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_scenario_gets_no_notes() {
        let pair = |(path, value): (&str, &str)| (path.to_owned(), value.to_owned());
        for set in [("cluster.kafka", "abc"), ("cluster.instance", "none"), ("topics", "[]")] {
            let source = Source::library("steady").unwrap();
            assert_eq!(unread_configs(&source, &[pair(set)]), Vec::<String>::new());
        }
    }

    #[test]
    fn lines_are_the_scenarios_own() {
        let text = crate::library().iter().find(|entry| entry.name == "steady").unwrap().text;
        let at = text.lines().position(|line| line.trim() == "[cluster]").unwrap() + 2;
        let text = text.replacen("[cluster]", "[cluster]\nconfig.log.preallocate = true", 1);
        let source = Source::new("mine.toml", text);
        let expected = format!("log.preallocate (line {at}) changes nothing in a simulation");
        assert_eq!(unread_configs(&source, &[]), [expected]);
    }
}
