//! Express, Serverless and small topics: what AWS decides, or what a scenario could not run with, is not
//! for a file to say.

use super::draft::{Draft, Fact};

/// Replicas of every topic on Express and Serverless.
const REPLICATION: u32 = 3;
/// What cannot be set there.
const FIXED: [&str; 3] =
    ["default.replication.factor", "min.insync.replicas", "unclean.leader.election.enable"];

impl Draft {
    /// Name of a cluster whose storage AWS keeps to itself, if it is one.
    fn managed(&self) -> Option<&'static str> {
        let instance = self.cluster.instance.as_ref();
        if self.cluster.is_serverless {
            Some("MSK Serverless")
        } else if instance.is_some_and(|name| name.value.starts_with("express.")) {
            Some("MSK Express")
        } else {
            None
        }
    }
}

/// After everything else has been guessed.
pub(super) fn settle(draft: &mut Draft) {
    small_topics(draft);
    let Some(name) = draft.managed() else { return };
    if draft.cluster.storage_gib.take().is_some() | draft.cluster.throughput_mib.take().is_some() {
        draft.leave_out(format!("volumes: {name} has none"));
    }
    if draft.cluster.azs.as_ref().is_some_and(|azs| azs.value != 3) {
        draft.guess(format!("3 AZs: {name} spans as many"));
        draft.cluster.azs = Some(Fact::guess(3));
    }
    let mut left = Vec::new();
    let fixed = |key: &String| FIXED.contains(&key.as_str());
    for (key, _) in draft.cluster.config.extract_if(.., |key, _| fixed(key)) {
        left.push(key);
    }
    for topic in draft.topics.values_mut() {
        left.extend(topic.config.extract_if(.., |key, _| fixed(key)).map(|(key, _)| key));
        if topic.replication.as_ref().is_some_and(|factor| factor.value != REPLICATION) {
            topic.replication = Some(Fact::guess(REPLICATION));
            left.push("replication factors".to_owned());
        }
    }
    for what in left {
        draft.leave_out(format!("{what}: {name} decides it"));
    }
    if draft.cluster.is_serverless {
        serverless(draft);
    }
}

/// There is nothing to choose but topics.
fn serverless(draft: &mut Draft) {
    let cluster = &mut draft.cluster;
    (cluster.instance, cluster.brokers) = (None, None);
    if !std::mem::take(&mut cluster.config).is_empty() {
        draft.leave_out("server.properties: MSK Serverless has none to set");
    }
}

/// One replica can never be two in-sync ones, which clusters that set nothing ask for: a benchmark's
/// topics have one often enough.
fn small_topics(draft: &mut Draft) {
    const KEY: &str = "min.insync.replicas";
    if draft.managed().is_some() {
        return;
    }
    let mut few = false;
    for topic in draft.topics.values_mut() {
        let is_one = topic.replication.as_ref().is_some_and(|factor| factor.value == 1);
        if is_one && !topic.config.contains_key(KEY) {
            topic.config.insert(KEY.to_owned(), Fact::guess("1".to_owned()));
            few = true;
        }
    }
    if few {
        draft.guess("min.insync.replicas 1 for topics of one replica");
    }
}
