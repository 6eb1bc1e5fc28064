//! Prices of the command line: `METER=USD`, exact to a billionth of a dollar.

use super::high::pairs;
use crate::failure::Failure;
use stormglass_reports::cost::PriceOverride;

const DECIMALS: usize = 9;

/// The prices that `--price` gives.
pub(super) fn overrides(texts: &[String]) -> Result<Vec<PriceOverride>, Failure> {
    let pairs = pairs("--price", texts)?;
    let price = |(meter, usd): (String, String)| match nano_usd(&usd) {
        Some(nano_usd) => Ok(PriceOverride::typed(&meter, nano_usd)),
        None => Err(Failure::usage(format!("--price {meter}: `{usd}` is not an amount"))
            .help("write US dollars with at most nine decimals, such as broker-hour=0.05")),
    };
    pairs.into_iter().map(price).collect()
}

/// Billionths of a dollar of an amount such as `0.05` or `$0.05`.
fn nano_usd(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_prefix('$').unwrap_or(text);
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > DECIMALS {
        return None;
    }
    let padded = format!("{decimals:0<DECIMALS$}");
    let whole: i64 = whole.parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(padded.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        assert_eq!(nano_usd("0.05"), Some(50_000_000));
        assert_eq!(nano_usd("$12"), Some(12_000_000_000));
        assert_eq!(nano_usd("0.000000001"), Some(1));
        for bad in ["", ".", "1.", ".5", "-1", "1e3", "0.0000000001", "five", "99999999999999"] {
            assert_eq!(nano_usd(bad), None, "{bad}");
        }
    }
}
