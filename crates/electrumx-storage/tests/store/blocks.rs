//! Chains of real blocks with edge cases, and what the block processor makes of them.

use std::sync::{Arc, Mutex};

use electrumx_core::bitcoin::absolute::LockTime;
use electrumx_core::bitcoin::block::{Header, Version};
use electrumx_core::bitcoin::consensus::serialize;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxIn, TxMerkleNode, TxOut, Witness, constants::genesis_block, transaction,
};
use electrumx_core::coin::{self, Bitcoin};
use electrumx_core::conformance::Rng;
use electrumx_core::memory::MemoryStore;
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_core::{
    BlockDelta, BlockId, BlockSource, ChainView, HashXKey, Height, Index, RawBlock, SourceError,
    SourceTip, Store, StoreError,
};

pub(crate) fn coin() -> Bitcoin {
    Bitcoin::new(coin::Network::Regtest)
}

/// Makes a chain on regtest's genesis block.
///
/// Outputs are spent at once and late, in their own block and in others; scripts are new, reused, much
/// reused and unspendable; some coinbases repeat an earlier one.
pub(crate) fn chain(seed: u64, blocks: usize) -> Vec<Block> {
    make(seed, blocks, true)
}

/// The same, but no coinbase repeats another, as in all chains since BIP 34.
pub(crate) fn plain_chain(seed: u64, blocks: usize) -> Vec<Block> {
    make(seed, blocks, false)
}

fn make(seed: u64, blocks: usize, repeats: bool) -> Vec<Block> {
    let mut rng = Rng::new(seed);
    let mut chain = vec![genesis_block(Network::Regtest)];
    let mut unspent: Vec<OutPoint> = Vec::new();
    let mut coinbases: Vec<Transaction> = Vec::new();
    let mut scripts = 0_u64;
    for height in 1..=blocks {
        let mut coinbase =
            tx(&mut rng, &mut scripts, vec![OutPoint::null()], &(height as u64).to_le_bytes());
        if repeats && !coinbases.is_empty() && rng.once_in(6) {
            coinbase = coinbases[rng.below(coinbases.len())].clone();
            let txid = coinbase.compute_txid();
            unspent.retain(|outpoint| outpoint.txid != txid);
        } else {
            coinbases.push(coinbase.clone());
        }
        add(&coinbase, &mut unspent);
        let mut txdata = vec![coinbase];
        for _ in 0..rng.pick(&[0, 1, 3, 30, 300]) {
            let inputs = (0..1 + rng.below(4)).filter_map(|_| {
                let len = unspent.len();
                let recent = if rng.once_in(2) { len.saturating_sub(20) } else { 0 };
                (len > 0).then(|| unspent.swap_remove(recent + rng.below(len - recent)))
            });
            let inputs: Vec<_> = inputs.collect();
            if inputs.is_empty() {
                break;
            }
            let tx = tx(&mut rng, &mut scripts, inputs, &[]);
            add(&tx, &mut unspent);
            txdata.push(tx);
        }
        // Coinbases that are spent cannot be repeated without confusing everybody.
        coinbases.retain(|coinbase| {
            let txid = coinbase.compute_txid();
            txdata.iter().all(|tx| tx.input.iter().all(|input| input.previous_output.txid != txid))
        });
        let mut block = Block {
            header: Header {
                version: Version::TWO,
                prev_blockhash: chain.last().map_or(BlockHash::all_zeros(), Block::block_hash),
                merkle_root: TxMerkleNode::all_zeros(),
                time: u32::try_from(height).unwrap(),
                bits: CompactTarget::from_consensus(0x207f_ffff),
                nonce: u32::try_from(seed & 0xffff).unwrap(),
            },
            txdata,
        };
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        chain.push(block);
    }
    chain
}

fn add(tx: &Transaction, unspent: &mut Vec<OutPoint>) {
    let txid = tx.compute_txid();
    for (vout, output) in (0..).zip(&tx.output) {
        if !output.script_pubkey.is_op_return() {
            unspent.push(OutPoint { txid, vout });
        }
    }
}

fn tx(rng: &mut Rng, scripts: &mut u64, prevouts: Vec<OutPoint>, salt: &[u8]) -> Transaction {
    let input = prevouts.into_iter().map(|previous_output| TxIn {
        previous_output,
        script_sig: ScriptBuf::from_bytes(salt.to_vec()),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    });
    let input = input.collect();
    let output = (0..1 + rng.below(5)).map(|_| TxOut {
        value: Amount::from_sat(rng.pick(&[0, 1, 546, 100_000_000, 123_456_789])),
        script_pubkey: ScriptBuf::from_bytes(match rng.below(8) {
            0 => vec![0x6a, 4, 1, 2, 3, 4],
            1..3 => vec![0x51],
            3 => vec![0x51, u8::try_from(rng.below(40)).unwrap()],
            _ => {
                *scripts += 1;
                [&[0x51][..], &scripts.to_le_bytes()].concat()
            }
        }),
    });
    let output = output.collect();
    Transaction { version: transaction::Version::TWO, lock_time: LockTime::ZERO, input, output }
}

/// A node that has a chain.
#[derive(Clone)]
pub(crate) struct Node {
    blocks: Arc<[Block]>,
    next: Height,
    end: Height,
}

impl Node {
    pub(crate) fn new(blocks: &[Block]) -> Self {
        Self { blocks: blocks.into(), next: 0, end: 0 }
    }

    pub(crate) fn height(&self) -> Height {
        u32::try_from(self.blocks.len() - 1).unwrap()
    }
}

impl BlockSource for Node {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        let hash = self.blocks.last().unwrap().block_hash();
        Ok(SourceTip { id: BlockId { height: self.height(), hash }, syncing: false })
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        Ok(self.blocks.get(height as usize).map(Block::block_hash))
    }

    fn start(&mut self, from: Height, to: Height) {
        (self.next, self.end) = (from, to);
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        let height = self.next;
        let block = self.blocks.get(height as usize).filter(|_| height <= self.end);
        self.next += 1;
        Ok(block.map(|block| RawBlock { height, bytes: serialize(block) }))
    }
}

/// A store that remembers what it was given.
struct Recorder {
    inner: MemoryStore,
    blocks: Mutex<Vec<BlockDelta>>,
}

impl Index for Recorder {
    fn view(&self) -> Result<Box<dyn ChainView>, StoreError> {
        self.inner.view()
    }

    fn hashx_key(&self) -> HashXKey {
        self.inner.hashx_key()
    }
}

impl Store for Recorder {
    fn append(&self, blocks: &[BlockDelta]) -> Result<(), StoreError> {
        self.blocks.lock().unwrap().extend_from_slice(blocks);
        self.inner.append(blocks)
    }

    fn unwind_to(&self, height: Option<Height>) -> Result<Option<BlockId>, StoreError> {
        self.inner.unwind_to(height)
    }
}

/// Returns what the block processor, one block after the other, makes of a chain.
pub(crate) fn deltas(blocks: &[Block], key: HashXKey) -> Vec<BlockDelta> {
    let recorder = Arc::new(Recorder { inner: MemoryStore::new(key), blocks: Mutex::default() });
    let policy = FlushPolicy { pending_bytes: 1 << 16, ..FlushPolicy::default() };
    let mut processor = Processor::new(coin(), Arc::clone(&recorder), policy).unwrap();
    let synced = processor.sync(&mut Node::new(blocks), &mut ()).unwrap();
    assert!(synced.at_node_tip);
    drop(processor);
    let blocks = recorder.blocks.lock().unwrap();
    blocks.clone()
}
