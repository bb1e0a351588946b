//! Names of outpoints in memory and in temporary files.

use electrumx_core::HashXKey;
use electrumx_core::bitcoin::Txid;
use siphasher::sip128::SipHasher13;

/// 96 bits that stand for an outpoint: a SipHash of the transaction id under a secret key, and the index
/// added to it.
///
/// Two of 4 × 10^9 outpoints have the same name with a probability of 10^-10, and nobody who does not know
/// the secret can do better.
pub(super) type OutpointName = [u8; 12];

/// Odd, and far from all fractions with small denominators (2^128 divided by the golden ratio), so that
/// indexes spread over all bits.
const STRIDE: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Names outpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names([u8; 16]);

/// A transaction's part of the names of its outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct TxName(u128);

impl Names {
    /// Derives the secret from the database's, so that a build that is resumed has the same.
    pub(super) fn new(key: HashXKey) -> Self {
        Self(key.as_bytes().map(|byte| byte ^ 0x5c))
    }

    pub(super) fn tx(&self, txid: &Txid) -> TxName {
        TxName(SipHasher13::new_with_key(&self.0).hash(txid.as_ref()).as_u128())
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

    use electrumx_core::bitcoin::hashes::Hash as _;

    use super::*;

    #[test]
    fn names_differ_by_transaction_index_and_secret() {
        let names = Names::new(HashXKey::from_bytes([1; 16]));
        let other = Names::new(HashXKey::from_bytes([2; 16]));
        let mut seen = HashSet::new();
        for byte in 0..4 {
            let txid = Txid::from_byte_array([byte; 32]);
            for vout in (0..1000).chain([u32::MAX - 1, u32::MAX]) {
                assert!(seen.insert(names.tx(&txid).output(vout)));
                assert!(seen.insert(other.tx(&txid).output(vout)));
            }
        }
        let tops: HashSet<_> = seen.iter().map(|name| leading(name) >> 56).collect();
        assert_eq!(tops.len(), 256, "names are spread over all leading bits");
    }
}
