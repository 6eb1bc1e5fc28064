//! Operations that whoever asks may do (KIP-430). There is no authorizer: everybody may do everything
//! that there is for a kind of resource.

/// A bit for each operation, by Kafka's `AclOperation` codes.
const fn bits<const N: usize>(codes: [u32; N]) -> i32 {
    let (mut bits, mut at) = (0, 0);
    while at < N {
        bits |= 1 << codes[at];
        at += 1;
    }
    bits
}

const READ: u32 = 3;
const WRITE: u32 = 4;
const CREATE: u32 = 5;
const DELETE: u32 = 6;
const ALTER: u32 = 7;
const DESCRIBE: u32 = 8;
const CLUSTER_ACTION: u32 = 9;
const DESCRIBE_CONFIGS: u32 = 10;
const ALTER_CONFIGS: u32 = 11;
const IDEMPOTENT_WRITE: u32 = 12;

const ON_CLUSTER: i32 = bits([
    CREATE,
    ALTER,
    DESCRIBE,
    CLUSTER_ACTION,
    DESCRIBE_CONFIGS,
    ALTER_CONFIGS,
    IDEMPOTENT_WRITE,
]);
const ON_TOPIC: i32 =
    bits([READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);
const ON_GROUP: i32 = bits([READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);

/// Not asked for.
const UNKNOWN: i32 = i32::MIN;

/// What a request wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Operations {
    /// Of the cluster.
    pub(crate) on_cluster: bool,
    /// Of each topic or group.
    pub(crate) on_each: bool,
}

impl Operations {
    pub(super) fn cluster(self) -> i32 {
        if self.on_cluster { ON_CLUSTER } else { UNKNOWN }
    }

    pub(super) fn topic(self) -> i32 {
        if self.on_each { ON_TOPIC } else { UNKNOWN }
    }

    pub(super) fn group(self) -> i32 {
        if self.on_each { ON_GROUP } else { UNKNOWN }
    }
}
