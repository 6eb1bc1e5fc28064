//! Bounds of groups: `groups.toml`. Broker configs that no plan has unless its scenario sets them.

use super::configs::{KeySet, configs};
use super::provenance::read;
use super::remote;
use serde::Deserialize;
use std::sync::OnceLock;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Groups {
    server: KeySet,
}

/// The bounds.
pub(crate) fn server_keys() -> &'static KeySet {
    static FILE: OnceLock<Groups> = OnceLock::new();
    let file =
        FILE.get_or_init(|| read("groups.toml", include_str!("../../catalogue/groups.toml")));
    &file.server
}

/// All broker configs that a scenario can set.
pub(crate) fn all_server_keys() -> &'static KeySet {
    static ALL: OnceLock<KeySet> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = configs().server.clone();
        all.keys.extend(remote::server_keys().keys.clone());
        all.keys.extend(server_keys().keys.clone());
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_satisfy_their_own_rules() {
        server_keys().provenance.check("the server keys of groups.toml");
        for (name, spec) in &server_keys().keys {
            let default = spec.default.as_deref().expect("every key has a default");
            assert_eq!(spec.refusal(default), None, "{name}");
        }
    }
}
