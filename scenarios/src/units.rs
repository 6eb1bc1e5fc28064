//! Quantities with mandatory units: durations, sizes, rates, shares and money.
//!
//! Decimal arithmetic on integers throughout, so `"0.1 ms"` is exactly 100,000 ns. A value that is
//! finer than its smallest unit is an error and never rounded.

use std::fmt;

/// Largest duration: about 31 years. Sums of a few stay within 64 bits.
const DURATION_NS_MAX: u128 = 1_000_000_000_000_000_000;
/// Largest size: 1 EiB.
const BYTES_MAX: u128 = 1 << 60;
/// Largest rate: 1 PB/s or 10^12 records/s.
const BYTES_PER_SEC_MAX: u128 = 1_000_000_000_000_000;
const RECORDS_PER_SEC_MAX: u128 = 1_000_000_000_000;

/// Why a quantity cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl fmt::Display for UnitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for UnitError {}

/// A unit's name and how many of the smallest unit it holds.
type Unit = (&'static str, u128);

/// A kind of quantity: its units, bound and an example.
struct Quantity {
    what: &'static str,
    units: &'static [Unit],
    max: u128,
    example: &'static str,
}

const DURATION: Quantity = Quantity {
    what: "a duration",
    units: &[
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("min", 60_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ],
    max: DURATION_NS_MAX,
    example: "\"50ms\"",
};

const BYTES: Quantity = Quantity {
    what: "a size",
    units: &[
        ("B", 1),
        ("KB", 1_000),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ],
    max: BYTES_MAX,
    example: "\"1 KiB\"",
};

const BYTE_RATE: Quantity = Quantity {
    what: "a rate in bytes",
    units: &[
        ("B/s", 1),
        ("KB/s", 1_000),
        ("kB/s", 1_000),
        ("MB/s", 1_000_000),
        ("GB/s", 1_000_000_000),
        ("KiB/s", 1 << 10),
        ("MiB/s", 1 << 20),
        ("GiB/s", 1 << 30),
    ],
    max: BYTES_PER_SEC_MAX,
    example: "\"100 MB/s\"",
};

const RECORD_RATE: Quantity = Quantity {
    what: "a rate in records",
    // Kept in thousandths, so that slow producers need no fraction.
    units: &[("records/s", 1_000), ("record/s", 1_000)],
    max: RECORDS_PER_SEC_MAX * 1_000,
    example: "\"50000 records/s\"",
};

/// A decimal number: `digits / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// Digits, optionally with a point and underscores. At most 30 digits.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let has_point = text.contains('.');
        if whole.is_empty() || (has_point && fraction.is_empty()) {
            return None;
        }
        let digits: String =
            whole.chars().chain(fraction.chars()).filter(|digit| *digit != '_').collect();
        let valid = digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !valid {
            return None;
        }
        let scale = u32::try_from(fraction.chars().filter(|digit| *digit != '_').count()).ok()?;
        Some(Self { digits: digits.parse().ok()?, scale })
    }

    /// `self * factor` when that is a whole number.
    fn times(self, factor: u128) -> Result<u128, Inexact> {
        let product = self.digits.checked_mul(factor).ok_or(Inexact::TooLarge)?;
        let divisor = 10_u128.pow(self.scale);
        if product % divisor != 0 {
            return Err(Inexact::TooFine);
        }
        Ok(product / divisor)
    }
}

enum Inexact {
    TooLarge,
    TooFine,
}

impl Quantity {
    fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let (number, unit) = split_unit(text);
        if number.is_empty() {
            return Err(self.error(format!("`{text}` is not {}", self.what)));
        }
        if number.starts_with('-') {
            return Err(self.error(format!("{} cannot be negative", self.what)));
        }
        let Some(decimal) = Decimal::parse(number) else {
            return Err(self.error(format!("`{number}` is not a number")));
        };
        if unit.is_empty() {
            return Err(self.error(format!("`{text}` has no unit")));
        }
        let Some((_, factor)) = self.units.iter().find(|(name, _)| *name == unit) else {
            return Err(self.unknown_unit(number, unit));
        };
        match decimal.times(*factor) {
            Ok(value) if value <= self.max => {
                Ok(u64::try_from(value).expect("every maximum fits into 64 bits"))
            }
            Ok(_) | Err(Inexact::TooLarge) => Err(UnitError {
                message: format!("`{text}` is too large for {}", self.what),
                help: format!("at most {} {}", self.max / self.units[0].1, self.units[0].0),
            }),
            Err(Inexact::TooFine) => Err(UnitError {
                message: format!("`{text}` is finer than can be represented"),
                help: format!("use a whole number of {}", self.units[0].0),
            }),
        }
    }

    fn error(&self, message: String) -> UnitError {
        let units: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        UnitError {
            message,
            help: format!(
                "write {} such as {}; units: {}",
                self.what,
                self.example,
                units.join(", ")
            ),
        }
    }

    fn unknown_unit(&self, number: &str, unit: &str) -> UnitError {
        let folded = |name: &&Unit| name.0.eq_ignore_ascii_case(unit);
        let message = format!("`{unit}` is not a unit of {}", self.what);
        match self.units.iter().find(folded) {
            Some((name, _)) => {
                UnitError { message, help: format!("did you mean `\"{number} {name}\"`?") }
            }
            None => self.error(message),
        }
    }
}

