//! A plan as JSON, and its digests.
//!
//! The JSON is canonical: fields in their declared order, maps sorted by key, integers only.

use crate::plan::{PLAN_SCHEMA_VERSION, Plan};
use crate::text::json_words::json_words;
use sha2::{Digest, Sha256};
use std::fmt;

/// Why a plan file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// What is wrong, and where in the file.
    pub message: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// The plan as indented JSON, as written to `plan.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a plan is plain data");
        text.push('\n');
        text
    }

    /// Reads `plan.json`.
    ///
    /// # Errors
    /// If the text is no plan, one of a schema or of models that this program does not know, or one that makes no
    /// sense.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        #[derive(serde::Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let error = |error: serde_json::Error| PlanError {
            message: format!("not a plan: {}", json_words(&error)),
        };
        // Serde would take a list for the object, its elements for the fields.
        if text.trim_start().starts_with('[') {
            let message = "not a plan: expected an object, found a list".to_owned();
            return Err(PlanError { message });
        }
        let Version { schema_version } = serde_json::from_str(text).map_err(error)?;
        if schema_version != PLAN_SCHEMA_VERSION {
            let message = format!(
                "schema_version is {schema_version}, and this program reads plans of version \
                 {PLAN_SCHEMA_VERSION} alone: use the Stormglass that wrote the plan, or run the \
                 scenario again"
            );
            return Err(PlanError { message });
        }
        let plan: Self = serde_json::from_str(text).map_err(error)?;
        plan.check()?;
        Ok(plan)
    }

    /// SHA-256 of the canonical JSON, hex.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256_hex(&serde_json::to_vec(self).expect("a plan is plain data"))
    }

    /// SHA-256 of what decides the run and its bill, hex: the plan without its name, its wording, the
    /// text that it was made from and its thresholds. Plans that share it have the same figures.
    #[must_use]
    pub fn run_digest(&self) -> String {
        let mut plan = self.clone();
        for text in [&mut plan.scenario, &mut plan.question, &mut plan.expect] {
            text.clear();
        }
        plan.scenario_digest.clear();
        plan.thresholds.clear();
        for event in &mut plan.events {
            event.line = None;
        }
        plan.digest()
    }
}

/// SHA-256, hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
