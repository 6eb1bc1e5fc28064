//! Ctrl-C: the first asks the simulation to stop and write what there is, the second kills.

use crate::exit::Exit;
use crate::failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Installs the handler and returns the flag that the first signal sets (SIGINT, SIGTERM, SIGHUP).
pub(crate) fn install() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    let handler = move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::internal(format!("cannot handle Ctrl-C: {error}")))?;
    Ok(flag)
}
