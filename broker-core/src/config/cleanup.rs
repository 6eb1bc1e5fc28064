//! Types of configs that the log cleaner reads. Fractions are kept in millionths: the broker knows
//! no floating-point numbers.

use super::{ConfigKind, ConfigValue};

/// `cleanup.policy`: what becomes of old records. Kafka has both policies in one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Keep the newest record of each key.
    pub compact: bool,
    /// Delete segments by age and size.
    pub delete: bool,
}

impl CleanupPolicy {
    /// Kafka's default.
    pub const DELETE: Self = Self { compact: false, delete: true };
    /// Compaction alone.
    pub const COMPACT: Self = Self { compact: true, delete: false };
}

impl ConfigValue for CleanupPolicy {
    const EXPECTED: &'static str = "`compact`, `delete`, or both with a comma between them";
    const KIND: ConfigKind = ConfigKind::List;
    fn parse(text: &str) -> Option<Self> {
        let mut policy = Self { compact: false, delete: false };
        for word in text.split(',') {
            match word.trim() {
                "compact" => policy.compact = true,
                "delete" => policy.delete = true,
                _ => return None,
            }
        }
        Some(policy)
    }
    fn show(&self) -> String {
        match (self.compact, self.delete) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            (false, _) => "delete",
        }
        .to_owned()
    }
}

/// Millionths in one.
const MILLION: u64 = 1_000_000;

/// A share from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio {
    millionths: u32,
}

impl Ratio {
    /// One half.
    pub const HALF: Self = Self { millionths: 500_000 };

    /// From a decimal number; more than six digits behind the point do not count.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let millionths = decimal_millionths(text)?;
        let millionths = u32::try_from(millionths).ok()?;
        (u64::from(millionths) <= MILLION).then_some(Self { millionths })
    }

    /// Whether `part` is a larger share of `whole`.
    #[must_use]
    pub fn is_below(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(MILLION) > u128::from(self.millionths) * u128::from(whole)
    }
}

impl ConfigValue for Ratio {
    const EXPECTED: &'static str = "a number from 0 to 1";
    const KIND: ConfigKind = ConfigKind::Double;
    fn parse(text: &str) -> Option<Self> {
        Self::of_text(text)
    }
    fn show(&self) -> String {
        let (whole, rest) = (u64::from(self.millionths) / MILLION, self.millionths % 1_000_000);
        let digits = format!("{rest:06}");
        let digits = digits.trim_end_matches('0');
        format!("{whole}.{}", if digits.is_empty() { "0" } else { digits })
    }
}

/// Bytes per second; what is larger than 64 bits is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoRate {
    /// Limit, at least 1.
    pub bytes_per_second: Option<u64>,
}

impl IoRate {
    /// No limit.
    pub const UNLIMITED: Self = Self { bytes_per_second: None };
    /// How Kafka writes that (Java's `Double.MAX_VALUE`).
    pub(super) const UNLIMITED_TEXT: &'static str = "1.7976931348623157E308";

    /// From a decimal number; `None` if it is none above 0.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        ConfigValue::parse(text)
    }
}

impl ConfigValue for IoRate {
    const EXPECTED: &'static str = "bytes per second, a number above 0";
    const KIND: ConfigKind = ConfigKind::Double;
    fn parse(text: &str) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case(Self::UNLIMITED_TEXT) {
            return Some(Self::UNLIMITED);
        }
        let rate = decimal_millionths(text)?.div_ceil(MILLION.into());
        let rate = u64::try_from(rate).ok();
        (rate != Some(0)).then_some(Self { bytes_per_second: rate })
    }
    fn show(&self) -> String {
        let limit = self.bytes_per_second;
        limit.map_or_else(|| Self::UNLIMITED_TEXT.to_owned(), |rate| format!("{rate}.0"))
    }
}

/// A decimal number without sign and exponent.
fn decimal_millionths(text: &str) -> Option<u128> {
    let text = text.trim();
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && rest.is_empty()) || !is_digits(whole) || !is_digits(rest) {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let rest: u128 = format!("{rest:0<6}").get(..6)?.parse().ok()?;
    whole.checked_mul(MILLION.into())?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_lists_in_any_order() {
        let both = CleanupPolicy { compact: true, delete: true };
        assert_eq!(CleanupPolicy::parse("delete, compact"), Some(both));
        assert_eq!(CleanupPolicy::parse("compact"), Some(CleanupPolicy::COMPACT));
        assert_eq!(CleanupPolicy::parse("shrink"), None);
        for policy in [CleanupPolicy::DELETE, CleanupPolicy::COMPACT, both] {
            assert_eq!(CleanupPolicy::parse(&policy.show()), Some(policy));
        }
    }

    #[test]
    fn ratios_are_decimal_numbers_from_0_to_1() {
        let cases =
            [("0.5", "0.5"), ("1", "1.0"), (".25", "0.25"), ("0.0100", "0.01"), ("0", "0.0")];
        for (text, shown) in cases {
            assert_eq!(Ratio::of_text(text).map(|ratio| ratio.show()).as_deref(), Some(shown));
        }
        for text in ["1.000001", "-0.5", "", ".", "half", "5e-1"] {
            assert_eq!(Ratio::of_text(text), None, "{text}");
        }
        assert!(Ratio::HALF.is_below(51, 100) && !Ratio::HALF.is_below(50, 100));
    }

    #[test]
    fn rates_are_above_zero_and_may_be_unlimited() {
        assert_eq!(IoRate::parse("1.7976931348623157E308"), Some(IoRate::UNLIMITED));
        assert_eq!(IoRate::parse("1048576.0").and_then(|r| r.bytes_per_second), Some(1 << 20));
        assert_eq!(IoRate::parse("0.5").and_then(|r| r.bytes_per_second), Some(1));
        assert_eq!(IoRate::parse("0"), None);
        assert_eq!(IoRate::parse(&IoRate::UNLIMITED.show()), Some(IoRate::UNLIMITED));
    }
}
