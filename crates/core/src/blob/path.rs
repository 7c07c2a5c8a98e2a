//! Paths in a session's home, in their one normal form: no way of writing one leads out of the home.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Reason, Result};
use crate::id::ArtifactId;

/// The folder of a home that only [`BlobPath::artifact`] leads into.
const ARTIFACTS: &str = ".artifacts";

/// A path in a session's home: the names of the folders that lead to it, then its own. The home itself has no name.
///
/// Written with `/` between names; a leading `/` and `.` mean the home. `..` goes back a name, and is refused where it
/// would leave the home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlobPath(Vec<String>);

impl BlobPath {
    /// The longest name, in bytes: what file systems take.
    pub const NAME_MAX: usize = 255;
    /// The longest path as it is written, in bytes.
    pub const MAX: usize = 4096;
    /// The most names.
    pub const DEPTH_MAX: usize = 64;

    /// The home.
    pub fn home() -> Self {
        Self::default()
    }

    /// The folder of the files that users brought to turns.
    pub fn artifacts() -> Self {
        Self(vec![ARTIFACTS.to_owned()])
    }

    /// A file that a user brought to a turn.
    pub fn artifact(id: ArtifactId) -> Self {
        Self(vec![ARTIFACTS.to_owned(), id.to_string()])
    }

    /// Whether a name in a home is out of sight: no list shows it, and no text that is read as a path leads there.
    pub fn is_hidden(name: &str) -> bool {
        // Large and small letters are the same to some file systems.
        name.eq_ignore_ascii_case(ARTIFACTS)
    }

    /// Whether it is the home.
    pub fn is_home(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, from the home on. None is empty, `.` or `..`, and none has a `/` or a NUL in it.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The folder that it is in, and its own name; `None` for the home.
    pub fn split_last(&self) -> Option<(&str, &[String])> {
        self.0.split_last().map(|(name, folder)| (name.as_str(), folder))
    }
}

impl FromStr for BlobPath {
    type Err = Error;

    /// `Invalid(path)` for what leads out of the home or to what is hidden in it, has a NUL in it, or is too long. The empty text is the home.
    fn from_str(text: &str) -> Result<Self> {
        if text.len() > Self::MAX {
            return Err(Error::invalid("path", Reason::TooLarge(Self::MAX as u64)));
        }
        if text.contains('\0') {
            return Err(Error::malformed("path", "a path has no NUL in it"));
        }
        let mut names = Vec::new();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." if names.pop().is_some() => {}
                ".." => return Err(Error::malformed("path", "the path leads out of the session's home")),
                name if name.len() > Self::NAME_MAX => {
                    return Err(Error::malformed("path", format!("a name has at most {} bytes", Self::NAME_MAX)));
                }
                name => names.push(name.to_owned()),
            }
            if names.len() > Self::DEPTH_MAX {
                return Err(Error::malformed("path", format!("a path has at most {} names", Self::DEPTH_MAX)));
            }
        }
        if names.first().is_some_and(|name| Self::is_hidden(name)) {
            return Err(Error::malformed("path", format!("'{ARTIFACTS}' is not a name that can be given")));
        }
        Ok(Self(names))
    }
}

impl fmt::Display for BlobPath {
    /// The normal form: names with `/` between them, `.` for the home.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_home() { f.write_str(".") } else { f.write_str(&self.0.join("/")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(text: &str) -> Option<String> {
        text.parse::<BlobPath>().ok().map(|path| path.to_string())
    }

    #[test]
    fn a_path_has_one_normal_form() {
        for (text, form) in [
            ("", "."),
            (".", "."),
            ("/", "."),
            ("a.txt", "a.txt"),
            ("/a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("..a/.b", "..a/.b"),
            ("a\\..\\b", "a\\..\\b"),
            ("%2e%2e/a", "%2e%2e/a"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(form), "{text:?}");
        }
    }

    #[test]
    fn what_leads_out_or_is_too_long_is_refused() {
        let [long_name, long_path] = ["a".repeat(256), "a/".repeat(2_049)];
        let deep = "a/".repeat(65);
        for text in ["..", "/..", "a/../..", "a/../../a", "../home", "a\0b", &long_name, &long_path, &deep] {
            assert_eq!(normal(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_text_leads_to_what_users_brought() {
        for text in [".artifacts", "/.artifacts/x", "a/../.artifacts", "./.Artifacts/x"] {
            assert_eq!(normal(text), None, "{text:?}");
        }
        assert_eq!(normal("a/.artifacts").as_deref(), Some("a/.artifacts"));
        assert!(BlobPath::is_hidden(&BlobPath::artifacts().to_string()));
    }

    proptest! {
        #[test]
        fn the_normal_form_stays_as_it_is_and_stays_inside(text in r"(\.|/|\.\.|a|\\|[^/]){0,40}") {
            if let Some(form) = normal(&text) {
                prop_assert_eq!(normal(&form), Some(form.clone()));
                let path: BlobPath = text.parse().unwrap();
                let inside = |name: &String| !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']);
                prop_assert!(path.names().iter().all(inside));
            }
        }
    }
}
