//! Times and sizes as people write them: `"250ms"`, `"30d"`, `"10MiB"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// Reads a time.
pub fn time(text: &str) -> Result<Duration, String> {
    scaled(text, &TIMES)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("\"{text}\" is not a time: write a whole number and ms, s, m, h or d, such as \"30s\""))
}

/// Reads a size in bytes.
pub fn size(text: &str) -> Result<usize, String> {
    scaled(text, &SIZES)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("\"{text}\" is not a size: write a whole number and B, KiB, MiB or GiB"))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let scale = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(scale)
}

pub(super) fn de_time<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    time(&String::deserialize(d)?).map_err(D::Error::custom)
}

pub(super) fn de_size<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    size(&String::deserialize(d)?).map_err(D::Error::custom)
}

/// An empty text is nothing.
pub(super) fn de_unset<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(d)?).filter(|text| !text.is_empty()))
}

/// An empty path is nothing.
pub(super) fn de_path<'de, D: Deserializer<'de>>(d: D) -> Result<Option<std::path::PathBuf>, D::Error> {
    Ok(de_unset(d)?.map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_whole_numbers_with_a_unit() {
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(size("10MiB"), Ok(10 << 20));
        for bad in ["", "30", "s", "1.5h", "-1s", "30 s", "1w", "99999999999999999999d"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        for bad in ["10MB", "1 KiB", "KiB", "99999999999999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
