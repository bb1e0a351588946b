//! What a chain adds up to.

use serde::{Deserialize, Serialize};

/// Sums over all blocks of a chain, genesis block included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of all blocks.
    pub bytes: u64,
    /// Transactions, coinbases included.
    pub txs: u64,
    /// Outputs that were spent.
    pub inputs: u64,
    /// Outputs, unspendable ones included.
    pub outputs: u64,
    /// Outputs that are unspent, as the node counts them: without `OP_RETURN` and the genesis block's.
    pub utxos: u64,
    /// Their sum in satoshis.
    pub utxo_sat: u64,
}

impl Totals {
    pub(super) const fn add_block(&mut self, bytes: usize) {
        self.blocks += 1;
        self.bytes += bytes as u64;
    }

    /// Adds a transaction that spends `inputs` outputs and creates `outputs`.
    pub(super) const fn add_tx(&mut self, inputs: u64, outputs: u64) {
        self.txs += 1;
        self.inputs += inputs;
        self.outputs += outputs;
    }

    /// Adds spendable outputs.
    pub(super) const fn add_coins(&mut self, count: u64, sat: u64) {
        self.utxos += count;
        self.utxo_sat += sat;
    }

    /// Takes away spent outputs.
    pub(super) const fn spend_coins(&mut self, count: u64, sat: u64) {
        self.utxos -= count;
        self.utxo_sat -= sat;
    }
}
