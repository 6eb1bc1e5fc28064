//! A data directory, damaged as the bytes say, and what a starting broker makes of it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use stormglass_broker_core::records::{Batch, Record};
use stormglass_server::{Options, examine};

/// Files of the directory. Those of the first lines are there before they are damaged.
const FILES: [&str; 22] = [
    "meta.properties",
    "orders-0/partition.metadata",
    "orders-0/00000000000000000000.log",
    "orders-0/00000000000000000006.log",
    "orders-0/leader-epoch-checkpoint",
    "recovery-point-offset-checkpoint",
    "__cluster_metadata-0/partition.metadata",
    "orders-0/00000000000000000000.index",
    "orders-0/00000000000000000000.timeindex",
    "orders-0/00000000000000000000.txnindex",
    "orders-0/00000000000000000006.snapshot",
    "orders-0/00000000000000000012.snapshot",
    "orders-0/00000000000000000000.log.swap",
    "orders-0/00000000000000000006.log.cleaned",
    "replication-offset-checkpoint",
    "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint",
    ".kafka_cleanshutdown",
    "__cluster_metadata-0/00000000000000000000.log",
    "__cluster_metadata-0/quorum-state",
    "__cluster_metadata-0/00000000000000000005-0000000001.checkpoint",
    "orders-0/09223372036854775807.log",
];

/// Changes: which file, how, and a length, then as many bytes.
const CHANGE_BYTES: usize = 4;

/// Damages a directory and examines it. The bytes are changes one after the other: the file's
/// number, what is done to it (0: replaced, 1: appended to, 2: cut by the length, 3: deleted, 4: the
/// bytes are laid over its end), a length of two bytes, and so many bytes.
///
/// # Panics
/// If the file system does not work, or a start on a directory that was accepted does.
pub fn recovery(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = dir.path();
    make(root);
    let mut rest = data;
    while let Some((change, behind)) = rest.split_first_chunk::<CHANGE_BYTES>() {
        let len = usize::from(u16::from_be_bytes([change[2], change[3]])).min(behind.len());
        let (bytes, behind) = behind.split_at(len);
        let path = root.join(FILES[usize::from(change[0]) % FILES.len()]);
        damage(&path, change[1] % 5, bytes);
        rest = behind;
    }
    let options = Options {
        data_dir: root.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        advertised_host: None,
        brokers: 1,
        cluster_id: None,
        properties: std::collections::BTreeMap::new(),
    };
    let first = examine(&options);
    if first.is_ok() {
        // to look changes nothing
        assert_eq!(examine(&options), first);
    }
    dir.close().expect("it was made above");
}

fn damage(path: &Path, how: u8, bytes: &[u8]) {
    let mut content = fs::read(path).unwrap_or_default();
    match how {
        0 => content = bytes.to_vec(),
        1 => content.extend_from_slice(bytes),
        2 => content.truncate(content.len().saturating_sub(bytes.len())),
        3 => {
            // it may not be there
            let _ = fs::remove_file(path);
            return;
        }
        _ => {
            let from = content.len().saturating_sub(bytes.len());
            let end = content.len();
            content[from..].copy_from_slice(&bytes[..end - from]);
        }
    }
    fs::write(path, content).expect("the directory is there");
}

/// Two segments of two batches each, as a killed broker leaves them.
fn make(root: &Path) {
    let write = |file: usize, content: &[u8]| {
        let path: PathBuf = root.join(FILES[file]);
        fs::create_dir_all(path.parent().unwrap_or(root)).expect("a temporary directory");
        fs::write(path, content).expect("a temporary directory");
    };
    write(0, b"cluster.id=AAAAAAAAAAAAAAAAAAAAAQ\ndirectory.id=x\nnode.id=1\nversion=1\n");
    write(1, b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAgQ\n");
    write(2, &[batch(0), batch(3)].concat());
    write(3, &[batch(6), batch(9)].concat());
    write(4, b"0\n1\n1 0\n");
    write(5, b"0\n1\norders 0 6\n");
    write(6, b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n");
}

fn batch(base_offset: i64) -> Vec<u8> {
    let record = || Record::new(Some(bytes::Bytes::from_static(b"k")), None);
    let mut batch = Batch::build(1_700_000_000_000, &mut [record(), record(), record()]);
    batch.header.base_offset = base_offset;
    batch.header.partition_leader_epoch = 1;
    batch.header.producer_id = 1000;
    batch.header.producer_epoch = 0;
    batch.header.base_sequence = i32::try_from(base_offset).unwrap_or(0);
    let mut out = bytes::BytesMut::new();
    batch.encode(&mut out);
    out.to_vec()
}
