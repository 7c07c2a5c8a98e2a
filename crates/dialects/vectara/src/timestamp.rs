//! Moments as the live service writes them: RFC 3339 in UTC with milliseconds and `Z`.

use sederunt_core::clock::Time;

/// `2026-05-28T22:17:09.627Z`.
pub(crate) fn timestamp(time: Time) -> String {
    let mut text = time.to_string();
    // Nine digits of fraction, of which three are shown.
    text.truncate("2026-05-28T22:17:09.627".len());
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_of_fraction_are_shown() {
        assert_eq!(timestamp(Time::parse("2026-05-28T22:17:09.6279Z").unwrap()), "2026-05-28T22:17:09.627Z");
        assert_eq!(timestamp(Time::parse("2026-05-28T22:17:09Z").unwrap()), "2026-05-28T22:17:09.000Z");
    }
}
