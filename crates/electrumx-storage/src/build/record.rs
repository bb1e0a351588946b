//! Records of fixed length whose byte order is the order of the rows they become.

use electrumx_core::{HashX, OutputNum, OutputRow, OutputState, TxNum};

use crate::base::ScriptEntry;

/// Bytes of an output's number in a record: `TxNum`, then `vout`.
pub(crate) const OUTPUT: usize = TxNum::LEN + 4;

pub(crate) fn output_bytes(output: OutputNum) -> [u8; OUTPUT] {
    let mut bytes = [0; OUTPUT];
    bytes[..TxNum::LEN].copy_from_slice(&output.tx_num.to_be_bytes());
    bytes[TxNum::LEN..].copy_from_slice(&output.vout.to_be_bytes());
    bytes
}

pub(crate) fn output_of([a, b, c, d, e, vout @ ..]: [u8; OUTPUT]) -> OutputNum {
    OutputNum { tx_num: TxNum::from_be_bytes([a, b, c, d, e]), vout: u32::from_be_bytes(vout) }
}

/// Returns a part of a record.
pub(crate) fn part<const N: usize, const LEN: usize>(bytes: &[u8; LEN], start: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[start..start + N]);
    part
}

const UNSPENT: u8 = 1;
const SPENT: u8 = 0;

/// An entry of `scripts` as its bytes: `HashX`, output, state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ScriptRecord(pub(crate) [u8; Self::LEN]);

impl ScriptRecord {
    pub(crate) const LEN: usize = HashX::LEN + OUTPUT + 1 + 8;

    pub(crate) fn ordered(&self) -> OrderedScript {
        let (first, last) = (part(&self.0, 0), part(&self.0, Self::LEN - 16));
        OrderedScript(u128::from_be_bytes(first), u128::from_be_bytes(last))
    }
}

/// A [`ScriptRecord`] as two big-endian numbers, its first 16 bytes and its last; two bytes are in both.
///
/// Numbers are compared faster than bytes, and made faster: what was stored in narrow pieces cannot be loaded in wide
/// ones before the caches have it (measured: 4 % of the scan's CPU time).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct OrderedScript(u128, u128);

impl OrderedScript {
    /// Makes a record of a `HashX` of 96 bits and an output's number of 72.
    #[inline]
    pub(crate) const fn new(hashx: u128, output: u128, state: OutputState) -> Self {
        let (tag, number) = match state {
            OutputState::Unspent(value) => (UNSPENT, value),
            OutputState::SpentBy(TxNum(spender)) => (SPENT, spender),
        };
        let state = (tag as u128) << 64 | number as u128;
        Self(hashx << 32 | output >> 40, output << 72 | state)
    }

    /// Returns the first 16 bits, which choose the partition.
    #[inline]
    pub(crate) const fn leading(self) -> u16 {
        (self.0 >> 112) as u16
    }

    /// Returns the 64 bits that follow the first ones, of which there are 64 at most.
    #[inline]
    pub(crate) const fn bits(self, skipped: u32) -> u64 {
        (self.0 << skipped >> 64) as u64
    }

    /// Appends the record's bytes.
    #[inline]
    pub(crate) fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
        out.truncate(out.len() - 2);
        out.extend_from_slice(&self.1.to_be_bytes());
    }

    #[expect(clippy::cast_possible_truncation, reason = "fields are cut out of wider numbers")]
    pub(crate) fn entry(self) -> ScriptEntry {
        let Self(first, last) = self;
        // HashX: 96 bits, TxNum: 40, vout: 32, tag: 8, number: 64.
        let number = last as u64;
        let state = if (last >> 64) as u8 == UNSPENT {
            OutputState::Unspent(number)
        } else {
            OutputState::SpentBy(TxNum(number))
        };
        let tx_num = u64::from(first as u32) << 8 | u64::from((last >> 104) as u8);
        let output = OutputNum { tx_num: TxNum(tx_num), vout: (last >> 72) as u32 };
        let hashx = HashX::from_bytes(part(&first.to_be_bytes(), 0));
        ScriptEntry { hashx, output, state }
    }
}

