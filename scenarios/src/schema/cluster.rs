//! `[cluster]`: brokers, hosts, storage, encryption, server.properties.

use super::decode::{At, Decode, Errors, List, Place, choice, missing, section, wrong_kind};
use super::scalar::{ByteRate, Config, Count, Duration, Name, Share, Size, Text};
use crate::bounds::{BROKERS_MAX, CONTROLLERS_MAX, VCPUS_MAX};
use crate::catalogue::managed::{SERVERLESS_INSTANCE, managed};
use crate::text::source::Span;
use crate::text::tree::{Node, Value};
use schemars::JsonSchema;

choice! {
    /// What kind of cluster is simulated.
    "a kind of cluster" Kind {
        /// Amazon MSK provisioned, Standard brokers.
        "msk-standard" MskStandard,
        /// Amazon MSK provisioned, Express brokers: quotas for each, no volumes.
        "msk-express" MskExpress,
        /// Amazon MSK Serverless: quotas for the cluster and its partitions, no brokers to choose.
        "msk-serverless" MskServerless,
        /// Kafka on EC2 instances that you run yourself.
        "self-managed" SelfManaged,
    }
}

choice! {
    /// Kind of data volume. MSK Standard has one kind, which this key cannot change.
    "a kind of volume" VolumeKind {
        /// EBS gp2: IOPS by size, with burst credits.
        "gp2" Gp2,
        /// EBS gp3: provisioned IOPS and throughput, no burst.
        "gp3" Gp3,
        /// The instance's own NVMe disks.
        "nvme" Nvme,
    }
}

choice! {
    /// Encryption in transit.
    "an encryption setting" Encryption {
        /// TLS.
        "tls" Tls,
        /// No encryption.
        "plaintext" Plaintext,
    }
}

section! {
    /// Brokers, hosts and their settings.
    "[cluster]" Cluster: whole {
        /// What kind of cluster is simulated.
        kind: At<Kind>,
        /// Instance type of each broker: `kafka.m7g.large` on MSK Standard, `express.m7g.large` on
        /// MSK Express, `r5.xlarge` on EC2. Not for Serverless.
        instance: Option<At<Text>>,
        /// Number of brokers. On MSK a multiple of the number of AZs. Not for Serverless.
        brokers: Option<At<Count<1, BROKERS_MAX>>>,
        /// Availability zones: how many (named `a`, `b`, `c`), or their names. Default: 3.
        azs: Option<At<Azs>>,
        /// AWS region, for prices. Default: `us-east-1`.
        region: Option<At<Name>>,
        /// Data volumes of each broker.
        storage: Option<At<Storage>>,
        /// KRaft controllers, an odd number. Default: 3. MSK always has 3.
        controllers: Option<At<Count<1, CONTROLLERS_MAX>>>,
        /// Instance type of each controller; only self-managed. Default: `m6g.large`.
        controller_instance: Option<At<Text>>,
        /// Kafka version, such as `3.9`. Default: `3.9`. Java clients are of the same version.
        kafka: Option<At<Text>>,
        /// Encryption in transit. Default on MSK: TLS everywhere; self-managed: plaintext.
        encryption: Option<At<EncryptionPaths>>,
        /// server.properties keys, for every broker.
        config: Option<At<Config>>,
        /// Hardware of brokers that no catalogue lists; with `instance = "custom"`, self-managed.
        host: Option<At<HostSpec>>,
        /// Round trips between hosts, where they differ from AWS's.
        network: Option<At<NetworkSpec>>,
    }
}

section! {
    /// Hardware of a broker that no catalogue lists. It does not burst and has no price.
    "cluster.host" HostSpec {
        /// Virtual CPUs.
        vcpus: At<Count<1, VCPUS_MAX>>,
        /// Speed of a vCPU against that of m5. Default: 100%.
        cpu_speed: Option<At<Share>>,
        /// Memory.
        memory: At<Size>,
        /// JVM heap. Default: half of the memory, at most 6 GiB.
        heap: Option<At<Size>>,
        /// Network interface, each direction.
        network: At<ByteRate>,
        /// Number of disks (log directories). Default: 1.
        disks: Option<At<Count<1, 24>>>,
        /// Size of each disk.
        disk_size: At<Size>,
        /// Sequential throughput of each disk.
        disk_throughput: At<ByteRate>,
        /// Operations per second of each disk.
        disk_iops: At<Count<1, 10_000_000>>,
        /// Median latency of an operation. Default: that of local NVMe disks.
        disk_latency: Option<At<Duration>>,
    }
}

