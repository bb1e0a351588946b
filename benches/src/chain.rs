//! A deterministic chain: well-formed blocks without proof of work.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, transaction,
};
use electrumx_core::{BlockId, BlockSource, Height, RawBlock, SourceError, SourceTip};

/// The mix of a generated chain.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Blocks after the genesis block.
    pub blocks: u32,
    /// Transactions of a block, its coinbase left out.
    pub txs_per_block: u32,
    /// Heavily reused scripts; a fifth of all outputs pay to one of them.
    pub hot_scripts: u64,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self { blocks: 100, txs_per_block: 2_500, hot_scripts: 1_000, seed: 1 }
    }
}

/// A chain that is generated as it is read.
#[derive(Debug)]
pub struct GeneratedChain {
    shape: Shape,
    rng: fastrand::Rng,
    utxos: Vec<OutPoint>,
    tip: BlockHash,
    next: Height,
    scripts: u64,
    /// Bytes of all blocks handed out.
    pub bytes: u64,
}

impl GeneratedChain {
    /// Starts a chain at regtest's genesis block.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let rng = fastrand::Rng::with_seed(shape.seed);
        let tip = BlockHash::all_zeros();
        Self { shape, rng, utxos: Vec::new(), tip, next: 0, scripts: 0, bytes: 0 }
    }

    /// Generates the next block.
    pub fn generate(&mut self) -> Block {
        let block = if self.next == 0 {
            bitcoin::constants::genesis_block(bitcoin::Network::Regtest)
        } else {
            self.block()
        };
        self.tip = block.block_hash();
        self.next += 1;
        block
    }

    fn block(&mut self) -> Block {
        let mut txdata = vec![self.tx(vec![OutPoint::null()], 1)];
        for _ in 0..self.shape.txs_per_block {
            let inputs = [1, 1, 2, 2, 3, 6][self.rng.usize(..6)];
            let prevouts: Vec<_> = (0..inputs).filter_map(|_| self.spend()).collect();
            if !prevouts.is_empty() {
                let outputs = [1, 2, 2, 2, 2, 7][self.rng.usize(..6)];
                let tx = self.tx(prevouts, outputs);
                txdata.push(tx);
            }
            // Early blocks have little to spend: let the set of outputs grow.
            if self.utxos.len() < 200_000 {
                let outputs = 3;
                let Some(prevout) = self.spend() else { continue };
                let tx = self.tx(vec![prevout], outputs);
                txdata.push(tx);
            }
        }
        let mut block = Block {
            header: Header {
                version: Version::TWO,
                prev_blockhash: self.tip,
                merkle_root: TxMerkleNode::all_zeros(),
                time: 1_300_000_000 + self.next * 600,
                bits: CompactTarget::from_consensus(0x207f_ffff),
                nonce: 0,
            },
            txdata,
        };
        block.header.merkle_root =
            block.compute_merkle_root().unwrap_or_else(TxMerkleNode::all_zeros);
        block
    }

    /// Half of all spends take a recent output, the others any.
    fn spend(&mut self) -> Option<OutPoint> {
        let len = self.utxos.len();
        let recent = len.saturating_sub(5_000);
        let from = if self.rng.bool() { recent } else { 0 };
        (len > 0).then(|| self.utxos.swap_remove(self.rng.usize(from..len)))
    }

    fn tx(&mut self, prevouts: Vec<OutPoint>, outputs: usize) -> Transaction {
        let coinbase = prevouts.first().is_some_and(OutPoint::is_null);
        let input = |previous_output| TxIn {
            previous_output,
            script_sig: if coinbase {
                ScriptBuf::from_bytes(self.next.to_le_bytes().to_vec())
            } else {
                ScriptBuf::new()
            },
            sequence: Sequence::MAX,
            witness: if coinbase {
                Witness::new()
            } else {
                Witness::from_slice(&[[0x30; 71].as_slice(), &[2; 33]])
            },
        };
        let input = prevouts.into_iter().map(input).collect();
        let output = (0..outputs).map(|_| self.output()).collect();
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input,
            output,
        };
        let txid = tx.compute_txid();
        self.utxos.extend((0_u32..).take(outputs).map(|vout| OutPoint { txid, vout }));
        tx
    }

    fn output(&mut self) -> TxOut {
        let script = if self.rng.u8(..5) == 0 {
            // Squared: a few scripts are much hotter than the rest.
            let pick = self.rng.f64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a pick below hot_scripts"
            )]
            {
                (pick * pick * self.shape.hot_scripts as f64) as u64
            }
        } else {
            self.scripts += 1;
            self.shape.hot_scripts + self.scripts
        };
        let mut program = vec![0x00, 0x14];
        program.extend_from_slice(
            &bitcoin::hashes::hash160::Hash::hash(&script.to_le_bytes()).to_byte_array(),
        );
        TxOut {
            value: Amount::from_sat(self.rng.u64(500..100_000_000)),
            script_pubkey: ScriptBuf::from_bytes(program),
        }
    }
}

impl Iterator for GeneratedChain {
    type Item = RawBlock;

    fn next(&mut self) -> Option<RawBlock> {
        let height = self.next;
        (height <= self.shape.blocks).then(|| {
            let bytes = serialize(&self.generate());
            self.bytes += bytes.len() as u64;
            RawBlock { height, bytes }
        })
    }
}

/// Only good for one pass: the blocks are made as they are asked for.
impl BlockSource for GeneratedChain {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        // The hash of the last block is known only at the end; until then any other will do.
        let id = BlockId { height: self.shape.blocks, hash: self.tip };
        Ok(SourceTip { id, syncing: false })
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        Ok(if height == 0 {
            Some(bitcoin::constants::genesis_block(bitcoin::Network::Regtest).block_hash())
        } else {
            Some(self.tip)
        })
    }

    fn start(&mut self, _from: Height, _to: Height) {}

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        Ok(self.next())
    }
}
