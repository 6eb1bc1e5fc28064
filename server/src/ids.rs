//! Kafka's UUIDs: random, and as text in URL-safe base64 without padding.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of a UUID.
const TEXT_LEN: usize = 22;

/// Random bits from the operating system.
pub(crate) fn random_u128() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    u128::from_be_bytes(bytes)
}

/// A UUID that no part of Kafka has reserved, and whose text does not look like an option.
pub(crate) fn random_uuid() -> u128 {
    loop {
        let id = random_u128();
        if id > u128::from(u32::MAX) && !to_text(id).starts_with('-') {
            return id;
        }
    }
}

/// The text of a new one.
pub(crate) fn random_text() -> String {
    to_text(random_uuid())
}

/// As Kafka writes it.
pub(crate) fn to_text(id: u128) -> String {
    // 128 bits in 22 digits of 6 bits: the last one has two bits and four zeros
    (0..TEXT_LEN)
        .map(|at| {
            let shifted = if at < TEXT_LEN - 1 { id >> (122 - 6 * at) } else { id << 4 };
            char::from(ALPHABET[(shifted & 63) as usize])
        })
        .collect()
}

/// From text; `None` when it is none.
pub(crate) fn from_text(text: &str) -> Option<u128> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut id = 0_u128;
    for (at, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|known| *known == byte)? as u128;
        if at < TEXT_LEN - 1 {
            id = id << 6 | digit;
        } else {
            id = id << 2 | digit >> 4;
        }
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kafkas() {
        // Uuid.METADATA_TOPIC_ID and Uuid.ZERO_UUID as Kafka prints them
        assert_eq!(to_text(1), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(to_text(0), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(to_text(u128::MAX), "_____________________w");
    }

    #[test]
    fn text_reads_back_and_junk_does_not() {
        for id in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677, random_uuid()] {
            assert_eq!(from_text(&to_text(id)), Some(id));
        }
        for junk in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAA+"] {
            assert_eq!(from_text(junk), None, "{junk}");
        }
    }
}
