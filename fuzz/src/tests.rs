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
    for dir in ["../scenarios/tests/import/good", "../scenarios/tests/import/bad", "corpus/imports"]
    {
        run(dir, imports);
    }
}
