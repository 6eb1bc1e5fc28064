//! Why a heartbeat is refused.

use crate::error::ErrorCode;
use std::sync::Arc;

/// An error, and what is wrong in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) struct Refusal {
    pub(in crate::group) error: ErrorCode,
    pub(in crate::group) message: Option<Arc<str>>,
}

impl Refusal {
    pub(in crate::group) fn new(error: ErrorCode, message: &str) -> Self {
        Self { error, message: Some(message.into()) }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        Self { error, message: None }
    }
}
