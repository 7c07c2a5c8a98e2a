//! How far a long command has come: a line that is written over on a terminal, lines of JSON where they are asked for,
//! otherwise nothing.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sederunt_store::Progress;
use serde_json::json;

/// The characters of a bar.
const WIDTH: u64 = 24;

/// Writes how far it has come on standard error.
#[derive(Debug)]
pub struct Bar {
    what: &'static str,
    style: Style,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
enum Style {
    Line,
    Json,
    None,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    shown: Option<Instant>,
    /// Where it was when it was first told, and how many there are if another knows.
    first: Option<u64>,
    of: Option<u64>,
}

impl Bar {
    /// For a command that does this.
    pub fn new(what: &'static str, json: bool) -> Self {
        let style = match (json, std::io::stderr().is_terminal()) {
            (true, _) => Style::Json,
            (false, true) => Style::Line,
            (false, false) => Style::None,
        };
        let state = State { begun: Instant::now(), shown: None, first: None, of: None };
        Self { what, style, state: Mutex::new(state) }
    }

    /// Notes how many there are.
    pub fn expect(&self, of: Option<u64>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).of = of;
    }

    /// Shows how far it is, if that was not shown just now.
    pub fn show(&self, progress: Progress) {
        let every = match self.style {
            Style::None => return,
            Style::Line => Duration::from_millis(100),
            Style::Json => Duration::from_secs(1),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *state.first.get_or_insert(progress.rows);
        if state.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        state.shown = Some(Instant::now());
        let Progress { section, rows, .. } = progress;
        let of = progress.of.or(state.of);
        let text = match self.style {
            Style::Line => {
                let left =
                    of.and_then(|of| left(state.begun.elapsed(), rows.saturating_sub(first), of.saturating_sub(rows)));
                format!("\r{}\x1b[K", line(self.what, section, rows, of, left))
            }
            _ => format!("{}\n", json!({"progress": {"what": self.what, "section": section, "rows": rows, "of": of}})),
        };
        // Nobody is left to be told that nobody can be told.
        _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if matches!(self.style, Style::Line) {
            _ = std::io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// How long it takes if it goes on as it went.
fn left(took: Duration, done: u64, todo: u64) -> Option<Duration> {
    if took < Duration::from_secs(2) || done == 0 {
        return None;
    }
    Some(Duration::from_secs_f64(took.as_secs_f64() * todo as f64 / done as f64))
}

fn line(what: &str, section: &str, rows: u64, of: Option<u64>, left: Option<Duration>) -> String {
    let Some(of) = of.filter(|of| *of > 0) else { return format!("{what} {rows} {section}") };
    let done = (rows.min(of) * WIDTH / of) as usize;
    let bar = format!("{}{}", "#".repeat(done), ".".repeat(WIDTH as usize - done));
    let left = left.map(|left| format!(", {} s left", left.as_secs() + 1)).unwrap_or_default();
    format!("{what} [{bar}] {:3} %{left}  {rows} {section}", rows.min(of) * 100 / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_is_done_and_how_long_the_rest_takes() {
        assert_eq!(line("moving", "turns", 30, None, None), "moving 30 turns");
        let left = left(Duration::from_secs(10), 50, 25);
        assert_eq!(
            line("moving", "turns", 75, Some(100), left),
            "moving [##################......]  75 %, 6 s left  75 turns"
        );
        assert_eq!(line("moving", "files", 9, Some(3), None), "moving [########################] 100 %  9 files");
    }
}
