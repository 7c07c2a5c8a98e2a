//! Holds the documentation against the binary: every command in a code block must exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::stages;

/// Prints every command that the documentation shows and that does not exist. Whether there was none.
pub fn run() -> Result<bool> {
    let mut shown = BTreeSet::new();
    for path in pages()? {
        shown.extend(shown_in(&fs::read_to_string(path)?));
    }
    let mut all = true;
    for words in &shown {
        let there = exists(words)?;
        println!("{} {}", if there { "ok     " } else { "MISSING" }, words.join(" "));
        all &= there;
    }
    Ok(all)
}

/// The Markdown files at the top and in `docs/`, decisions left out: they tell of what was.
fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for folder in [".", "docs"].map(Path::new).into_iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    Ok(pages)
}

/// The commands of ours in a page's code blocks, each up to its first option or value.
fn shown_in(page: &str) -> BTreeSet<Vec<String>> {
    let mut shown = BTreeSet::new();
    let mut in_code = false;
    for line in page.lines() {
        let line = line.trim_start();
        if line.starts_with("```") {
            in_code = !in_code;
            continue;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
        let (program, rest) = match words.as_slice() {
            ["cargo", "xtask", rest @ ..] if in_code => ("xtask", rest),
            [program, rest @ ..] if in_code && (*program == "sederunt" || program.ends_with("/sederunt")) => {
                ("sederunt", rest)
            }
            _ => continue,
        };
        let command = rest.iter().take_while(name).map(|&word| word.to_owned());
        shown.insert(std::iter::once(program.to_owned()).chain(command).collect());
    }
    shown
}

/// Whether there is such a command. Of a longer line the first words that are a command decide, since what follows may
/// be an argument.
fn exists(words: &[String]) -> Result<bool> {
    match words {
        [program, rest @ ..] if program == "xtask" => Ok(match rest.first().map(String::as_str) {
            Some("test") => rest.iter().skip(1).all(|name| stages::ALL.iter().any(|stage| stage.name == name)),
            Some("check" | "stages") | None => true,
            Some(name @ ("crash" | "bench")) => Path::new("tests").join(name).join("Cargo.toml").exists(),
            Some(_) => false,
        }),
        [_, rest @ ..] => {
            let command = rest.first().map(String::as_str);
            let help = Command::new("target/debug/sederunt").args(command).arg("--help").output()?;
            Ok(help.status.success())
        }
        [] => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_code_blocks_only() {
        let page = "Run sederunt nonsense.\n```\n$ sederunt agent create FILE\ncargo xtask test fmt\n./target/debug/sederunt dev --http x\n```\n";
        let shown = shown_in(page);
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(shown, [words("sederunt agent create"), words("sederunt dev"), words("xtask test fmt")].into());
    }
}
