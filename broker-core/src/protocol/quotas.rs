//! Quotas of clients (KIP-546): what is set for whom, and what is asked about it.

use crate::error::ErrorCode;
use std::sync::Arc;

/// Whom a quota is for, as requests and records name it: types such as `user` and `client-id`,
/// each with a name; `None` is the default of its type.
pub type QuotaEntity = Vec<(Arc<str>, Option<Arc<str>>)>;

/// A quota's value: Kafka's are floating-point numbers, kept here by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaValue(u64);

impl QuotaValue {
    /// From the bits of a `float64`.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits of a `float64`.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Of a whole number.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
    pub fn of(value: u64) -> Self {
        Self((value as f64).to_bits())
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }

    /// As a rate of whole units, at least 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub fn per_sec(self) -> u64 {
        (self.get() as u64).max(1)
    }

    /// As percent of a thread: nanoseconds of each second, at least 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    #[expect(clippy::float_arithmetic, reason = "a product of two numbers is the same everywhere")]
    pub fn percent_ns_per_sec(self) -> u64 {
        ((self.get() * 1e7) as u64).max(1)
    }
}

/// DescribeClientQuotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeClientQuotasRequest {
    /// All of them must match.
    pub components: Vec<QuotaFilter>,
    /// Entities of further types do not match.
    pub strict: bool,
}

/// What an entity must have of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaFilter {
    /// Type, such as `user`.
    pub kind: Arc<str>,
    /// Which of that type.
    pub matches: QuotaMatch,
}

/// Which entities of a type match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// The one of this name.
    Exact(Arc<str>),
    /// The default.
    Default,
    /// Any.
    Any,
}

/// Answer to [`DescribeClientQuotasRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeClientQuotasResponse {
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<Arc<str>>,
    /// Entities with their quotas.
    pub entries: Vec<DescribedQuotas>,
}

/// An entity and its quotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedQuotas {
    /// Whom they are for.
    pub entity: QuotaEntity,
    /// Keys, such as `producer_byte_rate`, and values.
    pub values: Vec<(Arc<str>, QuotaValue)>,
}

/// AlterClientQuotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterClientQuotasRequest {
    /// Changes by entity.
    pub entries: Vec<AlterQuotas>,
    /// Only checks.
    pub validate_only: bool,
}

/// Changes of one entity's quotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterQuotas {
    /// Whom they are for.
    pub entity: QuotaEntity,
    /// Keys with their new values; `None` removes.
    pub changes: Vec<(Arc<str>, Option<QuotaValue>)>,
}

/// Answer to [`AlterClientQuotasRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterClientQuotasResponse {
    /// One for each of the request.
    pub entries: Vec<AlteredQuotas>,
}

/// Outcome of one entity's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredQuotas {
    /// Outcome.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<Arc<str>>,
    /// Whom they are for.
    pub entity: QuotaEntity,
}
