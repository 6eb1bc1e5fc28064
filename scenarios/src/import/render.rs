//! The scenario's text, with the origin of every value beside it, checked as any other scenario is.

use super::draft::{
    Configs, ConsumerDraft, Draft, Fact, ProducerDraft, Rate, TopicDraft, plain_name,
};
use super::{Found, ImportError, ImportOptions, Imported};
use crate::load;
use crate::text::source::Source;

/// Replicated bytes that are worth loading before the run: below, they change nothing.
const PRELOAD_MIN: u64 = 1 << 20;

/// The text, and the lists of what was found, guessed and left out.
pub(super) fn scenario(draft: Draft, options: &ImportOptions) -> Result<Imported, ImportError> {
    let name = options.name.as_deref().map(plain_name);
    let name = name.or_else(|| draft.name.as_ref().map(|name| name.value.clone()));
    let name = name.unwrap_or_else(|| "imported".to_owned());
    let mut text = Text::default();
    let from = match (&options.name, &draft.name) {
        (Some(_), _) => Some("--name"),
        (None, known) => known.as_ref().and_then(|name| name.from.as_deref()),
    };
    header(&draft, (&name, from), &mut text);
    cluster(&draft, &mut text);
    for (name, topic) in &draft.topics {
        topic_table(name, topic, &mut text);
    }
    for producer in &draft.producers {
        producer_table(producer, &mut text);
    }
    for consumer in &draft.consumers {
        consumer_table(consumer, &mut text);
    }
    for event in &draft.events {
        text.table("[[events]]");
        for (key, value) in &event.keys {
            text.line(key, value, (*key == "fault").then_some(event.from.as_str()));
        }
    }
    text.table("[phases]");
    phase("warmup", draft.warmup_seconds.as_ref(), &mut text);
    phase("measure", draft.measure_seconds.as_ref(), &mut text);
    text.line("heal", "\"0s\"", None);
    text.line("drain", "\"30s\"", None);
    text.table("[thresholds]");
    text.line("lost_records", "[\"value == 0\"]", None);
    verified(&name, &text.lines)?;
    Ok(Imported {
        name,
        found: text.found,
        guessed: draft.guessed,
        left_out: draft.left_out,
        sweep: draft.sweep,
        toml: text.lines,
    })
}

/// The text must be a scenario: what is wrong with it then is wrong in the files.
fn verified(name: &str, toml: &str) -> Result<(), ImportError> {
    load(&Source::new(name, toml), &[], 1).map(|_| ()).map_err(|error| {
        let records = error.records();
        let first = records.first();
        let message = first.map_or_else(|| error.to_string(), |record| record.message.clone());
        let number = first.map_or(1, |record| record.line.max(1)) as usize;
        let line = toml.lines().nth(number - 1).unwrap_or_default();
        let place = line.split_once(" # from ").map_or(line, |(_, from)| from);
        let mut failed = ImportError::new(place, message);
        failed.help = first.and_then(|record| record.help.clone());
        failed
    })
}

#[derive(Default)]
struct Text {
    lines: String,
    found: Vec<Found>,
    table: String,
}

impl Text {
    fn comment(&mut self, comment: &str) {
        self.lines.push_str(&format!("# {}\n", one_line(comment)));
    }

    fn table(&mut self, header: &str) {
        self.lines.push_str(&format!("\n{header}\n"));
        self.table = header.trim_matches(['[', ']']).to_owned();
    }

    fn line(&mut self, key: &str, value: &str, from: Option<&str>) {
        self.lines.push_str(&format!("{key} = {value}"));
        if let Some(from) = from {
            let from = one_line(from);
            self.lines.push_str(&format!(" # from {from}"));
            let key = if self.table.is_empty() {
                key.to_owned()
            } else {
                format!("{}.{key}", self.table)
            };
            self.found.push(Found { key, value: value.to_owned(), from });
        }
        self.lines.push('\n');
    }

    /// A line of a fact, or of a guess.
    fn fact<T>(&mut self, key: &str, fact: Option<&Fact<T>>, value: impl Fn(&T) -> String) {
        let Some(fact) = fact else { return };
        let text = value(&fact.value);
        match &fact.from {
            Some(from) => self.line(key, &text, Some(from)),
            None => self.lines.push_str(&format!("{key} = {text} # guessed\n")),
        }
    }

    fn configs(&mut self, configs: &Configs) {
        for (key, value) in configs {
            self.fact(&format!("config.\"{key}\""), Some(value), |value| config_value(value));
        }
    }
}

