//! Rules about the text of the repository that no compiler keeps.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};

/// Vendors' words. What is below the dialects must read as if no vendor existed.
const VENDORS: &[&str] = &["palantir", "foundry", "azure", "microsoft", "vectara", "aipagents", "openai"];

/// The crates below the dialects, each with the words it may say all the same: a models crate speaks a protocol that
/// goes by the name of the vendor who made it.
const VENDORLESS: &[(&str, &[&str])] =
    &[("crates/core/", &[]), ("crates/store/", &[]), ("crates/web/", &[]), ("crates/models/", &["openai"])];

/// Text that belongs to one machine or to somebody else's notes. Written in halves, so that this file passes.
const STRAY: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "an absolute path of a machine"),
    (concat!("/ro", "ot/"), "an absolute path of a machine"),
    (concat!("/ho", "me/"), "an absolute path of a machine"),
    (concat!("../", "shared"), "a path outside the repository"),
    (concat!("issue", " #"), "a reference that a reader cannot follow"),
    (concat!("regi", "stry.npmjs"), "a registry host"),
    (concat!("files.python", "hosted"), "a registry host"),
];

/// The only place that a locked crate may come from; it is what cargo writes for crates.io.
const INDEX: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// Prints every breach. Whether there was none.
pub fn run() -> Result<bool> {
    let breaches: Vec<String> = tracked()?
        .iter()
        .filter_map(|path| Some((path, fs::read_to_string(path).ok()?)))
        .flat_map(|(path, text)| breaches(path, &text))
        .collect();
    breaches.iter().for_each(|breach| println!("{breach}"));
    Ok(breaches.is_empty())
}

/// Every file that git tracks or would.
fn tracked() -> Result<Vec<String>> {
    let output = Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).output()?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// What is wrong with one file, as `path:line: what`.
fn breaches(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let lower = line.to_lowercase();
        let mut breach = |what: &str| found.push(format!("{path}:{number}: {what}"));
        for (folder, allowed) in VENDORLESS {
            for word in VENDORS.iter().filter(|word| path.starts_with(folder) && !allowed.contains(word)) {
                if lower.contains(word) {
                    breach(&format!("the vendor's word '{word}' below the dialects"));
                }
            }
        }
        for (text, what) in STRAY {
            if lower.contains(text) {
                breach(what);
            }
        }
        if path.ends_with("Cargo.lock") && line.starts_with("source = ") && line != INDEX {
            breach("a crate from elsewhere than crates.io");
        }
        if path.ends_with("package-lock.json") && line.contains("\"resolved\":") {
            breach("a locked address; install with omit-lockfile-registry-resolved");
        }
        if path.contains("requirements") && (lower.contains("://") || line.trim_start().starts_with("--")) {
            breach("an address or an option among locked packages");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_words_are_refused_below_the_dialects_only() {
        assert_eq!(breaches("crates/core/src/turn.rs", "// as Azure does").len(), 1);
        assert!(breaches("crates/dialects/palantir/src/lib.rs", "// as Palantir does").is_empty());
        assert!(breaches("crates/models/src/openai.rs", "struct OpenAi;").is_empty());
        assert_eq!(breaches("crates/models/src/openai.rs", "// Microsoft").len(), 1);
    }

    #[test]
    fn machines_and_registry_hosts_are_refused_everywhere() {
        assert_eq!(breaches("docs/a.md", concat!("see /ho", "me/me/x")).len(), 1);
        assert_eq!(breaches("Cargo.lock", "source = \"registry+https://elsewhere\"").len(), 1);
        assert!(breaches("Cargo.lock", INDEX).is_empty());
        assert_eq!(breaches("a/package-lock.json", "  \"resolved\": \"https://x\",").len(), 1);
        assert_eq!(breaches("a/requirements-1.txt", "--index-url https://x").len(), 1);
        assert!(breaches("a/requirements-1.txt", "pytest==9.2.0").is_empty());
    }
}
