//! Guesses which name was meant by a misspelt one.

/// The one of `names` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = names.into_iter().map(|name| (distance(word, name), name)).min()?;
    (near.0 <= 1 + word.chars().count() / 4).then(|| near.1.to_owned())
}

/// How many characters must be changed, added, removed or swapped with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (row[j] + usize::from(x != *y)).min(row[j + 1] + 1).min(next[j] + 1);
            if j > 0 && last == Some(*y) && x == b[j - 1] {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(x);
    }
    row.last().copied().unwrap_or_default()
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
