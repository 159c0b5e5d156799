//! The id of a customer.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Crockford's base32 in lower case. The characters ascend, so text sorts as the bits do.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The id of a customer: 80 bits, written as 16 characters of lower-case Crockford base32.
///
/// Ids compare as their texts do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId([u8; 10]);

impl CustomerId {
    /// How many characters the text of an id has.
    pub const TEXT_LENGTH: usize = 16;

    /// The id that the upper 80 bits of `hash` are.
    pub fn from_hash(hash: u128) -> Self {
        let mut bytes = [0; 10];
        for (byte, source) in bytes.iter_mut().zip(hash.to_be_bytes()) {
            *byte = source;
        }
        Self(bytes)
    }

    /// The id as a number below 2^80; numbers compare as ids do.
    pub fn bits(self) -> u128 {
        self.0.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }

    /// The top `bits` bits (at most 32) of the id: the bucket of a table that is divided by customer. As the order
    /// of buckets is the order of ids, a table sorted by id is sorted by bucket.
    pub fn bucket(self, bits: u32) -> u32 {
        let bits = bits.min(32);
        // A shift by 80 leaves nothing, which is right for zero bits; the value has at most 32 bits.
        u32::try_from(self.bits() >> (80 - bits)).unwrap_or(u32::MAX)
    }

    /// The text of the id, as ASCII.
    pub fn to_text(self) -> [u8; Self::TEXT_LENGTH] {
        let bits = self.bits();
        let mut text = [0; Self::TEXT_LENGTH];
        for (place, character) in text.iter_mut().enumerate() {
            *character = ALPHABET[(bits >> (75 - 5 * place) & 31) as usize];
        }
        text
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text()
            .iter()
            .try_for_each(|character| fmt::Write::write_char(f, char::from(*character)))
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerId({self})")
    }
}

impl FromStr for CustomerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::InvalidCustomerId {
            text: text.to_owned(),
        };
        if text.len() != Self::TEXT_LENGTH {
            return Err(invalid());
        }
        let mut bits = 0_u128;
        for character in text.bytes() {
            let digit = ALPHABET.binary_search(&character).map_err(|_| invalid())?;
            bits = bits << 5 | digit as u128;
        }
        Ok(Self::from_hash(bits << 48))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hash: u128, text: &str) {
        let id = CustomerId::from_hash(hash);
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse::<CustomerId>().unwrap(), id);
        assert_eq!(id.bits(), hash >> 48);
    }

    #[test]
    fn text_is_crockford_base32_of_the_upper_bits() {
        check(0, "0000000000000000");
        check(u128::MAX, "zzzzzzzzzzzzzzzz");
        // 80 bits that count up by one in groups of five: every digit of the alphabet's first half.
        check(0x0044_3214_c742_54b6_35cf_u128 << 48, "0123456789abcdef");
        check(1 << 48, "0000000000000001");
        check((1 << 48) - 1, "0000000000000000");
    }

    #[test]
    fn texts_that_are_no_ids_are_refused() {
        for text in [
            "",
            "0",
            "0000000000000000 ",
            "000000000000000I",
            "000000000000000l",
            "ÄÄÄÄÄÄÄÄ",
            "A000000000000000",
        ] {
            assert!(text.parse::<CustomerId>().is_err(), "{text}");
        }
    }

    #[test]
    fn buckets_are_the_leading_bits() {
        let id = CustomerId::from_hash(0b1011 << 124);
        assert_eq!([0, 1, 2, 3, 4].map(|bits| id.bucket(bits)), [0, 1, 2, 5, 11]);
        assert_eq!(CustomerId::from_hash(u128::MAX).bucket(99), u32::MAX);
    }

    proptest::proptest! {
        #[test]
        fn texts_sort_as_ids_and_buckets_do(a: u128, b: u128) {
            let (a, b) = (CustomerId::from_hash(a), CustomerId::from_hash(b));
            assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            assert_eq!(a.cmp(&b), a.bits().cmp(&b.bits()));
            assert!(a > b || a.bucket(7) <= b.bucket(7));
        }
    }
}
