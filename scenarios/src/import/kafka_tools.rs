//! Output of kafka-topics, kafka-log-dirs and kafka-consumer-groups with `--describe`.

use super::ImportError;
use super::detect::is_groups_header;
use super::doc::Doc;
use super::draft::{Configs, ConsumerDraft, Draft, Fact, plain_name, set};
use super::properties::{Owner, keep};
use std::collections::{BTreeMap, BTreeSet};

const PARTITIONS_MAX: u32 = 100_000;

/// kafka-topics: a line per topic, then a line per partition.
pub(super) fn topics(file: &str, text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let mut brokers = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let place = format!("{file}:{number}");
        let fields = fields(line);
        let Some(name) = fields.get("Topic").copied() else { continue };
        if let Some(partitions) = fields.get("PartitionCount") {
            topic_line(name, partitions, &fields, &place, draft)?;
        } else if let Some(replicas) = fields.get("Replicas") {
            for id in replicas.split(',').filter(|id| !id.is_empty()) {
                let id = id.trim().parse::<i32>().map_err(|_| {
                    ImportError::new(&place, format!("`{id}` in Replicas is not a broker id"))
                })?;
                brokers.insert(id);
            }
        }
    }
    if draft.topics.is_empty() {
        return Err(ImportError::new(file, "no topic has a line with PartitionCount"));
    }
    note_brokers(brokers.len(), &format!("{file}, ids in Replicas"), draft);
    Ok(())
}

fn topic_line(
    name: &str,
    partitions: &str,
    fields: &BTreeMap<&str, &str>,
    place: &str,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    let number = |key: &str, text: &str, max: u32| {
        let number = text.trim().parse::<u32>().ok().filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| {
            ImportError::new(place, format!("{key} `{text}` is not a number from 1 to {max}"))
        })
    };
    let partitions = number("PartitionCount", partitions, PARTITIONS_MAX)?;
    let factor = fields.get("ReplicationFactor");
    let factor = factor.map(|text| number("ReplicationFactor", text, 32)).transpose()?;
    let mut config = Configs::new();
    let text = fields.get("Configs").copied().unwrap_or_default();
    keep(config_pairs(text), Owner::Topic, place, &mut config, draft);
    let Some(topic) = draft.topic(name, place)? else { return Ok(()) };
    set(&mut topic.partitions, partitions, place)?;
    if let Some(factor) = factor {
        set(&mut topic.replication, factor, place)?;
    }
    topic.config.extend(config);
    Ok(())
}

/// `Key: value` fields, separated by tabs, or by several spaces where those have become of them.
fn fields(line: &str) -> BTreeMap<&str, &str> {
    let separator = if line.trim_start().contains('\t') { "\t" } else { "  " };
    line.split(separator)
        .filter_map(|field| field.split_once(':'))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}

/// `a=b,c=d`, where a value may hold commas itself.
fn config_pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        match (part.split_once('='), pairs.last_mut()) {
            (Some((key, value)), _) => pairs.push((key.trim().to_owned(), value.to_owned())),
            (None, Some((_, value))) => value.push_str(&format!(",{part}")),
            (None, None) => {}
        }
    }
    pairs
}

/// Brokers that were seen are a lower bound: a broker may have no replica.
fn note_brokers(count: usize, from: &str, draft: &mut Draft) {
    if let Some(count) = u32::try_from(count).ok().filter(|count| *count > 0)
        && draft.cluster.brokers.is_none()
    {
        draft.cluster.brokers = Some(Fact::new(count, from));
    }
}

