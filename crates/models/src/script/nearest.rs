//! Guesses which name was meant by a misspelt one.

/// The one of `names` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = names.into_iter().map(|name| (strsim::damerau_levenshtein(word, name), name)).min()?;
    (near.0 <= 1 + word.chars().count() / 4).then(|| near.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["reply", "reasoning", "delay"];
        assert_eq!(nearest("repyl", names).as_deref(), Some("reply"));
        assert_eq!(nearest("resoning", names).as_deref(), Some("reasoning"));
        assert_eq!(nearest("temperature", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
