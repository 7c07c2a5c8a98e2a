//! Where homes lie: a folder of each tenant's, and in it one of each session's.

use std::io;
use std::os::fd::OwnedFd;

use sederunt_core::blob::Home;
use sederunt_core::id::TenantId;

use super::tree;

/// Homes by the names of their folders.
pub(super) fn list(base: &OwnedFd, after: Option<&Home>, limit: usize) -> io::Result<Vec<Home>> {
    let after = after.map(segments);
    let mut found = Vec::new();
    for tenant in tree::folders(base, after.as_ref().map(|[tenant, _]| tenant.as_str()), usize::MAX)? {
        let Some(name) = tenant_of(&tenant) else { continue };
        let begun = after.as_ref().filter(|[first, _]| *first == tenant).map(|[_, session]| session.as_str());
        for session in tree::folders(&tree::enter(base, &tenant)?, begun, limit + 1)? {
            // The last one seen is not shown again.
            if begun == Some(session.as_str()) {
                continue;
            }
            if let Ok(session) = session.parse() {
                found.push(Home { tenant: name.clone(), session });
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// The names of the folders that lead to a home.
pub(super) fn segments(home: &Home) -> [String; 2] {
    [segment_of(&home.tenant), home.session.to_string()]
}

/// The name of a tenant's folder: the tenant's own name, if it is of small letters, digits, `_` and `-`; else `%` and its
/// bytes in base 32. So no two tenants share a folder, also where large and small letters are the same to the file system,
/// and a name of 128 bytes of any kind fits.
fn segment_of(tenant: &TenantId) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    let name = tenant.as_str();
    if !name.is_empty() && name.bytes().all(plain) {
        return name.to_owned();
    }
    let mut segment = String::from('%');
    for five in name.as_bytes().chunks(5) {
        let number = five.iter().zip((0..5).rev()).fold(0, |sum, (byte, place)| sum | u64::from(*byte) << (8 * place));
        let digits = (five.len() * 8).div_ceil(5);
        segment.extend((0..8).rev().take(digits).map(|place| digit((number >> (5 * place)) & 31)));
    }
    segment
}

/// The tenant whose folder has this name.
fn tenant_of(segment: &str) -> Option<TenantId> {
    let Some(digits) = segment.strip_prefix('%') else { return Some(TenantId::from(segment)) };
    let mut bytes = Vec::new();
    for eight in digits.as_bytes().chunks(8) {
        let number = eight.iter().zip((0..8).rev()).try_fold(0, |sum, (digit, place)| {
            (0..32).find(|value| char::from(*digit) == self::digit(*value)).map(|value| sum | value << (5 * place))
        })?;
        bytes.extend((0..5).rev().take(eight.len() * 5 / 8).map(|place| (number >> (8 * place)) as u8));
    }
    let tenant = TenantId(String::from_utf8(bytes).ok()?);
    (segment_of(&tenant) == segment).then_some(tenant)
}

/// A digit of base 32: `0` to `9`, `a` to `v`.
fn digit(value: u64) -> char {
    u32::try_from(value).ok().and_then(|value| char::from_digit(value, 32)).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_names_stay_readable_and_all_others_fit() {
        for (tenant, segment) in
            [("acme_1-b", "acme_1-b"), ("", "%"), ("A", "%84"), ("Acme", "%85hmqp8"), ("..", "%5on0")]
        {
            assert_eq!(segment_of(&TenantId::from(tenant)), segment);
        }
        assert_eq!(segment_of(&TenantId("Z".repeat(128))).len(), 206);
    }

    proptest! {
        #[test]
        fn a_tenants_folder_has_a_plain_name_of_its_own(tenant in ".{0,32}") {
            let segment = segment_of(&TenantId(tenant.clone()));
            prop_assert!(segment.len() < 255);
            prop_assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'_' | b'-')));
            prop_assert!(!segment.is_empty());
            prop_assert_eq!(tenant_of(&segment), Some(TenantId(tenant)));
        }
    }
}
