//! Counts tests: reads the last summary that a test runner printed.

use std::fmt;
use std::ops::AddAssign;

/// How nextest's summary begins.
const NEXTEST: &str = "Summary [";

/// How many passed and how many failed. A stage that is not a suite counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: u32,
    /// Failed, or never came to run.
    pub failed: u32,
}

impl Tally {
    /// The counts that `log` reports, held against the exit code: a failed program counts at least one failure, and a
    /// suite in which nothing ran has not passed anything.
    pub fn of(log: &str, passed: bool) -> Self {
        let mut tally = Self::read(log).unwrap_or(Self { passed: u32::from(passed), failed: 0 });
        if !passed {
            tally.failed = tally.failed.max(1);
        }
        tally
    }

    /// Whether this is more than one stage's yes or no.
    pub fn is_suite(&self) -> bool {
        self.passed + self.failed > 1
    }

    /// The sum of what the runners' summary lines say, if there are any. Where nextest sums up, nothing else counts: it
    /// repeats what the harness of a failing test said.
    fn read(log: &str) -> Option<Self> {
        let lines: Vec<String> = log.lines().map(|line| without_colour(line).trim().to_owned()).collect();
        let nextest = lines.iter().any(|line| line.starts_with(NEXTEST));
        let mut found = None;
        for line in lines.iter().filter(|line| !nextest || line.starts_with(NEXTEST)) {
            if let Some(counted) = Self::summary(line) {
                *found.get_or_insert_with(Self::default) += counted;
            }
        }
        found
    }

    /// One summary line: nextest's `Summary […] 3 tests run: 2 passed, 1 failed`, cargo's `test result: ok. 3 passed;`,
    /// pytest's `2 passed, 1 failed in 0.1s` and node's `# pass 2` and `# fail 1`.
    fn summary(line: &str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            let (word, number) = rest.split_once(' ')?;
            let number = number.parse().ok()?;
            return match word {
                "pass" => Some(Self { passed: number, failed: 0 }),
                "fail" => Some(Self { passed: 0, failed: number }),
                _ => None,
            };
        }
        let pytest = line.rsplit_once(" in ").is_some_and(|(_, time)| time.starts_with(|c: char| c.is_ascii_digit()));
        if !(line.starts_with(NEXTEST) || line.starts_with("test result:") || pytest) {
            return None;
        }
        let words: Vec<&str> = line.split([' ', ',', ';', '=']).filter(|word| !word.is_empty()).collect();
        let mut tally = None;
        for pair in words.windows(2) {
            if let [number, word] = pair
                && let Ok(number) = number.parse::<u32>()
            {
                let tally: &mut Self = match *word {
                    "passed" | "failed" | "error" | "errors" | "timed" => tally.get_or_insert_with(Self::default),
                    _ => continue,
                };
                if *word == "passed" { tally.passed += number } else { tally.failed += number }
            }
        }
        tally
    }
}

/// The line without terminal colours.
fn without_colour(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_is_understood() {
        let tally = |passed, failed| Some(Tally { passed, failed });
        assert_eq!(Tally::read("     Summary [   0.5s] 3 tests run: 2 passed, 1 failed, 4 skipped"), tally(2, 1));
        let repeated = "test result: FAILED. 0 passed; 1 failed\nSummary [ 0.5s] 3 tests run: 2 passed, 1 failed";
        assert_eq!(Tally::read(repeated), tally(2, 1));
        assert_eq!(Tally::read("test result: ok. 3 passed; 0 failed; 0 ignored"), tally(3, 0));
        assert_eq!(Tally::read("\u{1b}[32m2 passed\u{1b}[0m, 1 failed, 1 error in 0.31s"), tally(2, 2));
        assert_eq!(Tally::read("ℹ tests 3\nℹ pass 2\nℹ fail 1"), tally(2, 1));
        assert_eq!(Tally::read("# pass 2\n# fail 0"), tally(2, 0));
        assert_eq!(Tally::read("Compiling 3 crates\n2 passed the border"), None);
    }

    #[test]
    fn an_exit_code_is_believed_before_a_summary() {
        assert_eq!(Tally::of("5 passed in 1.00s", false), Tally { passed: 5, failed: 1 });
        assert_eq!(Tally::of("nothing to see", true), Tally { passed: 1, failed: 0 });
    }
}
