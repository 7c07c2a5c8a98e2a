//! Archives written by the description in docs/backup.md alone, with rows of every table: what a restore must take, and what
//! a backup must write again byte for byte.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

/// After how many rows a line has the hash of those before it.
const CHECK_EVERY: usize = 1000;

/// The bytes of a file in one line.
const PIECE: usize = 98_304;

/// A table of an archive: its columns, and what they hold.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    columns: Vec<Column>,
    /// The columns of its key by their place.
    key: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    kind: Kind,
    nullable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Uuid,
    Flag,
    Number,
}

/// The tables that an archive names, with the kinds of columns that an SQLite database of the same schema has.
pub fn tables(archive: &str, database: &Connection) -> Vec<Table> {
    let marks = archive.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let marks = marks.filter(|mark| mark["table"].is_string());
    marks.map(|mark| table(mark["table"].as_str().unwrap(), mark["columns"].as_array().unwrap(), database)).collect()
}

fn table(name: &str, columns: &[Value], database: &Connection) -> Table {
    let mut info =
        database.prepare(&format!("select name, type, \"notnull\", pk from pragma_table_info('{name}')")).unwrap();
    let known = info.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?, row.get::<_, u32>(3)?))
    });
    let known: Vec<_> = known.unwrap().map(Result::unwrap).collect();
    let place = |column: &str| columns.iter().position(|named| named == column).unwrap();
    let mut key: Vec<_> =
        known.iter().filter(|(.., key)| *key > 0).map(|(name, _, _, key)| (*key, place(name))).collect();
    key.sort_unstable();
    let column = |named: &Value| {
        let (column, of, not_null, _) = known.iter().find(|(column, ..)| named == column).unwrap();
        let kind = match of.to_lowercase().as_str() {
            "text" if name == "sessions" && column == "id" => Kind::Uuid,
            "text" => Kind::Text,
            "integer" => Kind::Flag,
            "bigint" => Kind::Number,
            other => panic!("{name}.{column} is {other}"),
        };
        Column { name: column.clone(), kind, nullable: !not_null }
    };
    let columns = columns.iter().map(column).collect();
    Table { name: name.to_owned(), columns, key: key.into_iter().map(|(_, place)| place).collect() }
}

/// A row of dice that fall the same way each time.
#[derive(Clone, Copy, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What an archive is written from.
pub struct Content<'a> {
    pub schema: i64,
    pub tables: &'a [Table],
    /// How many rows a table has.
    pub rows: &'a dyn Fn(&str) -> usize,
    /// Texts that are put into columns.
    pub texts: &'a [String],
    /// How many sessions have files.
    pub homes: usize,
    pub dice: Dice,
}

