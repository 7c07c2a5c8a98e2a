//! Channel binding of type `tls-server-end-point` (RFC 5929): the server's certificate, hashed as it was signed.

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

/// A sequence, in DER.
const SEQUENCE: u8 = 0x30;
/// The name of an algorithm, in DER.
const OBJECT: u8 = 0x06;

/// What a certificate binds to; nothing where its signature has no hash of its own.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (_, after) = element(whole, SEQUENCE)?;
    let (signature, _) = element(after, SEQUENCE)?;
    let (algorithm, _) = element(signature, OBJECT)?;
    Some(digest(hash(algorithm)?, certificate).as_ref().to_vec())
}

/// The hash within a signature algorithm. MD5 and SHA-1 give way to SHA-256.
fn hash(algorithm: &[u8]) -> Option<&'static Algorithm> {
    /// 1.2.840.113549.1.1
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    /// 1.2.840.10045.4.3
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    let (last, family) = algorithm.split_last()?;
    match (family, last) {
        (RSA, 4 | 5 | 11) | (ECDSA, 2) => Some(&SHA256),
        (RSA, 12) | (ECDSA, 3) => Some(&SHA384),
        (RSA, 13) | (ECDSA, 4) => Some(&SHA512),
        _ => None,
    }
}

/// The content of the element at the beginning, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (first == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of nothing but its frame: a body of 200 bytes, then the signature's algorithm.
    fn signed_with(algorithm: &[u8]) -> Vec<u8> {
        let mut inner = vec![SEQUENCE, 0x81, 200];
        inner.extend([7; 200]);
        inner.extend([
            SEQUENCE,
            u8::try_from(algorithm.len() + 2).unwrap(),
            OBJECT,
            u8::try_from(algorithm.len()).unwrap(),
        ]);
        inner.extend(algorithm);
        let mut whole = vec![SEQUENCE, 0x82];
        whole.extend(u16::try_from(inner.len()).unwrap().to_be_bytes());
        whole.extend(inner);
        whole
    }

    #[test]
    fn a_certificate_is_hashed_as_it_was_signed() {
        let ecdsa_384 = signed_with(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 3]);
        assert_eq!(end_point(&ecdsa_384).as_deref(), Some(digest(&SHA384, &ecdsa_384).as_ref()));
        let rsa_sha1 = signed_with(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 5]);
        assert_eq!(end_point(&rsa_sha1).as_deref(), Some(digest(&SHA256, &rsa_sha1).as_ref()));
        assert_eq!(end_point(&signed_with(&[0x2b, 0x65, 0x70])), None, "Ed25519");
    }

    #[test]
    fn what_is_cut_off_binds_to_nothing() {
        let whole = signed_with(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2]);
        for length in 0..whole.len() {
            assert_eq!(end_point(&whole[..length]), None);
        }
    }
}
