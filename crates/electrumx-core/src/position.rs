//! Positions in the chain.

use std::fmt;

use bitcoin::BlockHash;

/// Height of a block; the genesis block has height 0.
pub type Height = u32;

/// Position of a transaction in the chain, counted from 0 at the genesis coinbase.
///
/// 40 bits on disk: enough for 1.1 × 10^12 transactions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TxNum(pub u64);

impl TxNum {
    /// Bytes of the stored form.
    pub const LEN: usize = 5;
    /// The largest storable number.
    pub const MAX: Self = Self((1 << 40) - 1);

    /// Encodes the number as five big-endian bytes, so that byte order is number order.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; Self::LEN] {
        debug_assert!(self <= Self::MAX);
        let [_, _, _, a, b, c, d, e] = self.0.to_be_bytes();
        [a, b, c, d, e]
    }

    /// Decodes five big-endian bytes.
    #[must_use]
    pub fn from_be_bytes([a, b, c, d, e]: [u8; Self::LEN]) -> Self {
        Self(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
    }
}

impl fmt::Debug for TxNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tx#{}", self.0)
    }
}

/// An output of the chain, by number: the index's form of an outpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OutputNum {
    /// The transaction that made the output.
    pub tx_num: TxNum,
    /// Its index in that transaction.
    pub vout: u32,
}

/// The unit of chain identity: two chains agree up to a block exactly when they agree on its hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockId {
    /// Height of the block.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.height, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tx_num_bytes_keep_the_order() {
        let numbers = [0, 1, 255, 256, 1 << 32, TxNum::MAX.0].map(TxNum);
        for pair in numbers.windows(2) {
            assert!(pair[0].to_be_bytes() < pair[1].to_be_bytes());
        }
        for number in numbers {
            assert_eq!(TxNum::from_be_bytes(number.to_be_bytes()), number);
        }
    }
}
