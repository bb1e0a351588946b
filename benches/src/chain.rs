//! A deterministic chain that a real regtest node accepts, made block by block.
//!
//! Every rule of consensus holds: proof of work, median time, BIP34 heights, subsidies and maturity of coinbases,
//! amounts, scripts, the witness commitment, weight and signature operations. Nothing is signed: the scripts
//! are built so that anybody may spend them, in the shapes and sizes of main network's (see `script`).

mod payees;
mod pool;
mod script;
mod shape;
mod totals;
mod transaction;

use std::collections::VecDeque;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::{VarInt, serialize};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::script::Builder;
use bitcoin::{
    Amount, BlockHash, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, constants,
};
use electrumx_core::{Height, RawBlock, ScriptHash, merkle};

use payees::Payees;
use pool::{Coin, Pool};
pub use shape::Shape;
pub use totals::Totals;
use transaction::TxWriter;

/// Blocks until a coinbase may be spent; until then blocks hold nothing else.
const MATURITY: u32 = 100;

/// Blocks between halvings of the subsidy on regtest.
const HALVING_INTERVAL: u32 = 150;

/// Seconds between blocks: main network's pace, so that the median time rule holds.
const BLOCK_SECS: u32 = 600;

/// Weight at which a block is taken to be full; below the 4,000,000 of consensus by more than a large
/// transaction and the coinbase.
const FULL_WEIGHT: usize = 3_960_000;

/// Upper bound for the weight of a coinbase after the first hundred.
const COINBASE_WEIGHT: usize = 2_000;

/// A chain that is generated as it is read, from regtest's genesis block on.
///
/// Its memory is what it needs to go on: the unspent outputs and one block.
#[derive(Debug)]
pub struct GeneratedChain {
    shape: Shape,
    rng: fastrand::Rng,
    payees: Payees,
    pool: Pool,
    /// Outputs of the last coinbases, oldest first.
    maturing: VecDeque<Vec<Coin>>,
    writer: TxWriter,
    header: Header,
    next: Height,
    totals: Totals,
}

impl GeneratedChain {
    /// Starts a chain at regtest's genesis block.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            rng: fastrand::Rng::with_seed(shape.seed),
            payees: Payees::new(shape.busy_permille),
            pool: Pool::for_blocks_of(shape.txs_per_block),
            maturing: VecDeque::new(),
            writer: TxWriter::default(),
            header: constants::genesis_block(Network::Regtest).header,
            next: 0,
            totals: Totals::default(),
        }
    }

    /// Returns what the blocks handed out so far add up to.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Returns the hash of the last block handed out.
    #[must_use]
    pub fn tip(&self) -> BlockHash {
        self.header.block_hash()
    }

    /// Returns the script hash of the busy script; see [`Shape::busy_permille`].
    #[must_use]
    pub fn busy_script() -> ScriptHash {
        let mut script = Vec::new();
        payees::BUSY.write_script_pubkey(&mut script);
        ScriptHash::of_script(&script)
    }

    /// Generates the next block, serialised.
    fn generate(&mut self) -> Vec<u8> {
        let bytes = if self.next == 0 {
            let genesis = constants::genesis_block(Network::Regtest);
            self.totals.add_tx(0, 1);
            serialize(&genesis)
        } else {
            self.block()
        };
        self.next += 1;
        self.totals.add_block(bytes.len());
        bytes
    }

    fn block(&mut self) -> Vec<u8> {
        if self.next > MATURITY {
            self.pool.extend(self.maturing.pop_front().unwrap_or_default());
        }
        self.writer.clear();
        let target = self.shape.txs_per_block as usize;
        while self.writer.len() < target
            && self.writer.weight() + COINBASE_WEIGHT < FULL_WEIGHT
            && self.next > self.shape.quiet_blocks.max(MATURITY)
            && !self.pool.is_empty()
        {
            self.writer.write(&mut self.rng, &mut self.pool, &mut self.payees, &mut self.totals);
        }

        let coinbase = self.coinbase();
        let txid = coinbase.compute_txid().to_byte_array();
        let txids = std::iter::once(txid).chain(self.writer.txids().iter().copied()).collect();
        self.mine(txids);

        let mut block = serialize(&self.header);
        block.extend(serialize(&VarInt::from(self.writer.len() + 1)));
        block.extend(serialize(&coinbase));
        block.extend_from_slice(self.writer.bytes());
        block
    }

    fn coinbase(&mut self) -> Transaction {
        let commitment = {
            let wtxids = std::iter::once([0; 32]).chain(self.writer.wtxids().iter().copied());
            let root = merkle::root(wtxids.collect()).expect("there is at least the coinbase");
            let reserved = [0; 32];
            sha256d::Hash::hash(&[root, reserved].concat()).to_byte_array()
        };
        let count = if self.next <= MATURITY { self.shape.funding() } else { 2 };
        let scripts: Vec<_> = (0..count).map(|_| self.payees.next(&mut self.rng)).collect();
        let value = subsidy(self.next) / count;
        let mut output: Vec<TxOut> = scripts
            .iter()
            .map(|script| {
                let mut bytes = Vec::new();
                script.write_script_pubkey(&mut bytes);
                TxOut { value: Amount::from_sat(value), script_pubkey: ScriptBuf::from(bytes) }
            })
            .collect();
        output.push(TxOut {
            value: Amount::ZERO,
            // BIP141: OP_RETURN, a push of 36 bytes, the magic.
            script_pubkey: ScriptBuf::from(
                [[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed].as_slice(), &commitment].concat(),
            ),
        });
        let tx = Transaction {
            version: bitcoin::transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::null(),
                // BIP34's height; the seed makes the chains of two seeds differ from the first block on.
                script_sig: Builder::new()
                    .push_int(self.next.into())
                    .push_slice(self.shape.seed.to_le_bytes())
                    .into_script(),
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[[0; 32]]),
            }],
            output,
        };
        let txid = tx.compute_txid().to_byte_array();
        let coins = (0..).zip(scripts).map(|(vout, script)| Coin { txid, vout, value, script });
        self.maturing.push_back(coins.collect());
        self.totals.add_tx(0, count + 1);
        self.totals.add_coins(count, value * count);
        tx
    }

    /// Finds the header of the next block; every other hash meets regtest's target.
    fn mine(&mut self, txids: Vec<[u8; 32]>) {
        let root = merkle::root(txids).expect("there is at least the coinbase");
        self.header = Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: self.header.block_hash(),
            merkle_root: TxMerkleNode::from_byte_array(root),
            time: self.header.time + BLOCK_SECS,
            bits: self.header.bits,
            nonce: 0,
        };
        while self.header.validate_pow(self.header.target()).is_err() {
            self.header.nonce += 1;
        }
    }
}

/// What a block may create, in satoshis.
fn subsidy(height: Height) -> u64 {
    // After 64 halvings there is nothing to shift.
    (50 * Amount::ONE_BTC.to_sat()).checked_shr(height / HALVING_INTERVAL).unwrap_or(0)
}

impl Iterator for GeneratedChain {
    type Item = RawBlock;

    fn next(&mut self) -> Option<RawBlock> {
        let height = self.next;
        (height <= self.shape.blocks).then(|| RawBlock { height, bytes: self.generate() })
    }
}
