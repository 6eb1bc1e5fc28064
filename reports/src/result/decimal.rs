//! Numbers with a fixed count of decimals, so that printed bytes never depend on float printing.
//!
//! Arithmetic stays outside: a `Decimal` is the last step before text.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A number held as an integer of 10^-PLACES units and printed with exactly that many decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal<const PLACES: u32>(i64);

/// Three decimals: milliseconds from microseconds, MB/s, percent.
pub type Milli = Decimal<3>;
/// Two decimals: US dollars from cents.
pub type Cents = Decimal<2>;

impl<const PLACES: u32> Decimal<PLACES> {
    /// Zero.
    pub const ZERO: Self = Self(0);
    const SCALE: i64 = 10_i64.pow(PLACES);

    /// From units of 10^-PLACES.
    #[must_use]
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// `numerator / denominator`, rounded half up. A denominator of zero gives zero.
    #[must_use]
    pub fn ratio(numerator: i128, denominator: i128) -> Self {
        if denominator == 0 {
            return Self::ZERO;
        }
        let units = div_half_up(numerator * i128::from(Self::SCALE), denominator);
        Self(i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The number in units of 10^-PLACES.
    #[must_use]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The number as a float, for drawing only.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "drawing needs no more than a pixel")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / Self::SCALE as f64
    }
}

impl Milli {
    /// Milliseconds from nanoseconds, rounded half up to a microsecond.
    #[must_use]
    pub fn ms_from_ns(ns: u64) -> Self {
        Self::ratio(i128::from(ns), 1_000_000)
    }

    /// Seconds from nanoseconds, rounded half up to a millisecond.
    #[must_use]
    pub fn seconds_from_ns(ns: u64) -> Self {
        Self::ratio(i128::from(ns), 1_000_000_000)
    }

    /// Megabytes (10^6) from bytes.
    #[must_use]
    pub fn mb_from_bytes(bytes: u64) -> Self {
        Self::ratio(i128::from(bytes), 1_000_000)
    }

    /// Percent from parts per thousand.
    #[must_use]
    pub fn percent_from_permille(permille: u64) -> Self {
        Self::ratio(i128::from(permille), 10)
    }
}

/// Integer division rounded half up (half away from zero for negative numerators).
///
/// # Panics
/// On a denominator that is not positive: every caller divides by a count or a unit.
#[must_use]
pub fn div_half_up(numerator: i128, denominator: i128) -> i128 {
    assert!(denominator > 0, "the denominator is a positive count or unit");
    let half = denominator / 2;
    if numerator >= 0 {
        (numerator + half) / denominator
    } else {
        -((-numerator + half) / denominator)
    }
}

impl<const PLACES: u32> fmt::Display for Decimal<PLACES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        let scale = Self::SCALE.unsigned_abs();
        let width = PLACES as usize;
        f.pad(&format!("{sign}{}.{:0width$}", units / scale, units % scale))
    }
}

impl<const PLACES: u32> Serialize for Decimal<PLACES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw =
            RawValue::from_string(self.to_string()).expect("digits with a point are a JSON number");
        raw.serialize(serializer)
    }
}

impl<'de, const PLACES: u32> Deserialize<'de> for Decimal<PLACES> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the range is checked, and a JSON number has no more precision"
    )]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)? * Self::SCALE as f64;
        if value.is_nan() || value.abs() >= i64::MAX as f64 {
            return Err(D::Error::custom("number out of range"));
        }
        Ok(Self(value.round() as i64))
    }
}

impl<const PLACES: u32> JsonSchema for Decimal<PLACES> {
    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("Decimal{PLACES}"))
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = format!("Printed with {PLACES} decimals.");
        json_schema!({ "type": "number", "description": description })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_exactly_its_decimals() {
        assert_eq!(Milli::from_units(1_500).to_string(), "1.500");
        assert_eq!(Milli::from_units(-7).to_string(), "-0.007");
        assert_eq!(Cents::from_units(11_800).to_string(), "118.00");
        assert_eq!(serde_json::to_string(&Milli::from_units(2_000)).unwrap(), "2.000");
    }

    #[test]
    fn rounds_half_up() {
        assert_eq!(Milli::ms_from_ns(1_499).units(), 1);
        assert_eq!(Milli::ms_from_ns(1_500).units(), 2);
        assert_eq!(div_half_up(-5, 2), -3);
        assert_eq!(div_half_up(5, 2), 3);
        assert_eq!(Milli::ratio(1, 0), Milli::ZERO);
    }

    #[test]
    fn survives_json() {
        for units in [0, 1, -1, 999, 123_456_789, -55_001] {
            let text = serde_json::to_string(&Milli::from_units(units)).unwrap();
            assert_eq!(serde_json::from_str::<Milli>(&text).unwrap().units(), units);
        }
        assert!(serde_json::from_str::<Milli>("1e300").is_err());
    }
}
