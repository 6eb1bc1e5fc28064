//! A small Kafka client, whose codec is not ours, and a broker to talk to.

use crate::common::Place;
use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, FindCoordinatorRequest, GroupId, InitProducerIdRequest, MetadataRequest,
    ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Tries before something that takes a moment counts as failed, 20 ms apart.
const TRIES: usize = 1000;

/// A `stormglass serve` that says where it listens.
pub(crate) struct Serving {
    child: Child,
    pub(crate) addresses: Vec<String>,
    /// Where counts are asked for, if `--metrics` was given.
    pub(crate) metrics: Option<String>,
}

impl Serving {
    /// On free ports, with its log in `DIR.log`.
    pub(crate) fn start(place: &Place, dir: &str, more: &[&str]) -> Self {
        let words = ["serve", "--data-dir", dir, "--listen", "127.0.0.1:0"];
        Self::begin(place.command(&[&words[..], more].concat()), place, dir, more)
    }

    /// The same where no file may have more than that many blocks of 512 bytes, as on a volume that
    /// fails: a write behind them is an error (EFBIG).
    pub(crate) fn start_with_small_files(place: &Place, dir: &str, blocks: u32) -> Self {
        let words = ["serve", "--data-dir", dir, "--listen", "127.0.0.1:0"];
        let command = place.command(&words);
        let limits = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &limits]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(place.path("")).stdin(Stdio::null()).stdout(Stdio::piped());
        Self::begin(shell, place, dir, &[])
    }

    fn begin(mut command: Command, place: &Place, dir: &str, more: &[&str]) -> Self {
        command.stderr(File::create(place.path(&format!("{dir}.log"))).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let metrics = more.contains(&"--metrics").then(|| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let address = line.strip_prefix("metrics on http://").unwrap();
            address.strip_suffix("/metrics\n").unwrap().to_owned()
        });
        let log = || place.read(&format!("{dir}.log"));
        let list = line.trim().strip_prefix("serving Kafka clients on ");
        let list = list.unwrap_or_else(|| panic!("{line}{}", log()));
        Self { child, addresses: list.split(',').map(str::to_owned).collect(), metrics }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.addresses[0])
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for an end that nobody asked for; the exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// SIGTERM; the process must end well.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // a test that failed leaves no process behind; one that ended has none
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    correlation: i32,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        Self::try_connect(address, Duration::from_secs(30)).unwrap()
    }

    /// To a broker that may not be there, or not answer in this time.
    pub(crate) fn try_connect(address: &str, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream, correlation: 0 })
    }

    /// Asks and reads the answer.
    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.try_call(version, request).unwrap()
    }

    /// The same where the broker may go away.
    pub(crate) fn try_call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> io::Result<R::Response> {
        self.try_send(version, request)?;
        self.try_receive::<R>(version)
    }

    /// Asks.
    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.try_send(version, request).unwrap();
    }

    fn try_send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<()> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(text("test")));
        let mut out = BytesMut::new();
        header.encode(&mut out, R::header_version(version)).unwrap();
        request.encode(&mut out, version).unwrap();
        let len = u32::try_from(out.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&len, &out[..]].concat())
    }

    /// Reads the answer to the last question.
    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        self.try_receive::<R>(version).unwrap()
    }

    fn try_receive<R: Request>(&mut self, version: i16) -> io::Result<R::Response> {
        let mut answer = self.read_frame()?;
        let header_version = <R::Response as HeaderVersion>::header_version(version);
        let header = ResponseHeader::decode(&mut answer, header_version).unwrap();
        assert_eq!(header.correlation_id, self.correlation);
        let response =
            <R::Response as kafka_protocol::protocol::Decodable>::decode(&mut answer, version);
        assert!(!answer.has_remaining(), "bytes follow the answer");
        Ok(response.unwrap())
    }

    fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }

    /// Asks for a topic until it is there with a leader; the first question may create it. Returns
    /// the leader of its first partition.
    pub(crate) fn topic(&mut self, name: &str) -> i32 {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(true);
        retry(|| {
            let answer = self.call(9, &request);
            let partition = answer.topics[0].partitions.first()?;
            (partition.error_code == 0).then_some(partition.leader_id.0)
        })
    }

    /// A producer id.
    pub(crate) fn producer(&mut self) -> i64 {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        retry(|| {
            let answer = self.call(4, &request);
            (answer.error_code == 0).then_some(answer.producer_id.0)
        })
    }

    /// Waits until a group has a coordinator.
    pub(crate) fn coordinator(&mut self, group: &str) {
        let request = FindCoordinatorRequest::default().with_key(text(group));
        retry(|| (self.call(3, &request).error_code == 0).then_some(()));
    }

    /// Produces with `acks=all`; error and base offset.
    pub(crate) fn produce(&mut self, topic: &str, batch: Bytes) -> (i16, i64) {
        self.try_produce(topic, batch).unwrap()
    }

    /// The same where the broker may go away.
    pub(crate) fn try_produce(&mut self, topic: &str, batch: Bytes) -> io::Result<(i16, i64)> {
        let data = PartitionProduceData::default().with_records(Some(batch));
        let data = TopicProduceData::default()
            .with_name(topic_name(topic))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(20_000)
            .with_topic_data(vec![data]);
        let answer = self.try_call(9, &request)?;
        let partition = &answer.responses[0].partition_responses[0];
        Ok((partition.error_code, partition.base_offset))
    }

    /// Values of the records from an offset on, with their offsets.
    pub(crate) fn consume(&mut self, topic: &str, from: i64) -> Vec<(i64, Bytes)> {
        self.try_consume(topic, from).unwrap().expect("the leader has it")
    }

    /// The same where the broker may go away, or lead no more (`None`).
    pub(crate) fn try_consume(
        &mut self,
        topic: &str,
        from: i64,
    ) -> io::Result<Option<Vec<(i64, Bytes)>>> {
        let partition =
            FetchPartition::default().with_fetch_offset(from).with_partition_max_bytes(10 << 20);
        let asked =
            FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_max_wait_ms(100)
            .with_min_bytes(1)
            .with_max_bytes(50 << 20)
            .with_topics(vec![asked]);
        let answer = self.try_call(11, &request)?;
        let partition = &answer.responses[0].partitions[0];
        if partition.error_code != 0 {
            return Ok(None);
        }
        let mut bytes = partition.records.clone().unwrap_or_default();
        let sets = RecordBatchDecoder::decode_all(&mut bytes).unwrap();
        let records = sets.into_iter().flat_map(|set| set.records);
        let records = records.filter(|record| record.offset >= from);
        let found = records.map(|record| (record.offset, record.value.unwrap_or_default()));
        Ok(Some(found.collect()))
    }
}

