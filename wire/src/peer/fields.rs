//! How a value of each type is written between nodes, and read without trusting any length.

use crate::error::WireError;
use crate::reader::Reader;
use crate::writer::Writer;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::records::Records;

/// A value that can be part of a message.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Writer);
    fn take(from: &mut Reader) -> Result<Self, WireError>;
}

/// Structs whose fields are written in the order given. A field that is left out does not compile.
macro_rules! fields {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Field for $name {
            fn put(&self, out: &mut Writer) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }

            fn take(from: &mut Reader) -> Result<Self, WireError> {
                Ok(Self { $($field: Field::take(from)?),* })
            }
        }
    )*};
}

/// Enums without content, by number.
macro_rules! numbered {
    ($($name:ident { $($variant:ident = $number:literal),* $(,)? })*) => {$(
        impl Field for $name {
            fn put(&self, out: &mut Writer) {
                out.i8(match self { $(Self::$variant => $number),* });
            }

            fn take(from: &mut Reader) -> Result<Self, WireError> {
                match from.i8()? {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(WireError::Forbidden("a number stands for nothing")),
                }
            }
        }
    )*};
}

pub(super) use {fields, numbered};

macro_rules! plain {
    ($($type:ty: $method:ident;)*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Writer) {
                out.$method(*self);
            }

            fn take(from: &mut Reader) -> Result<Self, WireError> {
                from.$method()
            }
        }
    )*};
}

plain! {
    bool: bool;
    i8: i8;
    i16: i16;
    i32: i32;
    i64: i64;
    TopicId: topic_id;
}

fields! {
    TopicPartition { topic, partition }
}

impl Field for u64 {
    fn put(&self, out: &mut Writer) {
        out.i64(self.cast_signed());
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.i64().map(i64::cast_unsigned)
    }
}

impl Field for u128 {
    fn put(&self, out: &mut Writer) {
        out.topic_id(TopicId(*self));
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.topic_id().map(|id| id.0)
    }
}

impl Field for u16 {
    fn put(&self, out: &mut Writer) {
        out.i16(self.cast_signed());
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.i16().map(i16::cast_unsigned)
    }
}

impl Field for NodeId {
    fn put(&self, out: &mut Writer) {
        out.i32(self.0);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.i32().map(Self)
    }
}

impl Field for ErrorCode {
    fn put(&self, out: &mut Writer) {
        out.error(*self);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.error()
    }
}

impl Field for Arc<str> {
    fn put(&self, out: &mut Writer) {
        out.string(self);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.string()
    }
}

impl Field for String {
    fn put(&self, out: &mut Writer) {
        out.string(self);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.string().map(|text| text.as_ref().to_owned())
    }
}

impl Field for Bytes {
    fn put(&self, out: &mut Writer) {
        out.bytes(self);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.nullable_bytes()?.ok_or(WireError::Null)
    }
}

impl Field for Records {
    fn put(&self, out: &mut Writer) {
        out.records(self);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        let bytes = Bytes::take(from)?;
        Self::decode(bytes).map_err(|_| WireError::Forbidden("a record batch is damaged"))
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Writer) {
        out.bool(self.is_some());
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.bool()?.then(|| T::take(from)).transpose()
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Writer) {
        out.array(self.iter(), |out, element| element.put(out));
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        from.array(T::take)
    }
}

impl<T: Field> Field for Box<[T]> {
    fn put(&self, out: &mut Writer) {
        out.array(self.iter(), |out, element| element.put(out));
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        Vec::take(from).map(Vec::into_boxed_slice)
    }
}

impl<T: Field> Field for Box<T> {
    fn put(&self, out: &mut Writer) {
        self.as_ref().put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        T::take(from).map(Self::new)
    }
}

impl<T: Field> Field for Arc<T> {
    fn put(&self, out: &mut Writer) {
        self.as_ref().put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        T::take(from).map(Self::new)
    }
}

impl<K: Field + Ord, V: Field> Field for BTreeMap<K, V> {
    fn put(&self, out: &mut Writer) {
        out.array(self.iter(), |out, (key, value)| {
            key.put(out);
            value.put(out);
        });
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        Ok(Vec::<(K, V)>::take(from)?.into_iter().collect())
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, WireError> {
        Ok((A::take(from)?, B::take(from)?))
    }
}
