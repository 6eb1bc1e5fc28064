//! What the two may answer differently, and why. An entry that covers nothing is an error.

use super::script::Difference;

/// Fields of some answers.
#[derive(Debug)]
pub(super) struct Accepted {
    /// How the question begins.
    pub(super) question: &'static str,
    /// What the field's path contains.
    pub(super) field: &'static str,
    pub(super) why: &'static str,
}

impl Accepted {
    pub(super) fn covers(&self, found: &Difference) -> bool {
        found.question.starts_with(self.question) && found.field.contains(self.field)
    }
}

pub(super) const ACCEPTED: [Accepted; 18] = [
    Accepted {
        question: "",
        field: "configs[\"min.insync.replicas\"]",
        why: "Kafka 4.1 keeps it as a config of the whole cluster (KIP-966); here it is of server.properties",
    },
    Accepted {
        question: "DescribeConfigs",
        field: "synonyms",
        why: "what a topic inherits is told for every key; Kafka leaves out keys without a default of the broker's",
    },
    Accepted {
        question: "DescribeConfigs, with documentation",
        field: "documentation",
        why: "configs are not documented here",
    },
    Accepted {
        question: "CreateTopics, assignment and counts",
        field: "",
        why: "counts beside an assignment are not looked at",
    },
    Accepted {
        question: "CreateTopics, null for a value",
        field: "",
        why: "no value means the default",
    },
    Accepted {
        question: "ListConfigResources, topics",
        field: "",
        why: "the topics of the two questions above are there, in Kafka they are not",
    },
    Accepted {
        question: "ElectLeaders, all",
        field: "",
        why: "Kafka lists every topic, with no partition in it; here only partitions that were elected",
    },
    Accepted {
        question: "Fetch, a last epoch that never was",
        field: "",
        why: "a diverging epoch comes with the log's state; clients look at neither",
    },
    Accepted {
        question: "Fetch, a leader epoch to come",
        field: "",
        why: "an error comes with the log's state; clients do not look at it",
    },
    Accepted {
        question: "Fetch, behind the end",
        field: "",
        why: "an error comes with the log's state; clients do not look at it",
    },
    Accepted {
        question: "Fetch, below 0",
        field: "",
        why: "an error comes with the log's state; clients do not look at it",
    },
    Accepted {
        question: "Fetch, deleted records",
        field: "",
        why: "an error comes with the log's state; clients do not look at it",
    },
    Accepted {
        question: "Fetch, an unknown",
        field: "aborted_transactions",
        why: "null where Kafka has an empty list",
    },
    Accepted {
        question: "Fetch, half a batch",
        field: "records",
        why: "whole batches only; Kafka cuts the last one where the limit is, and clients drop it",
    },
    Accepted { question: "Produce", field: "error_message", why: "a refusal is its code alone" },
    Accepted {
        question: "Produce, the same batch again",
        field: "log_append_time_ms",
        why: "Kafka remembers a time for batches with producer's times",
    },
    Accepted {
        question: "ConsumerGroupDescribe, left",
        field: "assignment_epoch",
        why: "a group that is empty has an assignment of nothing to nobody",
    },
    Accepted {
        question: "",
        field: "error_message",
        why: "the wording is the broker's own, and Kafka has none in places",
    },
];
