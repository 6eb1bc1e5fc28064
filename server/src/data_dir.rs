//! The data directory: who may use it, whose it is (`meta.properties`), and its formatting.

use crate::error::ServeError;
use crate::ids;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use stormglass_broker_core::ids::NodeId;

const META: &str = "meta.properties";
const LOCK: &str = ".lock";
/// The root of a volume may have it.
const LOST_AND_FOUND: &str = "lost+found";

/// Where a node's data is: one node has the directory for itself, several have one each below it.
pub(crate) fn node_dir(data_dir: &Path, node: NodeId, brokers: u16) -> PathBuf {
    match brokers {
        1 => data_dir.to_owned(),
        _ => data_dir.join(format!("node-{node}")),
    }
}

/// Whether a node has used the directory before.
pub(crate) fn is_formatted(dir: &Path) -> bool {
    dir.join(META).exists()
}

/// The data must be of a cluster with as many nodes: voters that come or go with a restart could
/// elect a leader that lacks what was committed.
pub(crate) fn check_size(data_dir: &Path, brokers: u16) -> Result<(), ServeError> {
    let formatted = |dir: PathBuf| is_formatted(&dir);
    let below = (1..=i32::from(u8::MAX)).map(NodeId);
    let below = below.filter(|node| formatted(node_dir(data_dir, *node, u16::MAX))).count();
    let found = if formatted(data_dir.to_owned()) { 1 } else { below };
    if found == 0 || found == usize::from(brokers) {
        return Ok(());
    }
    Err(ServeError::new(
        format!("{} holds a cluster of {found}, not of {brokers}", data_dir.display()),
        format!("start it with --brokers {found}, or choose another directory with --data-dir"),
    ))
}

/// A data directory that this process has locked, and that belongs to its node.
#[derive(Debug)]
pub(crate) struct DataDir {
    pub(crate) path: PathBuf,
    pub(crate) cluster_id: String,
    /// Held for as long as the directory is used.
    _lock: File,
}

/// Content of `meta.properties`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meta {
    cluster_id: String,
    node: i32,
}

impl DataDir {
    /// Opens a node's directory; formats it when it is new.
    pub(crate) fn open(
        path: &Path,
        node: NodeId,
        cluster_id: Option<&str>,
    ) -> Result<Self, ServeError> {
        fs::create_dir_all(path)
            .map_err(|error| ServeError::io("make the data directory", path, &error))?;
        let lock = lock(path)?;
        let meta_path = path.join(META);
        let meta = if meta_path.exists() {
            read_meta(&meta_path)?
        } else {
            format(path, node, cluster_id)?
        };
        check(path, &meta, node, cluster_id)?;
        Ok(Self { path: path.to_owned(), cluster_id: meta.cluster_id, _lock: lock })
    }
}

/// The id of a new cluster should be a UUID, as those are that Kafka's tools make. Older clusters keep the
/// id that they have, and give it to nodes that they get.
pub(crate) fn check_cluster_id(id: &str) -> Result<(), ServeError> {
    if ids::from_text(id).is_some() {
        return Ok(());
    }
    let such = ids::random_text();
    Err(ServeError::new(
        format!("the cluster id `{id}` is not a UUID in base64"),
        format!("choose 22 letters, digits, hyphens or underscores, such as {such}"),
    ))
}

fn lock(path: &Path) -> Result<File, ServeError> {
    let lock_path = path.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| ServeError::io("write to", &lock_path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::new(
            format!("{} is in use by another process", path.display()),
            "stop that process, or choose another directory with --data-dir",
        )),
        Err(TryLockError::Error(error)) => Err(ServeError::io("lock", &lock_path, &error)),
    }
}

fn format(path: &Path, node: NodeId, cluster_id: Option<&str>) -> Result<Meta, ServeError> {
    let entries = fs::read_dir(path).map_err(|error| ServeError::io("read", path, &error))?;
    let foreign = entries.flatten().find(|entry| {
        let name = entry.file_name();
        name != LOCK && name != LOST_AND_FOUND
    });
    if let Some(entry) = foreign {
        return Err(ServeError::new(
            format!("{} has no {META}, but holds {:?}", path.display(), entry.file_name()),
            "choose an empty directory with --data-dir",
        ));
    }
    let cluster_id = cluster_id.map_or_else(ids::random_text, str::to_owned);
    let directory_id = ids::random_text();
    let text = format!(
        "cluster.id={cluster_id}\ndirectory.id={directory_id}\nnode.id={node}\nversion=1\n"
    );
    let meta_path = path.join(META);
    crate::storage::write_durably(&meta_path, text.as_bytes())
        .map_err(|error| ServeError::io("write", &meta_path, &error))?;
    tracing::info!(path = %path.display(), cluster_id, node = node.0, "formatted");
    Ok(Meta { cluster_id, node: node.0 })
}