/// An entry of `utxos`: output, `HashX`, value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct UtxoRecord(pub(crate) [u8; Self::LEN]);

impl UtxoRecord {
    pub(crate) const LEN: usize = OUTPUT + HashX::LEN + 8;

    pub(crate) fn new(output: [u8; OUTPUT], row: &OutputRow) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes[..OUTPUT].copy_from_slice(&output);
        bytes[OUTPUT..OUTPUT + HashX::LEN].copy_from_slice(row.hashx.as_bytes());
        bytes[OUTPUT + HashX::LEN..].copy_from_slice(&row.value.to_be_bytes());
        Self(bytes)
    }

    pub(crate) fn output(&self) -> (OutputNum, OutputRow) {
        let hashx = HashX::from_bytes(part(&self.0, OUTPUT));
        let value = u64::from_be_bytes(part(&self.0, OUTPUT + HashX::LEN));
        (output_of(part(&self.0, 0)), OutputRow { hashx, value })
    }
}

/// Partitions of txid records: by the first byte of the prefix.
pub(crate) const TXID_PARTS: usize = 256;

/// An entry of `txid_buckets`: the last 24 bits of the prefix, `TxNum`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TxidRecord(pub(crate) [u8; Self::LEN]);

impl TxidRecord {
    pub(crate) const LEN: usize = 8;

    /// Returns the partition and the record.
    pub(crate) fn new(prefix: u32, number: u64) -> (usize, Self) {
        let low = u64::from(prefix & 0xff_ffff) << 40;
        let [first, ..] = prefix.to_be_bytes();
        (first.into(), Self((low | number).to_be_bytes()))
    }

    /// Returns prefix and number.
    pub(crate) fn parts(self, partition: usize) -> (u32, u64) {
        let number = u64::from_be_bytes(self.0);
        let low = u32::try_from(number >> 40).unwrap_or(0);
        let first = u32::try_from(partition).unwrap_or(0) << 24;
        (first | low, number & ((1 << 40) - 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_keep_what_they_hold_and_its_order(
            rows in prop::collection::vec((0..4_u8, 0..1_u64 << 40, any::<u32>(), any::<u64>(), any::<bool>()), 2),
        ) {
            let made: Vec<_> = rows.iter().map(|&(hash, tx_num, vout, number, unspent)| {
                let (hashx, output) = (HashX::from_bytes([hash; 12]), OutputNum { tx_num: TxNum(tx_num), vout });
                let state = if unspent { OutputState::Unspent(number) } else { OutputState::SpentBy(TxNum(number)) };
                let [wide_hashx, wide_output] = [&hashx.as_bytes()[..], &output_bytes(output)]
                    .map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)));
                let ordered = OrderedScript::new(wide_hashx, wide_output, state);
                assert_eq!(ordered.entry(), ScriptEntry { hashx, output, state });
                assert_eq!(ordered.leading().to_be_bytes(), hashx.as_bytes()[..2]);
                let mut bytes = vec![7; 5];
                ordered.append(&mut bytes);
                let script = ScriptRecord(bytes[5..].try_into().unwrap());
                assert_eq!(script.ordered(), ordered);
                let row = OutputRow { hashx, value: number };
                let utxo = UtxoRecord::new(output_bytes(output), &row);
                assert_eq!(utxo.output(), (output, row));
                let (part, txid) = TxidRecord::new(vout, tx_num);
                assert_eq!(txid.parts(part), (vout, tx_num));
                ((hashx, output), script, output, utxo, (vout, tx_num), (part, txid))
            }).collect();
            let (one, two) = (&made[0], &made[1]);
            if one.0 != two.0 {
                prop_assert_eq!(one.0.cmp(&two.0), one.1.cmp(&two.1));
            }
            if one.2 != two.2 {
                prop_assert_eq!(one.2.cmp(&two.2), one.3.cmp(&two.3));
            }
            prop_assert_eq!(one.4.cmp(&two.4), one.5.cmp(&two.5));
        }
    }
}
