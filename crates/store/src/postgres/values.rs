//! Values as PostgreSQL takes and returns them. Its text cannot hold the character NUL, so that NUL and the character after
//! it, U+0001, are written as pairs that begin with U+0001. Order by bytes stays what it is without the pairs.

use std::borrow::Cow;
use std::error::Error;
use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type};

use crate::driver::{Row, Value};

/// What begins a pair.
const ESCAPE: char = '\u{1}';
/// Ends the pair of NUL.
const NUL: char = '\u{1}';
/// Ends the pair of U+0001 itself.
const SELF: char = '\u{2}';

/// Leaves it to the server to find a parameter's type: nothing has any type.
static UNSAID: LazyLock<Type> = LazyLock::new(|| Type::new("unsaid".into(), 0, Kind::Simple, String::new()));

/// The type that a parameter is declared with.
pub(super) fn declared(value: &Value) -> Type {
    match value {
        Value::Null => UNSAID.clone(),
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

/// About how many bytes a value takes on the wire.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Int(_) => 12,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

impl ToSql for Value {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Int(number) => out.put_i64(*number),
            Self::Text(text) => out.put_slice(escaped(text).as_bytes()),
            Self::Bytes(bytes) => out.put_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(of, out)
    }
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *of {
            Type::INT8 => Self::Int(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Self::Int(i32::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => Self::Int((raw != [0]).into()),
            Type::BYTEA => Self::Bytes(Bytes::copy_from_slice(raw)),
            _ => Self::Text(restored(std::str::from_utf8(raw)?).into_owned()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::INT8 | Type::INT4 | Type::BOOL | Type::BYTEA | Type::TEXT | Type::VARCHAR)
    }
}

/// The values of a row that came back.
pub(super) fn row(found: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    (0..found.len()).map(|column| found.try_get(column)).collect()
}

/// Text without NUL.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\0' => out.extend([ESCAPE, NUL]),
            ESCAPE => out.extend([ESCAPE, SELF]),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// The text that was escaped.
fn restored(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE => out.push(if letters.next() == Some(NUL) { '\0' } else { ESCAPE }),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_comes_back_and_keeps_its_place(a in "[\0\u{1}\u{2}a]{0,8}", b in "[\0\u{1}\u{2}a]{0,8}") {
            prop_assert!(!escaped(&a).contains('\0'));
            let kept = escaped(&a);
            prop_assert_eq!(restored(&kept), a.as_str());
            prop_assert_eq!(escaped(&a).cmp(&escaped(&b)), a.cmp(&b));
        }
    }
}