impl Content<'_> {
    /// The archive.
    pub fn archive(mut self) -> String {
        let mut out = Lines::default();
        out.line(&json!({"sederunt": "archive", "version": 1, "schema": self.schema}));
        let mut sessions = Vec::new();
        for table in self.tables {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            out.line(&json!({"table": table.name, "columns": names}));
            let mut rows: Vec<Vec<Value>> = (0..(self.rows)(&table.name)).map(|at| self.row(table, at)).collect();
            rows.sort_by(|a, b| {
                table.key.iter().map(|&at| order(&a[at], &b[at])).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
            });
            if table.name == "sessions" {
                let id = names.iter().position(|name| *name == "id").unwrap();
                let tenant = names.iter().position(|name| *name == "tenant").unwrap();
                sessions = rows.iter().map(|row| [row[tenant].clone(), row[id].clone()]).collect();
            }
            for row in rows {
                out.line(&row);
                out.counted();
            }
            out.end(&table.name);
        }
        out.line(&json!({"section": "files"}));
        for [tenant, session] in sessions.into_iter().take(self.homes) {
            self.home(&mut out, &tenant, &session);
        }
        out.end("files");
        out.whole()
    }

    fn row(&mut self, table: &Table, at: usize) -> Vec<Value> {
        let column = |column: &Column| {
            if column.nullable && self.dice.throw(3) == 0 {
                return Value::Null;
            }
            match column.kind {
                // One tenant, so that rows of it stand before and after others of theirs.
                Kind::Text if column.name == "tenant" => json!(["acme", "Zeta", "zürich"][at % 3]),
                Kind::Text => {
                    let text = self.dice.throw(self.texts.len() as u64 + 1) as usize;
                    json!(format!("{}{at}", self.texts.get(text).map_or("", String::as_str)))
                }
                Kind::Uuid => json!(Uuid::from_u64_pair(self.dice.throw(1 << 30), at as u64).to_string()),
                Kind::Flag => json!(self.dice.throw(2)),
                Kind::Number => match self.dice.throw(4) {
                    0 => json!(i64::MAX),
                    1 => json!(i64::MIN),
                    _ => json!(self.dice.throw(1 << 31)),
                },
            }
        };
        table.columns.iter().map(column).collect()
    }

    /// A session's files: artifacts first, names in order, each folder after what is in it.
    fn home(&mut self, out: &mut Lines, tenant: &Value, session: &Value) {
        let modified = |dice: &mut Dice| 1_700_000_000_000_000_000 + dice.throw(1 << 31) as i64;
        if self.dice.throw(2) == 0 {
            let artifact = format!(".artifacts/{}", Uuid::from_u64_pair(self.dice.throw(1 << 30), 7));
            self.file(out, [tenant, session], &artifact, 5);
            out.line(&json!({"folder": [tenant, session, ".artifacts"], "modified": modified(&mut self.dice)}));
            out.counted();
        }
        for (path, size) in [
            ("a \"b\" \\.txt", Some([0, 1, PIECE, PIECE + 1, 3 * PIECE][self.dice.throw(5) as usize])),
            ("empty", None),
            ("sub/deep/ü", Some(3)),
            ("sub/deep", None),
            ("sub/last", Some(0)),
            ("sub", None),
            (".", None),
        ] {
            match size {
                Some(size) => self.file(out, [tenant, session], path, size),
                None => {
                    out.line(&json!({"folder": [tenant, session, path], "modified": modified(&mut self.dice)}));
                    out.counted();
                }
            }
        }
    }

    fn file(&mut self, out: &mut Lines, [tenant, session]: [&Value; 2], path: &str, size: usize) {
        let modified = 1_700_000_000_000_000_000 + self.dice.throw(1 << 31) as i64;
        out.line(&json!({"file": [tenant, session, path], "size": size, "modified": modified}));
        out.counted();
        let bytes: Vec<u8> = (0..size).map(|_| self.dice.throw(256) as u8).collect();
        bytes.chunks(PIECE).for_each(|piece| out.line(&STANDARD.encode(piece)));
    }
}

/// By bytes, or by number.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) => a.cmp(b),
        _ => a.as_i64().cmp(&b.as_i64()),
    }
}

/// The lines of an archive, with their hashes.
#[derive(Default)]
struct Lines {
    text: String,
    hash: blake3::Hasher,
    rows: usize,
    all: usize,
}

impl Lines {
    fn line(&mut self, line: &impl serde::Serialize) {
        let line = serde_json::to_string(line).unwrap() + "\n";
        self.hash.update(line.as_bytes());
        self.text += &line;
    }

    fn check(&self) -> String {
        self.hash.finalize().to_hex().to_string()
    }

    fn counted(&mut self) {
        self.rows += 1;
        if self.rows.is_multiple_of(CHECK_EVERY) {
            self.line(&json!({"check": self.check()}));
        }
    }

    fn end(&mut self, name: &str) {
        self.line(&json!({"end": name, "rows": self.rows, "check": self.check()}));
        self.all += std::mem::take(&mut self.rows);
    }

    fn whole(mut self) -> String {
        self.line(&json!({"end": "archive", "rows": self.all, "check": self.check()}));
        self.text
    }
}
