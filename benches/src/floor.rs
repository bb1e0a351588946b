//! The least a first sync can cost.

use std::ops::ControlFlow;

use bitcoin_slices::{Visit as _, Visitor, bsl};
use sha2::{Digest as _, Sha256};

use crate::BlockDir;

/// Reads all blocks with one thread, parses them, and hashes transactions and spendable output scripts.
///
/// Nothing is kept and nothing is checked: no merkle roots, no keyed hashes. Returns the count of transactions
/// and something that depends on every hash.
///
/// # Errors
/// When the blocks cannot be read or parsed.
pub fn floor(blocks: &BlockDir) -> anyhow::Result<(u64, u64)> {
    let mut hasher = Hasher::default();
    let mut reader = blocks.blocks()?;
    while let Some(block) = reader.next_block()? {
        bsl::Block::visit(block, &mut hasher)
            .map_err(|error| anyhow::anyhow!("cannot parse a block: {error:?}"))?;
    }
    Ok((hasher.txs, hasher.mixed))
}

#[derive(Default)]
struct Hasher {
    txs: u64,
    mixed: u64,
}

impl Hasher {
    fn mix(&mut self, hash: &[u8]) {
        let first = hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.mixed = self.mixed.rotate_left(1) ^ first;
    }
}

impl Visitor for Hasher {
    fn visit_transaction(&mut self, tx: &bsl::Transaction<'_>) -> ControlFlow<()> {
        self.txs += 1;
        self.mix(&tx.txid_sha2());
        ControlFlow::Continue(())
    }

    fn visit_tx_out(&mut self, _vout: usize, output: &bsl::TxOut<'_>) -> ControlFlow<()> {
        // OP_RETURN
        if output.script_pubkey().first() != Some(&0x6a) {
            self.mix(&Sha256::digest(output.script_pubkey()));
        }
        ControlFlow::Continue(())
    }
}
