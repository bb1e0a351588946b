//! Amounts, most of which end in zeros: a varint of the digits before them and their number.

use crate::codec::{push_varint, skip_varint, take, take_varint};

/// Says that the number of zeros is none, and that eight plain bytes follow: for amounts whose digits do
/// not fit.
const PLAIN: u64 = 15;

/// Most zeros taken off.
const MAX_ZEROS: u64 = 14;

/// Appends an amount.
pub(super) fn push_amount(out: &mut Vec<u8>, amount: u64) {
    let (mut digits, mut zeros) = (amount, 0);
    while digits != 0 && digits.is_multiple_of(10) && zeros < MAX_ZEROS {
        digits /= 10;
        zeros += 1;
    }
    if digits >> 60 == 0 {
        push_varint(out, digits << 4 | zeros);
    } else {
        push_varint(out, PLAIN);
        out.extend_from_slice(&amount.to_be_bytes());
    }
}

/// Splits an amount off the front.
pub(super) fn take_amount(bytes: &mut &[u8]) -> Option<u64> {
    let number = take_varint(bytes)?;
    match number & 15 {
        PLAIN if number == PLAIN => Some(u64::from_be_bytes(*take(bytes)?)),
        PLAIN => None,
        zeros => {
            let power = (0..zeros).fold(1_u64, |power, _| power * 10);
            (number >> 4).checked_mul(power)
        }
    }
}

/// Passes over an amount.
#[inline]
pub(super) fn skip_amount(bytes: &mut &[u8]) -> Option<()> {
    let is_plain = bytes.first().is_some_and(|byte| u64::from(*byte) == PLAIN);
    skip_varint(bytes)?;
    if is_plain { take::<8>(bytes).map(|_| ()) } else { Some(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(amount: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_amount(&mut bytes, amount);
        bytes
    }

    #[test]
    fn round_amounts_are_short() {
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(5_000_000_000).len(), 1);
        assert_eq!(encoded(12_340_000).len(), 3);
        assert_eq!(encoded(u64::MAX).len(), 9);
    }

    #[test]
    fn malformed_amounts_are_refused() {
        for mut bytes in [&[][..], &[15, 1, 2][..], &[31][..], &[0xfe; 10][..]] {
            assert_eq!(take_amount(&mut bytes), None);
        }
    }

    proptest! {
        #[test]
        fn every_amount_survives(amount: u64, round in 0..20_u32) {
            for amount in [amount, amount >> (round * 3), 10_u64.pow(round.min(19))] {
                let bytes = encoded(amount);
                let mut rest = &bytes[..];
                prop_assert_eq!(take_amount(&mut rest), Some(amount));
                prop_assert!(rest.is_empty());
            }
        }
    }
}
