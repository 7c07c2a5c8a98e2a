//! Identifiers of the OpenAI protocol: `{prefix}_{partition}{entropy}`, where partition has 18 characters and entropy 32.
//! They are pure functions of core ids: the entropy holds a UUID, a position and a check, so that an identifier is read
//! back without looking anything up.
//!
//! The form is that of the vendor's container runtime (`azure-ai-agentserver-responses` 2.3.0), which takes any text with
//! an underscore and 50 (or, of old, 48) characters behind it for well-formed.

use uuid::Uuid;

/// What a response's identifier begins with.
pub(crate) const RESPONSE: &str = "caresp";
/// What a conversation's identifier begins with.
pub(crate) const CONVERSATION: &str = "conv";
/// What a message's identifier begins with.
pub(crate) const MESSAGE: &str = "msg";

const PARTITION: usize = 18;
const BODY: usize = 50;
const BODY_OF_OLD: usize = 48;

const UUID_DIGITS: usize = 22;
const POSITION_DIGITS: usize = 3;
const CHECK_DIGITS: usize = 7;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What the identifiers of one chain of responses, or of one conversation, have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition(String);

impl Partition {
    /// The partition that begins with this UUID: its low half, which is random.
    pub fn of(uuid: Uuid) -> Self {
        Self(format!("{:016x}00", uuid.as_u64_pair().1))
    }

    /// The partition of this text, if it is one.
    pub fn read(text: &str) -> Option<Self> {
        let fits = text.len() == PARTITION && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an identifier is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Ours: it names what these say.
    Ours(Named),
    /// Well-formed, and nothing of ours.
    Foreign,
    /// No identifier at all.
    Malformed,
}

/// What an identifier of ours names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// What it begins with.
    pub prefix: String,
    /// Its partition.
    pub partition: Partition,
    /// The core id in it.
    pub uuid: Uuid,
    /// The position in it: 0 for a whole, else an item's position in its turn plus one.
    pub position: u32,
}

/// The identifier of a whole (position 0), or of the item at `position - 1` of a turn.
pub(crate) fn write(prefix: &str, partition: &Partition, uuid: Uuid, position: u32) -> String {
    let mut text = String::with_capacity(prefix.len() + 1 + BODY);
    text.push_str(prefix);
    text.push('_');
    text.push_str(partition.as_str());
    push_number(&mut text, uuid.as_u128(), UUID_DIGITS);
    push_number(&mut text, position.into(), POSITION_DIGITS);
    push_number(&mut text, check(prefix, partition, uuid, position), CHECK_DIGITS);
    text
}

/// Reads an identifier.
pub(crate) fn read(text: &str) -> Read {
    let Some((prefix, body)) = text.split_once('_') else { return Read::Malformed };
    let length = body.chars().count();
    if prefix.is_empty() || (length != BODY && length != BODY_OF_OLD) {
        return Read::Malformed;
    }
    ours(prefix, body).map_or(Read::Foreign, Read::Ours)
}

/// What an identifier with this prefix names; `None` if it is none of ours.
pub(crate) fn named(prefix: &str, text: &str) -> Option<Named> {
    match read(text) {
        Read::Ours(named) if named.prefix == prefix => Some(named),
        _ => None,
    }
}

fn ours(prefix: &str, body: &str) -> Option<Named> {
    if body.len() != BODY || !body.is_ascii() {
        return None;
    }
    let (partition, entropy) = body.split_at_checked(PARTITION)?;
    let (uuid, rest) = entropy.split_at_checked(UUID_DIGITS)?;
    let (position, code) = rest.split_at_checked(POSITION_DIGITS)?;
    let partition = Partition::read(partition)?;
    let uuid = Uuid::from_u128(number(uuid)?);
    let position = u32::try_from(number(position)?).ok()?;
    (number(code)? == check(prefix, &partition, uuid, position)).then(|| Named {
        prefix: prefix.to_owned(),
        partition,
        uuid,
        position,
    })
}

