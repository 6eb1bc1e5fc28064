//! A JSON document, or YAML read as one, that knows where it is.
//!
//! Keys are found whatever the case of their first letter is: AWS's CLI writes `ClusterInfo`, its
//! REST API `clusterInfo`.

use super::ImportError;
use serde_json::{Map, Value};

/// A value and the path to it.
#[derive(Debug, Clone)]
pub(super) struct Doc<'a> {
    place: String,
    value: &'a Value,
}

impl<'a> Doc<'a> {
    /// The whole document of a file.
    pub(super) fn root(file: &str, value: &'a Value) -> Self {
        Self { place: file.to_owned(), value }
    }

    /// File and path.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) const fn value(&self) -> &'a Value {
        self.value
    }

    /// An error here.
    pub(super) fn error(&self, message: impl Into<String>) -> ImportError {
        ImportError::new(self.place.clone(), message)
    }

    fn child(&self, key: &str, value: &'a Value) -> Self {
        let separator = if self.place.contains(": ") { "." } else { ": " };
        Self { place: format!("{}{separator}{key}", self.place), value }
    }

    /// The value of a key; nothing when it is absent or null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let map = self.value.as_object()?;
        let (name, value) = find(map, key)?;
        (!value.is_null()).then(|| self.child(name, value))
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str) -> Result<Self, ImportError> {
        self.map()?;
        self.get(key).ok_or_else(|| self.error(format!("`{key}` is missing")))
    }

    /// The value at the end of a path of keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self.clone(), |doc, key| doc.get(key))
    }

    pub(super) fn map(&self) -> Result<&'a Map<String, Value>, ImportError> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    /// Keys and values in the document's order.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, ImportError> {
        let map = self.map()?;
        Ok(map.iter().map(|(key, value)| (key.as_str(), self.child(key, value))).collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, ImportError> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        Ok((0..)
            .zip(items)
            .map(|(index, value): (usize, _)| Self {
                place: format!("{}[{index}]", self.place),
                value,
            })
            .collect())
    }

    pub(super) fn text(&self) -> Result<&'a str, ImportError> {
        self.value.as_str().ok_or_else(|| self.wrong("a text"))
    }

    /// A text, or a number or boolean as its text.
    pub(super) fn scalar(&self) -> Result<String, ImportError> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(boolean) => Ok(boolean.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(self.wrong("a text or a number"))
            }
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, ImportError> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// A number that is finite, also one in quotes.
    pub(super) fn float(&self) -> Result<f64, ImportError> {
        let quoted = || self.value.as_str()?.trim().parse::<f64>().ok();
        let number = self.value.as_f64().or_else(quoted).filter(|number| number.is_finite());
        number.ok_or_else(|| self.wrong("a number"))
    }

    /// A number that is not negative, such as a rate.
    pub(super) fn rate(&self) -> Result<f64, ImportError> {
        let number = self.float()?;
        if number < 0.0 { Err(self.wrong("a rate from 0")) } else { Ok(number) }
    }

    /// A point in time, as text: a date, or seconds since 1970.
    pub(super) fn time(&self) -> Result<String, ImportError> {
        let text = self.scalar()?;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            // Versions of AWS's CLI write UTC in three ways.
            let bare = text.strip_suffix("+00:00").or_else(|| text.strip_suffix("+0000"));
            let bare = bare.map(|bare| bare.strip_suffix(".000").unwrap_or(bare));
            Ok(bare.map_or(text.replace(".000Z", "Z"), |bare| format!("{bare}Z")))
        } else {
            Err(self.wrong("a time"))
        }
    }

    /// A whole number from 0 to `max`; `3.0` is one, as AWS writes broker ids.
    pub(super) fn whole(&self, max: u64) -> Result<u64, ImportError> {
        let number = self.float()?;
        #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
        let fits = number.fract() == 0.0 && (0.0..=max as f64).contains(&number);
        if !fits {
            // A figure of hundreds of digits is shown as `1e300`.
            let shown =
                if number.abs() < 1e15 { number.to_string() } else { format!("{number:e}") };
            return Err(self.error(format!("{shown} is not a whole number from 0 to {max}")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        Ok(number as u64)
    }

    /// [`Doc::whole`] that fits 32 bits.
    pub(super) fn count(&self, max: u32) -> Result<u32, ImportError> {
        Ok(u32::try_from(self.whole(u64::from(max))?).unwrap_or(max))
    }

    fn wrong(&self, wanted: &str) -> ImportError {
        let found = match self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(boolean) => boolean.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        self.error(format!("{wanted} is wanted here, not {found}"))
    }
}

/// A key, whatever the case of its first letter.
fn find<'a>(map: &'a Map<String, Value>, key: &str) -> Option<(&'a String, &'a Value)> {
    map.get_key_value(key).or_else(|| {
        map.iter().find(|(name, _)| {
            let (mut a, mut b) = (name.chars(), key.chars());
            let same = |x: Option<char>, y: Option<char>| {
                x.zip(y).is_some_and(|(x, y)| x.eq_ignore_ascii_case(&y))
            };
            same(a.next(), b.next()) && a.as_str() == b.as_str()
        })
    })
}