fn read_meta(path: &Path) -> Result<Meta, ServeError> {
    let text = fs::read_to_string(path).map_err(|error| ServeError::io("read", path, &error))?;
    parse_meta(&text).ok_or_else(|| {
        ServeError::new(
            format!("{} is not a {META} of version 1", path.display()),
            "restore it, or choose another directory with --data-dir",
        )
    })
}

fn parse_meta(text: &str) -> Option<Meta> {
    let value = |key: &str| {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.find_map(|line| line.split_once('=').filter(|(k, _)| k.trim() == key))
    };
    if value("version")?.1.trim() != "1" {
        return None;
    }
    let cluster_id = value("cluster.id")?.1.trim().to_owned();
    Some(Meta { cluster_id, node: value("node.id")?.1.trim().parse().ok()? })
}

fn check(
    path: &Path,
    meta: &Meta,
    node: NodeId,
    cluster_id: Option<&str>,
) -> Result<(), ServeError> {
    if meta.node != node.0 {
        return Err(ServeError::new(
            format!("{} belongs to node {}, not to node {node}", path.display(), meta.node),
            "give each node its own directory",
        ));
    }
    match cluster_id {
        Some(wanted) if wanted != meta.cluster_id => Err(ServeError::new(
            format!(
                "{} belongs to cluster {}, not to cluster {wanted}",
                path.display(),
                meta.cluster_id
            ),
            "leave out --cluster-id, or choose another directory with --data-dir",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "one-cluster-of-several";
    const TWO: &str = "two-cluster-of-several";

    #[test]
    fn a_directory_is_formatted_once_and_locked_while_open() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path(), NodeId(1), None).unwrap();
        let error = DataDir::open(dir.path(), NodeId(1), None).unwrap_err();
        assert!(error.to_string().contains("in use by another process"), "{error}");
        let cluster_id = first.cluster_id.clone();
        drop(first);
        let again = DataDir::open(dir.path(), NodeId(1), Some(&cluster_id)).unwrap();
        assert_eq!(again.cluster_id, cluster_id);
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path(), NodeId(1), Some(ONE)).unwrap());
        let other = DataDir::open(dir.path(), NodeId(1), Some(TWO)).unwrap_err();
        assert!(other.to_string().contains("belongs to cluster one"), "{other}");
        let other = DataDir::open(dir.path(), NodeId(2), None).unwrap_err();
        assert!(other.to_string().contains("belongs to node 1"), "{other}");
        let full = tempfile::tempdir().unwrap();
        fs::write(full.path().join("thesis.txt"), "precious").unwrap();
        let refused = DataDir::open(full.path(), NodeId(1), None).unwrap_err();
        assert!(refused.to_string().contains("thesis.txt"), "{refused}");
    }

    #[test]
    fn ids_of_clusters_are_told_apart_and_a_new_node_may_have_any() {
        for bad in ["bad id!", "", "abc", "one-cluster-of-several-"] {
            let error = check_cluster_id(bad).unwrap_err();
            assert!(error.to_string().contains("is not a UUID"), "{error}");
        }
        assert_eq!(check_cluster_id(ONE), Ok(()));
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path(), NodeId(1), Some("abc")).unwrap());
        let again = DataDir::open(dir.path(), NodeId(1), None).unwrap();
        assert_eq!(again.cluster_id, "abc");
    }

    #[test]
    fn a_cluster_keeps_its_size() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check_size(dir.path(), 3), Ok(()));
        for node in 1..=3 {
            let place = node_dir(dir.path(), NodeId(node), 3);
            drop(DataDir::open(&place, NodeId(node), Some(ONE)).unwrap());
        }
        assert_eq!(check_size(dir.path(), 3), Ok(()));
        let error = check_size(dir.path(), 5).unwrap_err();
        assert!(error.to_string().ends_with("holds a cluster of 3, not of 5"), "{error}");
        assert!(check_size(dir.path(), 1).is_err());
        let single = node_dir(&dir.path().join("single"), NodeId(1), 1);
        drop(DataDir::open(&single, NodeId(1), None).unwrap());
        assert_eq!(check_size(&single, 1), Ok(()));
        assert!(check_size(&single, 3).is_err());
    }

    #[test]
    fn meta_properties_may_have_comments_and_any_order() {
        let text = "#\n#Thu\nnode.id=3\nversion=1\ncluster.id=abc\n";
        assert_eq!(parse_meta(text), Some(Meta { cluster_id: "abc".to_owned(), node: 3 }));
        assert_eq!(parse_meta("version=0\nbroker.id=3\n"), None);
        assert_eq!(parse_meta(""), None);
    }
}
