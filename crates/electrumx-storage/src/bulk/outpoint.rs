//! Names of outpoints in memory and in temporary files.

use electrumx_core::HashXKey;
use siphasher::sip128::SipHasher13;

/// 96 bits that stand for an outpoint: a hash of the transaction id under a secret key, and the index added to it.
///
/// Two of 4 × 10^9 outpoints have the same name with a probability of 10^-10, and nobody who does not know
/// the secret can do better: the hash is strongly universal. It is the sum of the id's four words, each times a
/// secret number of 192 bits, and of another such number; of its 192 bits the upper 129 are independent for any two ids
/// (Lemire and Kaser, "Strongly universal string hashing is fast", 2014). Names are seen by nobody and kept only until the
/// build is done, so that is enough, and costs a third of a SipHash.
pub(super) type OutpointName = [u8; 12];

/// Odd, and far from all fractions with small denominators (2^128 divided by the golden ratio), so that
/// indexes spread over all bits.
const STRIDE: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Names outpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// What is added.
    start: Number,
    /// What each word is multiplied by.
    factors: [Number; 4],
}

/// A number of 192 bits: the lowest 64 and the others.
#[derive(Clone, Copy, Debug)]
struct Number(u64, u128);

/// A transaction's part of the names of its outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct TxName(u128);

impl Names {
    /// Derives the secret from the database's, so that a build that is resumed has the same.
    pub(super) fn new(key: HashXKey) -> Self {
        let hasher = SipHasher13::new_with_key(&key.as_bytes().map(|byte| byte ^ 0x5c));
        let number = |index: u8| {
            let [low, high] = [0, 1].map(|half| hasher.hash(&[index, half]));
            Number(low.h1, high.as_u128())
        };
        Self { start: number(0), factors: [number(1), number(2), number(3), number(4)] }
    }

    /// Names a transaction by its id, in hash order.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half of 128 bits")]
    pub(super) fn tx(&self, txid: &[u8; 32]) -> TxName {
        let Number(mut low, mut high) = self.start;
        for (word, Number(factor_low, factor_high)) in txid.as_chunks().0.iter().zip(self.factors) {
            let word = u128::from(u64::from_le_bytes(*word));
            let product = u128::from(factor_low) * word;
            let (sum, carry) = low.overflowing_add(product as u64);
            low = sum;
            high = high
                .wrapping_add(product >> 64)
                .wrapping_add(carry.into())
                .wrapping_add(factor_high.wrapping_mul(word));
        }
        TxName(high)
    }
}

impl TxName {
    pub(super) fn output(self, vout: u32) -> OutpointName {
        let [name @ .., _, _, _, _] =
            self.0.wrapping_add(STRIDE.wrapping_mul(u128::from(vout))).to_be_bytes();
        name
    }
}

/// Returns the leading bits of a name, which choose its place everywhere.
pub(super) fn leading([a, b, c, d, e, f, g, h, ..]: &OutpointName) -> u64 {
    u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_is_the_upper_part_of_a_sum_of_products() {
        let names = Names {
            start: Number(u64::MAX, 5 << 64),
            factors: [Number(1, 0), Number(0, 1), Number(0, 1 << 64), Number(u64::MAX, u128::MAX)],
        };
        let mut txid = [0; 32];
        for (word, bytes) in [2_u64, 3, 4, 1].into_iter().zip(txid.as_chunks_mut().0) {
            *bytes = word.to_le_bytes();
        }
        // The factors are 1, 2^64, 2^128 and −1; 2 makes the lowest word of the start overflow.
        let wanted = (5 << 64) + 1 + 3 + (4 << 64);
        assert_eq!(names.tx(&txid).0, wanted);
    }

    #[test]
    fn names_differ_by_transaction_index_and_secret() {
        let names = Names::new(HashXKey::from_bytes([1; 16]));
        let other = Names::new(HashXKey::from_bytes([2; 16]));
        let mut seen = HashSet::new();
        for byte in 0..4 {
            let txid = [byte; 32];
            for vout in (0..1000).chain([u32::MAX - 1, u32::MAX]) {
                assert!(seen.insert(names.tx(&txid).output(vout)));
                assert!(seen.insert(other.tx(&txid).output(vout)));
            }
        }
        let tops: HashSet<_> = seen.iter().map(|name| leading(name) >> 56).collect();
        assert_eq!(tops.len(), 256, "names are spread over all leading bits");
    }
}
