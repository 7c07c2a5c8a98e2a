//! The form of an archive: JSON Lines, of the kinds that docs/backup.md lists. What is said here twice, for the writer and
//! for the reader, is the names of members.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::driver::Value;

/// The version of the form.
pub(super) const VERSION: u32 = 1;

/// What the first line calls itself.
pub(super) const NAME: &str = "archive";

/// The section of files.
pub(super) const FILES: &str = "files";

/// The section that ends all others.
pub(super) const WHOLE: &str = "archive";

/// After so many rows a line says what all before it hash to, so that one can say where an archive was changed.
pub(super) const CHECK_EVERY: u64 = 1000;

/// The most bytes of a file in one line.
pub(super) const PIECE: usize = 96 << 10;

/// The longest line. The largest row that can be stored is shorter, however much of it must be escaped.
pub(super) const LINE_MAX: usize = 512 << 20;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub sederunt: String,
    pub version: u32,
    pub schema: i64,
}

/// A line that is an object, but for the first.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Mark {
    /// A table begins; arrays follow, a row each.
    Table { table: String, columns: Vec<String> },
    /// The files begin.
    Section { section: String },
    /// A file begins; texts follow, pieces of it in base 64.
    File { file: [String; 3], size: u64, modified: i64 },
    /// A folder, whose content came before it.
    Folder { folder: [String; 3], modified: i64 },
    /// A section ends, or all do; with the hash of all lines before this one.
    End { end: String, rows: u64, check: String },
    /// The hash of all lines before this one.
    Check { check: String },
}

/// A row of a table, as it is written.
pub(super) struct RowOut<'a>(pub &'a [Value]);

/// A row of a table, as it is read.
pub(super) struct RowIn(pub Vec<Value>);

impl Serialize for RowOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(Cell))
    }
}

struct Cell<'a>(&'a Value);

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => to.serialize_unit(),
            Value::Int(number) => to.serialize_i64(*number),
            Value::Text(text) => to.serialize_str(text),
            Value::Bytes(_) => Err(ser::Error::custom("no column of an archive holds bytes")),
        }
    }
}

impl<'de> Deserialize<'de> for RowIn {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let cells = Vec::<Taken>::deserialize(from)?;
        Ok(Self(cells.into_iter().map(|Taken(value)| value).collect()))
    }
}

struct Taken(Value);

impl<'de> Deserialize<'de> for Taken {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CellVisitor).map(Self)
    }
}

struct CellVisitor;

impl Visitor<'_> for CellVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a whole number or a text")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::Int).map_err(|_| E::custom("a number is too large"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }
}

/// Any line by its first byte.
pub(super) enum Kind {
    Object,
    Row,
    Piece,
}

impl Kind {
    pub fn of(line: &[u8]) -> Option<Self> {
        match line.first()? {
            b'{' => Some(Self::Object),
            b'[' => Some(Self::Row),
            b'"' => Some(Self::Piece),
            _ => None,
        }
    }
}