/// Tries until there is a result.
#[track_caller]
pub(crate) fn retry<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(done) = attempt() {
            return done;
        }
        pause();
    }
    panic!("still not done after {TRIES} tries");
}

#[expect(clippy::disallowed_methods, reason = "a real process needs real time")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(crate) fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// A batch of records, of an idempotent producer when one is given with its first sequence.
pub(crate) fn batch(values: &[&str], producer: Option<(i64, i32)>) -> Bytes {
    let (id, sequence) = producer.unwrap_or((-1, -1));
    encode(values, (id, if producer.is_some() { 0 } else { -1 }, sequence), false)
}

/// A batch within a transaction of a producer, with its epoch and first sequence.
pub(crate) fn transactional_batch(values: &[&str], producer: (i64, i16, i32)) -> Bytes {
    encode(values, producer, true)
}

/// A batch of records with keys; without a value they are tombstones.
pub(crate) fn keyed_batch(pairs: &[(&str, Option<&str>)]) -> Bytes {
    let record = |(delta, (key, value)): (i32, &(&str, Option<&str>))| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(delta),
        sequence: delta - 1,
        timestamp: 1_700_000_000_000 + i64::from(delta),
        key: Some(Bytes::from((*key).to_owned())),
        value: value.map(|value| Bytes::from(value.to_owned())),
        headers: indexmap::IndexMap::default(),
    };
    let records: Vec<Record> = (0..).zip(pairs).map(record).collect();
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut out, &records, &options).unwrap();
    out.freeze()
}

fn encode(
    values: &[&str],
    (producer_id, producer_epoch, sequence): (i64, i16, i32),
    transactional: bool,
) -> Bytes {
    let record = |(delta, value): (i32, &&str)| Record {
        transactional,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(delta),
        // counted up in any case: where it is not, the encoder begins another batch
        sequence: sequence + delta,
        timestamp: 1_700_000_000_000 + i64::from(delta),
        key: None,
        value: Some(Bytes::from((*value).to_owned())),
        headers: indexmap::IndexMap::default(),
    };
    let records: Vec<Record> = (0..).zip(values).map(record).collect();
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut out, &records, &options).unwrap();
    out.freeze()
}
