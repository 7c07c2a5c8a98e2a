//! What commands print for people: rows in aligned columns, and a thing's fields under one another.

use serde_json::Value;

use crate::cli::say;

/// A column: its heading, and the pointer to its value in a row.
pub type Column = (&'static str, &'static str);

/// Prints `value` as JSON, or what `people` is for people.
pub fn print(json: bool, value: &Value, people: impl FnOnce() -> String) {
    if json { say(value) } else { say(people()) }
}

/// The widest cell of a table, in characters.
const WIDEST: usize = 72;

/// Rows in columns as wide as their widest cell. Only the headings if there are no rows.
pub fn table(columns: &[Column], rows: &[Value]) -> String {
    let headings = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|(_, at)| brief(&cell(row.pointer(at)))).collect());
    let lines: Vec<Vec<String>> = std::iter::once(headings).chain(cells).collect();
    aligned(&lines)
}

/// A thing's fields, a line each; those that it does not have are left out.
pub fn fields(columns: &[Column], thing: &Value) -> String {
    let has = |at: &str| thing.pointer(at).is_some_and(|value| !value.is_null());
    let lines: Vec<Vec<String>> = columns
        .iter()
        .filter(|(_, at)| has(at))
        .map(|(heading, at)| vec![(*heading).to_owned(), cell(thing.pointer(at))])
        .collect();
    aligned(&lines)
}

/// A value as people read it: times to the second, nothing as a dash, no control characters.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) if is_time(text) => format!("{}Z", text.get(..19).unwrap_or(text)),
        Some(Value::String(text)) => printable(text),
        Some(Value::Bool(true)) => "yes".into(),
        Some(Value::Bool(false)) => "no".into(),
        Some(other) => printable(&other.to_string()),
    }
}

/// What fits into a table: one line, not too long.
fn brief(text: &str) -> String {
    let line = text.replace(['\n', '\t'], " ");
    if line.chars().count() <= WIDEST {
        return line;
    }
    line.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// Text from elsewhere, without what could steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Nine digits of fraction and a `Z`: how the control API writes times.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 30 && bytes.get(10) == Some(&b'T') && bytes.get(19) == Some(&b'.') && text.ends_with('Z')
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [json!({"key": "support", "on": true}), json!({"key": "écho", "on": null})];
        let text = table(&[("KEY", "/key"), ("ON", "/on")], &rows);
        assert_eq!(text, "KEY      ON\nsupport  yes\nécho     -");
    }

    #[test]
    fn a_row_is_one_line_and_not_too_long() {
        let rows = [json!({"title": "a\nb"}), json!({"title": "é".repeat(100)})];
        let text = table(&[("TITLE", "/title")], &rows);
        assert_eq!(text.lines().nth(1), Some("a b"));
        assert_eq!(text.lines().nth(2).map(|line| line.chars().count()), Some(WIDEST));
    }

    #[test]
    fn times_are_shown_to_the_second_and_nothing_steers_the_terminal() {
        assert_eq!(cell(Some(&json!("2026-01-02T03:04:05.000000000Z"))), "2026-01-02T03:04:05Z");
        assert_eq!(cell(Some(&json!("a\u{1b}[2J"))), "a\u{fffd}[2J");
    }
}
