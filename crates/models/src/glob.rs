//! Patterns of names: `*` stands for any run of characters, `?` for any one, everything else for itself. Matching takes
//! time in proportion to the text's length.

use regex::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 512;

/// A pattern that a whole text must fit.
#[derive(Clone, Debug)]
pub struct Glob(Regex);

impl Glob {
    /// Reads a pattern of at most 512 bytes; an error says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("a pattern has at most {MAX_PATTERN} bytes"));
        }
        let mut regex = String::from("^(?:");
        for c in pattern.chars() {
            match c {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        regex.push_str(")$");
        let built = RegexBuilder::new(&regex).dot_matches_new_line(true).build();
        built.map(Self).map_err(|error| error.to_string())
    }

    /// Whether the whole of `text` fits.
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_fit_and_only_two_signs_are_special() {
        let fits = |pattern: &str, text: &str| Glob::new(pattern).unwrap().fits(text);
        assert!(fits("*", ""));
        assert!(fits("team-?", "team-é") && !fits("team-?", "team-ab") && !fits("team-?", "my-team-a"));
        assert!(fits("host.example/*:v?", "host.example/a/b:v2") && !fits("host.example/*", "hostXexample/a"));
        assert!(fits("a*", "a\nb") && !fits("", "a") && fits("[a]+", "[a]+"));
        assert!(Glob::new(&"x".repeat(513)).is_err());
        assert!(!Glob::new(&"*a".repeat(256)).unwrap().fits(&"a".repeat(255)));
    }
}