fn header(draft: &Draft, (name, from): (&str, Option<&str>), text: &mut Text) {
    text.comment(
        "Imported. What is marked `guessed`, and what the lists below name, is worth a look.",
    );
    let lists = [("Guessed", &draft.guessed), ("Left out", &draft.left_out)];
    for (title, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        text.comment(&format!("{title}:"));
        for item in list {
            text.comment(&format!("- {item}"));
        }
    }
    if !draft.sweep.is_empty() {
        text.comment("The files vary these keys; sweep them:");
        for varied in &draft.sweep {
            text.comment(&format!("--vary '{}={}'", varied.path, varied.values.join(",")));
        }
    }
    text.lines.push('\n');
    text.line("name", &quoted(name), from);
    text.line("question", "\"How does the imported cluster carry its load?\"", None);
    text.line("expect", "\"No acknowledged record is lost.\"", None);
}

fn cluster(draft: &Draft, text: &mut Text) {
    let cluster = &draft.cluster;
    let family = cluster.instance.as_ref().and_then(|name| name.value.split('.').next());
    let kind = match family {
        _ if cluster.is_serverless => "msk-serverless",
        Some("kafka") => "msk-standard",
        Some("express") => "msk-express",
        _ => "self-managed",
    };
    text.table("[cluster]");
    text.line("kind", &quoted(kind), None);
    text.fact("region", cluster.region.as_ref(), |region| quoted(region));
    text.fact("instance", cluster.instance.as_ref(), |name| quoted(name));
    text.fact("brokers", cluster.brokers.as_ref(), u32::to_string);
    text.fact("azs", cluster.azs.as_ref(), u32::to_string);
    text.fact("kafka", cluster.kafka.as_ref(), |version| quoted(version));
    text.fact("storage.size", cluster.storage_gib.as_ref(), |gib| quoted(&format!("{gib} GiB")));
    text.fact("storage.throughput", cluster.throughput_mib.as_ref(), |mib| {
        quoted(&format!("{mib} MiB/s"))
    });
    let tls = |tls: &bool| quoted(if *tls { "tls" } else { "plaintext" });
    text.fact("encryption.client", cluster.client_tls.as_ref(), tls);
    text.fact("encryption.in_cluster", cluster.in_cluster_tls.as_ref(), tls);
    text.configs(&cluster.config);
}

fn topic_table(name: &str, topic: &TopicDraft, text: &mut Text) {
    text.table("[[topics]]");
    text.line("name", &quoted(name), None);
    text.fact("partitions", topic.partitions.as_ref(), u32::to_string);
    text.fact("replication", topic.replication.as_ref(), u32::to_string);
    let stored = topic.stored_bytes.as_ref().filter(|bytes| bytes.value >= PRELOAD_MIN);
    text.fact("preload", stored, |bytes| quoted(&format!("{bytes} B")));
    text.configs(&topic.config);
}

fn producer_table(producer: &ProducerDraft, text: &mut Text) {
    let rate = |rate: &Rate| match rate {
        Rate::Bytes(bytes) => quoted(&format!("{bytes} B/s")),
        Rate::Records(records) => quoted(&format!("{records} records/s")),
    };
    text.table("[[producers]]");
    text.line("name", &quoted(&producer.name), None);
    text.line("topic", &quoted(&producer.topic), None);
    text.fact("count", Some(&producer.count), u32::to_string);
    if producer.curve.is_empty() {
        text.fact("rate", Some(&producer.rate), rate);
    } else {
        let points: Vec<String> = producer
            .curve
            .iter()
            .map(|(at, value)| format!("{{ at = \"{at}s\", rate = {} }}", rate(value)))
            .collect();
        text.line("curve", &format!("[{}]", points.join(", ")), producer.rate.from.as_deref());
        text.line("interpolation", "\"step\"", None);
    }
    text.fact("record_size", Some(&producer.record_bytes), |bytes| quoted(&format!("{bytes} B")));
    text.fact("arrival", producer.arrival.as_ref(), |kind| quoted(kind));
    text.fact("keys", producer.keys.as_ref(), |count| {
        format!("{{ uniform = {{ count = {count} }} }}")
    });
    text.fact("compressed_to", producer.compressed_percent.as_ref(), |share| {
        quoted(&format!("{share}%"))
    });
    text.configs(&producer.config);
}

fn consumer_table(consumer: &ConsumerDraft, text: &mut Text) {
    text.table("[[consumers]]");
    text.line("group", &quoted(&consumer.group), None);
    text.fact("topics", Some(&consumer.topics), |topics| {
        let names: Vec<String> = topics.iter().map(|name| quoted(name)).collect();
        format!("[{}]", names.join(", "))
    });
    text.fact("count", Some(&consumer.count), u32::to_string);
    text.configs(&consumer.config);
}

fn phase(key: &str, seconds: Option<&Fact<u64>>, text: &mut Text) {
    text.fact(key, seconds, |seconds| quoted(&format!("{seconds}s")));
}

/// Numbers and booleans bare, as Kafka's own types.
fn config_value(value: &str) -> String {
    let is_plain = value == "true" || value == "false" || value.parse::<i64>().is_ok();
    if is_plain { value.trim_start_matches('+').to_owned() } else { quoted(value) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Comments hold no control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
