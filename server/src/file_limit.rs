//! How many files the process may have open (`RLIMIT_NOFILE`), and how many of them are for logs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is taken for the limit when there is none.
const UNLIMITED: u64 = 1 << 20;
/// Fewer than this for a node's logs is no use: files would be opened for every request.
const LOG_FILES_MIN: usize = 64;

/// Raises the limit to what this user may have, as the JVM does; returns it.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(UNLIMITED);
    let now = limit.current.unwrap_or(UNLIMITED);
    let raised = Rlimit { current: Some(most), maximum: limit.maximum };
    if now < most && setrlimit(Resource::Nofile, raised).is_ok() { most } else { now }
}

/// Segments' files that each of so many nodes of the process may have open: half of all, as clients
/// take the other half.
pub(crate) fn log_files_max(limit: u64, nodes: usize) -> usize {
    let all = usize::try_from(limit / 2).unwrap_or(usize::MAX);
    (all / nodes.max(1)).max(LOG_FILES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_share_half_of_the_limit() {
        assert_eq!(log_files_max(20_000, 1), 10_000);
        assert_eq!(log_files_max(20_000, 3), 3333);
        assert_eq!(log_files_max(100, 3), LOG_FILES_MIN);
        assert!(raise() > 0);
    }
}
