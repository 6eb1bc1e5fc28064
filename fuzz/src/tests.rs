//! Every file of the corpus, on any compiler.

use super::{batches, configs, frames, imports, metadata, nodes, recovery};
use std::fs;
use std::path::Path;

/// Runs the files of a directory, and the same cut short and with a byte changed.
fn run(name: &str, target: impl Fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.is_file()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no files");
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        target(&bytes);
        target(&bytes[..bytes.len() / 2]);
        let mut changed = bytes;
        if let Some(byte) = changed.iter_mut().nth_back(3) {
            *byte ^= 0x81;
        }
        target(&changed);
    }
}

#[test]
fn corpus_of_frames() {
    run("corpus/frames", |data| {
        frames(data);
    });
}

#[test]
fn corpus_of_nodes() {
    run("corpus/nodes", nodes);
}

#[test]
fn corpus_of_batches() {
    run("corpus/batches", batches);
}

#[test]
fn corpus_of_metadata() {
    run("corpus/metadata", metadata);
}

#[test]
fn corpus_of_recovery() {
    run("corpus/recovery", recovery);
}

#[test]
fn corpus_of_configs() {
    // the scenarios of other tests, which are not held twice
    for dir in ["../tests/scenarios", "../scenarios/negative", "corpus/configs"] {
        run(dir, configs);
    }
}

#[test]
fn corpus_of_imports() {
    for dir in ["../scenarios/tests/import/good", "../scenarios/tests/import/bad"] {
        run(dir, imports);
    }
}

#[test]
fn gen_nodes() {
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::*;
    use stormglass_broker_core::protocol::*;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/nodes");
    fs::create_dir_all(&dir).unwrap();
    let tp = TopicPartition::new(TopicId(1 << 80), 3);
    let hello =
        stormglass_wire::Hello { cluster_id: "cluster".into(), from: NodeId(1), to: NodeId(2) };
    fs::write(dir.join("hello"), &hello.encode().to_bytes()[4..]).unwrap();
    let record = stormglass_broker_core::records::Record::new(
        None,
        Some(bytes::Bytes::from_static(b"value")),
    );
    let batch = stormglass_broker_core::records::Batch::build(7, &mut [record]);
    let requests = [
        (
            "vote",
            Request::Vote(VoteRequest {
                epoch: 4,
                candidate: NodeId(2),
                last_offset_epoch: 3,
                last_offset: 9,
                pre_vote: true,
            }),
        ),
        (
            "fetch",
            Request::Fetch(Box::new(FetchRequest {
                replica: Some(ReplicaState { id: NodeId(2), epoch: 77 }),
                max_wait_ms: 500,
                min_bytes: 1,
                max_bytes: 10 << 20,
                isolation: IsolationLevel::ReadUncommitted,
                session_id: 5,
                session_epoch: 6,
                partitions: vec![FetchPartition {
                    tp,
                    current_leader_epoch: 1,
                    fetch_offset: 2,
                    last_fetched_epoch: 3,
                    log_start_offset: 4,
                    max_bytes: 5,
                }],
                forgotten: vec![tp],
                rack: None,
            })),
        ),
        (
            "markers",
            Request::WriteTxnMarkers(WriteTxnMarkersRequest {
                markers: vec![TxnMarker {
                    producer: ProducerIdAndEpoch { id: 7, epoch: 3 },
                    rules: TransactionRules::Added,
                    commit: true,
                    coordinator_epoch: 4,
                    partitions: vec![tp],
                }],
            }),
        ),
        (
            "end-quorum",
            Request::EndQuorumEpoch(EndQuorumEpochRequest {
                leader: NodeId(1),
                epoch: 9,
                preferred_successors: vec![NodeId(3)],
            }),
        ),
        (
            "reassign",
            Request::AlterPartitionReassignments(AlterPartitionReassignmentsRequest {
                allow_replication_factor_change: true,
                partitions: vec![(tp, Some(vec![NodeId(3)])), (tp, None)],
            }),
        ),
        (
            "create",
            Request::CreateTopics(CreateTopicsRequest {
                validate_only: false,
                topics: vec![NewTopic {
                    name: "orders".into(),
                    placement: Placement::Automatic { partitions: 3, replication_factor: 2 },
                    config: [("a".to_owned(), "b".to_owned())].into(),
                }],
            }),
        ),
    ];
    for (name, request) in requests {
        let frame = stormglass_wire::encode_peer_request(CorrelationId(7), &request).unwrap();
        fs::write(dir.join(name), &frame.to_bytes()[4..]).unwrap();
    }
    let answer = FetchPartitionResponse {
        tp,
        error: ErrorCode::None,
        high_watermark: 9,
        last_stable_offset: 9,
        log_start_offset: 0,
        diverging_epoch: None,
        snapshot_id: None,
        current_leader: None,
        preferred_read_replica: None,
        aborted: None,
        records: stormglass_broker_core::records::Records::single(std::sync::Arc::new(batch)),
    };
    let _ = answer;
}
