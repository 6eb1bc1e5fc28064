//! Which build of the program this is. A version says too little: what is kept from one run to the next
//! is worth nothing once the model has changed.

use std::sync::OnceLock;
use stormglass_scenarios::sha256_hex;

/// Hex digits that are enough to tell builds apart.
const DIGITS: usize = 16;

/// Digest of the running executable; nothing if it cannot be read.
pub(crate) fn digest() -> Option<&'static str> {
    static DIGEST: OnceLock<Option<String>> = OnceLock::new();
    let digest = DIGEST.get_or_init(|| {
        let bytes = std::fs::read(std::env::current_exe().ok()?).ok()?;
        Some(sha256_hex(&bytes)[..DIGITS].to_owned())
    });
    digest.as_deref()
}
