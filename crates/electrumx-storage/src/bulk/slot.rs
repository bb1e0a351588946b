//! An unspent output on its way: in memory, in a snapshot and in a spool the same 41 bytes.

use electrumx_core::{HashX, OutputRow, OutputState, TxNum};

use super::outpoint::OutpointName;
use crate::build::{OUTPUT, OrderedScript, UtxoRecord, part};

/// Name, number, `HashX` and value of an output. A name of zeros (one in 2^96) is an empty place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot(pub(super) [u8; Self::LEN]);

const NAME: usize = 12;
const HASHX: usize = NAME + OUTPUT;
const VALUE: usize = HASHX + HashX::LEN;

impl Slot {
    pub(super) const LEN: usize = VALUE + 8;
    pub(super) const EMPTY: Self = Self([0; Self::LEN]);

    pub(super) fn new(name: OutpointName, output: [u8; OUTPUT], hashx: &HashX, value: u64) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes[..NAME].copy_from_slice(&name);
        bytes[NAME..HASHX].copy_from_slice(&output);
        bytes[HASHX..VALUE].copy_from_slice(hashx.as_bytes());
        bytes[VALUE..].copy_from_slice(&value.to_be_bytes());
        Self(bytes)
    }

    pub(super) fn name(&self) -> OutpointName {
        part(&self.0, 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.name() == [0; NAME]
    }

    pub(super) fn output(&self) -> [u8; OUTPUT] {
        part(&self.0, NAME)
    }

    /// Returns the number of the output's transaction.
    pub(super) fn tx_num(&self) -> TxNum {
        TxNum::from_be_bytes(part(&self.0, NAME))
    }

    fn row(&self) -> OutputRow {
        let value = u64::from_be_bytes(part(&self.0, VALUE));
        OutputRow { hashx: HashX::from_bytes(part(&self.0, HASHX)), value }
    }

    /// Returns the output's entry in the list of its script, with this spender or as unspent.
    #[inline]
    pub(super) fn script(&self, spender: Option<TxNum>) -> OrderedScript {
        let value = u64::from_be_bytes(part(&self.0, VALUE));
        let state = spender.map_or(OutputState::Unspent(value), OutputState::SpentBy);
        // The 16 bytes that end with HashX, and those that begin with the output.
        let hashx = u128::from_be_bytes(part(&self.0, VALUE - 16)) & ((1 << 96) - 1);
        let output = u128::from_be_bytes(part(&self.0, NAME)) >> (128 - 8 * OUTPUT);
        OrderedScript::new(hashx, output, state)
    }

    /// Returns the output as an unspent one.
    pub(super) fn utxo(&self) -> UtxoRecord {
        UtxoRecord::new(self.output(), &self.row())
    }
}