section! {
    /// Round trips between hosts; the catalogue's distributions are scaled to these medians.
    "cluster.network" NetworkSpec {
        /// Median round trip within an AZ.
        same_az_rtt: Option<At<Duration>>,
        /// Median round trip between AZs.
        cross_az_rtt: Option<At<Duration>>,
    }
}

section! {
    /// Data volumes of each broker.
    "cluster.storage" Storage {
        /// Size of each volume. Default: 1000 GiB; `nvme` has the size of the instance's disks.
        size: Option<At<Size>>,
        /// Kind of volume; only self-managed. Default: `gp3`.
        r#type: Option<At<VolumeKind>>,
        /// Provisioned throughput of each volume (MSK from `m5.4xlarge` or `m7g.2xlarge`; gp3).
        throughput: Option<At<ByteRate>>,
        /// Provisioned operations per second of each gp3 volume. Default: 3000.
        iops: Option<At<Count<100, 80_000>>>,
        /// Volumes (log directories) per broker; only self-managed. Default: 1.
        volumes: Option<At<Count<1, 24>>>,
    }
}

section! {
    /// Encryption in transit.
    "cluster.encryption" EncryptionPaths {
        /// Between clients and brokers.
        client: Option<At<Encryption>>,
        /// Between brokers.
        in_cluster: Option<At<Encryption>>,
    }
}

/// Availability zones: a number or names.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum Azs {
    /// How many, named `a`, `b`, `c` and so on.
    Number(Count<1, 6>),
    /// Names.
    Names(List<Name>),
}

impl Decode for Azs {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        match &node.value {
            Value::Integer(_) => Count::decode(node, errors).map(Self::Number),
            Value::Array(_) => {
                let names = List::decode(node, errors)?;
                names.complete.then_some(Self::Names(names))
            }
            _ => {
                errors.push(wrong_kind(node, "a number of AZs or a list of their names"));
                None
            }
        }
    }
}

impl Cluster {
    /// Only Serverless has no brokers to choose.
    fn whole(self, span: Span, errors: &mut Errors) -> Option<Self> {
        if self.kind.value == Kind::MskServerless {
            return Some(self);
        }
        let known = errors.len();
        for (key, is_missing) in
            [("instance", self.instance.is_none()), ("brokers", self.brokers.is_none())]
        {
            if is_missing {
                errors.push(missing(&Place { title: Self::TITLE, span, key }));
            }
        }
        (errors.len() == known).then_some(self)
    }

    /// Instance type of the brokers.
    pub(crate) fn instance_name(&self) -> &str {
        self.instance.as_ref().map_or(SERVERLESS_INSTANCE, |name| name.value.0.as_str())
    }

    /// Where the instance type stands.
    pub(crate) fn instance_span(&self) -> Span {
        self.instance.as_ref().map_or(self.kind.span, |name| name.span)
    }

    /// Number of brokers.
    pub(crate) fn broker_count(&self) -> u32 {
        self.brokers.as_ref().map_or(managed().serverless_brokers, |count| count.value.0)
    }

    /// Where the number of brokers stands.
    pub(crate) fn brokers_span(&self) -> Span {
        self.brokers.as_ref().map_or(self.kind.span, |count| count.span)
    }

    /// Names of the AZs.
    pub(crate) fn az_names(&self) -> Vec<String> {
        match self.azs.as_ref().map(|azs| &azs.value) {
            None => alphabet(3),
            Some(Azs::Number(count)) => alphabet(count.0),
            Some(Azs::Names(names)) => {
                names.items.iter().map(|name| name.value.0.clone()).collect()
            }
        }
    }
}

fn alphabet(count: u32) -> Vec<String> {
    ('a'..='z').take(count as usize).map(String::from).collect()
}