/// `"1.5 MB/s"` into `1.5` and `MB/s`.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let numeric = |symbol: char| symbol.is_ascii_digit() || matches!(symbol, '.' | '_' | '-' | '+');
    let end = text.find(|symbol| !numeric(symbol)).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// `text * factor` for a plain decimal such as `0.75`, when the product is whole.
pub(crate) fn scaled_decimal(text: &str, factor: u128) -> Option<u64> {
    u64::try_from(Decimal::parse(text)?.times(factor).ok()?).ok()
}

/// Nanoseconds of a duration such as `"50ms"`.
pub fn parse_duration_ns(text: &str) -> Result<u64, UnitError> {
    DURATION.parse(text)
}

/// Bytes of a size such as `"1 KiB"`; `KB` and `MB` are decimal, `KiB` and `MiB` binary.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    BYTES.parse(text)
}

/// Bytes per second of a rate such as `"100 MB/s"`.
pub fn parse_byte_rate(text: &str) -> Result<u64, UnitError> {
    BYTE_RATE.parse(text)
}

/// Milli-records per second of a rate such as `"50000 records/s"`.
pub fn parse_record_rate(text: &str) -> Result<u64, UnitError> {
    RECORD_RATE.parse(text)
}

/// Parts per million of a share such as `"12.5%"`.
pub fn parse_share_ppm(text: &str) -> Result<u64, UnitError> {
    const SHARE: Quantity = Quantity {
        what: "a share",
        units: &[("%", 10_000)],
        max: 1_000_000_000_000,
        example: "\"25%\"",
    };
    SHARE.parse(text)
}

/// Thousandths of a plain number such as `1.25`.
pub fn parse_permille(text: &str) -> Result<u64, UnitError> {
    let error = || UnitError {
        message: format!("`{text}` is not a positive number with at most three decimals"),
        help: "write a number such as 1.25".to_owned(),
    };
    let decimal = Decimal::parse(text).ok_or_else(error)?;
    let value = decimal.times(1_000).map_err(|_| error())?;
    if value > 1_000_000_000 { Err(error()) } else { u64::try_from(value).map_err(|_| error()) }
}

/// Cents of an amount such as `"$118.00"`.
pub fn parse_usd_cents(text: &str) -> Result<u64, UnitError> {
    let error = || UnitError {
        message: format!("`{text}` is not an amount of money"),
        help: "write US dollars such as \"$118.00\"".to_owned(),
    };
    let number = text.trim().strip_prefix('$').ok_or_else(error)?.trim();
    let cents = Decimal::parse(number).ok_or_else(error)?.times(100).map_err(|_| error())?;
    if cents > 1_000_000_000_000 { Err(error()) } else { u64::try_from(cents).map_err(|_| error()) }
}

/// Parts per million of a percentile such as `99.9`.
pub fn parse_percentile_ppm(text: &str) -> Result<u32, UnitError> {
    let error = || UnitError {
        message: format!("`{text}` is not a percentile"),
        help: "write a number between 0 and 100 with at most four decimals".to_owned(),
    };
    let ppm = Decimal::parse(text).ok_or_else(error)?.times(10_000).map_err(|_| error())?;
    if ppm > 1_000_000 { Err(error()) } else { u32::try_from(ppm).map_err(|_| error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!(parse_duration_ns("50ms"), Ok(50_000_000));
        assert_eq!(parse_duration_ns("0.1 ms"), Ok(100_000));
        assert_eq!(parse_duration_ns("1.5h"), Ok(5_400_000_000_000));
        assert_eq!(parse_bytes("1 KiB"), Ok(1024));
        assert_eq!(parse_bytes("1 KB"), Ok(1000));
        assert_eq!(parse_bytes("5_334 GiB"), Ok(5334 << 30));
        assert_eq!(parse_byte_rate("100 MB/s"), Ok(100_000_000));
        assert_eq!(parse_record_rate("0.5 records/s"), Ok(500));
        assert_eq!(parse_share_ppm("0.25%"), Ok(2_500));
        assert_eq!(parse_usd_cents("$118.00"), Ok(11_800));
        assert_eq!(parse_permille("1.25"), Ok(1_250));
        assert_eq!(parse_percentile_ppm("99.99"), Ok(999_900));
    }

    #[test]
    fn what_has_no_unit_a_wrong_unit_or_no_sense_is_refused() {
        let wrong = [
            "",
            "50",
            "ms",
            "-5ms",
            "1..2ms",
            "1.ms",
            ".5s",
            "5 parsecs",
            "0.0000001us",
            "5 5ms",
            "99999999999999999999999999999999999999s",
            "1e3ms",
            "+5ms",
            "NaN s",
        ];
        for text in wrong {
            assert!(parse_duration_ns(text).is_err(), "{text}");
        }
        assert!(parse_bytes("10 EiB").is_err());
        assert!(parse_percentile_ppm("100.1").is_err());
        assert!(parse_usd_cents("118").is_err());
    }

    #[test]
    fn errors_say_what_to_write() {
        let error = parse_byte_rate("100 mb/s").unwrap_err();
        assert_eq!(error.help, "did you mean `\"100 MB/s\"`?");
        assert!(parse_duration_ns("5").unwrap_err().message.contains("no unit"));
        assert!(parse_bytes("-1 KiB").unwrap_err().message.contains("negative"));
    }
}