/// Ties the parts of an identifier together: what was put together by hand names nothing.
fn check(prefix: &str, partition: &Partition, uuid: Uuid, position: u32) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(prefix.as_bytes()).update(b"_").update(partition.as_str().as_bytes());
    hasher.update(uuid.as_bytes()).update(&position.to_be_bytes());
    let mut bytes = [0u8; 8];
    bytes.iter_mut().zip(hasher.finalize().as_bytes()).for_each(|(to, from)| *to = *from);
    u128::from(u64::from_be_bytes(bytes)) % 62u128.pow(CHECK_DIGITS as u32)
}

fn push_number(text: &mut String, number: u128, digits: usize) {
    let at = |place: usize| (number / 62u128.pow(u32::try_from(place).unwrap_or_default()) % 62) as usize;
    text.extend((0..digits).rev().filter_map(|place| DIGITS.get(at(place)).map(|digit| char::from(*digit))));
}

fn number(text: &str) -> Option<u128> {
    text.bytes().try_fold(0u128, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(digit.into())
    })
}

/// What the identifier of an item of this type begins with, as in the vendor's runtime.
pub(crate) fn prefix_of(kind: &str) -> &'static str {
    match kind {
        "function_call" => "fc",
        "function_call_output" => "fco",
        "reasoning" => "rs",
        "file_search_call" => "fs",
        "web_search_call" => "ws",
        "code_interpreter_call" => "ci",
        "image_generation_call" => "ig",
        "mcp_call" => "mcp",
        "mcp_list_tools" => "mcpl",
        "mcp_approval_request" => "mcpr",
        "mcp_approval_response" => "mcpa",
        "custom_tool_call" => "ctc",
        "custom_tool_call_output" => "ctco",
        "computer_call" => "cu",
        "computer_call_output" => "cuo",
        "local_shell_call" | "shell_call" => "lsh",
        "local_shell_call_output" | "shell_call_output" => "lsho",
        "apply_patch_call" => "ap",
        "apply_patch_call_output" => "apo",
        "compaction" => "cmp",
        "workflow_action" => "wfa",
        "output_message" => "om",
        "message" => MESSAGE,
        _ => "item",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_identifier_has_the_vendor_s_form() {
        let uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_00ff);
        let id = write(RESPONSE, &Partition::of(uuid), uuid, 0);
        assert_eq!(id.len(), "caresp_".len() + 50);
        assert!(id.starts_with("caresp_80000000000000ff00"), "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    }

    #[test]
    fn only_the_shape_makes_an_identifier_malformed() {
        let theirs = "caresp_4d363ebc64f6ec9a00FPJsLzcUhPzfYNhmOQ09goBK2hR24LAP";
        assert_eq!(read(theirs), Read::Foreign);
        assert_eq!(read(&format!("caresp_{}", "a".repeat(48))), Read::Foreign);
        assert_eq!(read(&format!("caresp_{}", "é".repeat(50))), Read::Foreign);
        for bad in ["", "caresp", "caresp_", "caresp_abc", &format!("_{}", "a".repeat(50))] {
            assert_eq!(read(bad), Read::Malformed, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_identifier_reads_back_as_what_it_names(bits: u128, start: u128, position in 0u32..238_328) {
            let (uuid, partition) = (Uuid::from_u128(bits), Partition::of(Uuid::from_u128(start)));
            let id = write("fc", &partition, uuid, position);
            let expected = Named { prefix: "fc".into(), partition, uuid, position };
            prop_assert_eq!(read(&id), Read::Ours(expected));
            prop_assert_eq!(named(RESPONSE, &id), None);
        }

        #[test]
        fn a_changed_identifier_names_nothing(bits: u128, at in 0usize..50, digit in "[0-9A-Za-z]") {
            let uuid = Uuid::from_u128(bits);
            let id = write(RESPONSE, &Partition::of(uuid), uuid, 0);
            let mut changed = id.clone();
            changed.replace_range(7 + at..8 + at, &digit);
            prop_assume!(changed != id);
            prop_assert_eq!(read(&changed), Read::Foreign);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = read(&text);
        }
    }
}