/// kafka-log-dirs: bytes of every replica. The largest one of a partition is whole; one that is behind,
/// or whose disk does not answer, says less.
pub(super) fn log_dirs(doc: &Doc<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let list = doc.need("brokers")?;
    let brokers = list.items()?;
    let mut sizes: BTreeMap<String, BTreeMap<u32, u64>> = BTreeMap::new();
    for broker in &brokers {
        for dir in broker.need("logDirs")?.items()? {
            if let Some(error) = dir.get("error") {
                draft.leave_out(format!("{}: {}", dir.place(), error.scalar()?));
            }
            let Some(list) = dir.get("partitions") else { continue };
            for replica in list.items()? {
                if replica.get("isFuture").is_some_and(|doc| doc.value().as_bool() == Some(true)) {
                    continue;
                }
                let name = replica.need("partition")?;
                let (topic, number) = name
                    .text()?
                    .rsplit_once('-')
                    .and_then(|(topic, number)| Some((topic, number.parse::<u32>().ok()?)))
                    .filter(|(_, number)| *number < PARTITIONS_MAX)
                    .ok_or_else(|| name.error("not TOPIC-NUMBER"))?;
                let bytes = replica.need("size")?.whole(1 << 50)?;
                let largest = sizes.entry(topic.to_owned()).or_default().entry(number).or_default();
                *largest = bytes.max(*largest);
            }
        }
    }
    let place = list.place().to_owned();
    for (name, partitions) in sizes {
        let highest = partitions.keys().next_back().copied();
        let bytes = partitions.into_values().fold(0, u64::saturating_add);
        let Some(topic) = draft.topic(&name, &place)? else { continue };
        set(&mut topic.stored_bytes, bytes, &place)?;
        if topic.partitions.is_none() {
            topic.partitions = highest.map(|highest| Fact::new(highest + 1, place.as_str()));
        }
    }
    note_brokers(brokers.len(), &place, draft);
    Ok(())
}

/// kafka-consumer-groups: a table for each group, a row for each partition.
pub(super) fn groups(file: &str, text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let mut columns: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    let mut named = None;
    for (number, line) in (1..).zip(text.lines()) {
        if is_groups_header(line) {
            columns = line.split_whitespace().collect();
            continue;
        }
        // Versions before 2.2 have no column for the group, only lines such as this one.
        if let Some((_, rest)) = line.split_once("onsumer group '") {
            named = rest.split_once('\'').map(|(name, _)| name.to_owned());
            continue;
        }
        let place = format!("{file}:{number}");
        let Some(row) = row(line, &columns) else { continue };
        let row = row.map_err(|message| ImportError::new(&place, message))?;
        if draft.topic(row.topic, &place)?.is_none() {
            continue;
        }
        let group = row.group.or_else(|| named.clone()).unwrap_or_else(|| {
            draft.guess("a group is called group: no column tells its name");
            "group".to_owned()
        });
        let (topics, members) = groups.entry(group).or_default();
        topics.insert(row.topic.to_owned());
        members.extend(row.member);
    }
    if groups.is_empty() {
        return Err(ImportError::new(file, "no row of the table is of a group"));
    }
    for (name, (topics, members)) in groups {
        let count = match u32::try_from(members.len()) {
            Ok(count) if count > 0 => Fact::new(count.min(10_000), file),
            _ => {
                draft.guess(format!("group {name} has one member: it had none when asked"));
                Fact::guess(1)
            }
        };
        draft.consumers.push(ConsumerDraft {
            group: plain_name(&name),
            topics: Fact::new(topics, file),
            count,
            config: Configs::new(),
        });
    }
    Ok(())
}

/// A row of the table of groups.
struct Row<'a> {
    group: Option<String>,
    topic: &'a str,
    member: Option<String>,
}

/// A row by its columns, if the line is one. Groups and clients may have spaces in their names, which
/// makes more words than columns: the partition is a number, and what is beside it is known by that.
fn row<'a>(line: &'a str, columns: &[&str]) -> Option<Result<Row<'a>, &'static str>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let column = |name: &str| columns.iter().position(|column| *column == name);
    let (topic_at, partition_at) = (column("TOPIC")?, column("PARTITION")?);
    // Lines such as "Warning: Consumer group 'x' is rebalancing." are no rows.
    let more = words.len().checked_sub(columns.len())?;
    let is_number = |shift: &usize| {
        words.get(partition_at + shift).is_some_and(|word| word.parse::<u32>().is_ok())
    };
    let shift = (0..=more).find(is_number);
    if shift.is_none() && (more > 0 || words.get(topic_at) == Some(&"-")) {
        return None;
    }
    let Some(shift) = shift else { return Some(Err("PARTITION is not a number")) };
    let group = column("GROUP").map(|at| words[at..=at + shift].join(" "));
    let member = column("CONSUMER-ID").or_else(|| column("OWNER"));
    let member = member.map(|at| {
        // Its spaces are not told from those of the host and the client after it.
        let end = if shift < more { words.len() } else { at + shift + 1 };
        words[at + shift..end].join(" ")
    });
    let member = member.filter(|member| !member.starts_with("- ") && member != "-");
    Some(Ok(Row { group, topic: words[topic_at + shift], member }))
}
