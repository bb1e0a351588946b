//! A random but well-formed chain, a node made of it, and a naive index to compare with.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "small made-up chains")]

use std::collections::{BTreeMap, HashMap};

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness, transaction,
};
use electrumx_core::{
    BlockId, BlockSource, ChainView, Height, OutputState, RawBlock, ScriptHash, SourceError,
    SourceTip, history,
};

pub(crate) fn genesis() -> Block {
    bitcoin::constants::genesis_block(bitcoin::Network::Regtest)
}

/// A small set of scripts, so that they are reused; number 7 is an `OP_RETURN`.
pub(crate) fn script(number: u8) -> ScriptBuf {
    match number % 8 {
        7 => ScriptBuf::from_bytes(vec![0x6a, 1, number]),
        n => ScriptBuf::from_bytes(vec![0x51, 0x01, n]),
    }
}

/// Builds the block that extends `prev` with one transaction for each recipe.
///
/// A recipe picks what to spend (an index into what is unspent, blocks' own outputs included) and
/// whom to pay.
pub(crate) fn block(chain: &[Block], recipes: &[(u8, Vec<u8>)], salt: u32) -> Block {
    let mut unspent = unspent(chain);
    let height = chain.len() as u32;
    let mut txs = vec![tx(vec![OutPoint::null()], &[(height % 7) as u8], (height, salt))];
    let spendable = |tx: &Transaction, unspent: &mut BTreeMap<OutPoint, ScriptBuf>| {
        for (vout, output) in tx.output.iter().enumerate() {
            if !output.script_pubkey.is_op_return() {
                let outpoint = OutPoint { txid: tx.compute_txid(), vout: vout as u32 };
                unspent.insert(outpoint, output.script_pubkey.clone());
            }
        }
    };
    for (pick, pays) in recipes {
        let Some(prevout) = unspent.keys().nth(usize::from(*pick) % unspent.len().max(1)) else {
            continue;
        };
        let prevout = *prevout;
        unspent.remove(&prevout);
        let tx = tx(vec![prevout], pays, (height, salt));
        spendable(&tx, &mut unspent);
        txs.push(tx);
    }
    let mut block = Block {
        header: Header {
            version: Version::TWO,
            prev_blockhash: chain.last().map_or(BlockHash::all_zeros(), Block::block_hash),
            merkle_root: TxMerkleNode::all_zeros(),
            time: height,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: salt,
        },
        txdata: txs,
    };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    block
}

fn tx(prevouts: Vec<OutPoint>, pays: &[u8], (height, salt): (u32, u32)) -> Transaction {
    let input = |previous_output| TxIn {
        previous_output,
        script_sig: ScriptBuf::from_bytes([height.to_le_bytes(), salt.to_le_bytes()].concat()),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[height as u8; 3]]),
    };
    let output = |(vout, number): (usize, &u8)| TxOut {
        value: Amount::from_sat(1000 * u64::from(height) + vout as u64),
        script_pubkey: script(*number),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: prevouts.into_iter().map(input).collect(),
        output: pays.iter().enumerate().map(output).collect(),
    }
}

fn unspent(chain: &[Block]) -> BTreeMap<OutPoint, ScriptBuf> {
    let mut unspent = BTreeMap::new();
    for tx in chain.iter().skip(1).flat_map(|block| &block.txdata) {
        for input in &tx.input {
            unspent.remove(&input.previous_output);
        }
        for (vout, output) in tx.output.iter().enumerate() {
            if !output.script_pubkey.is_op_return() {
                let outpoint = OutPoint { txid: tx.compute_txid(), vout: vout as u32 };
                unspent.insert(outpoint, output.script_pubkey.clone());
            }
        }
    }
    unspent
}

/// Builds a chain on top of the given one from recipes for each block.
pub(crate) fn extend(
    mut chain: Vec<Block>,
    blocks: &[Vec<(u8, Vec<u8>)>],
    salt: u32,
) -> Vec<Block> {
    for recipes in blocks {
        chain.push(block(&chain, recipes, salt));
    }
    chain
}

pub(crate) fn raw(chain: &[Block], height: usize) -> RawBlock {
    RawBlock { height: height as Height, bytes: serialize(&chain[height]) }
}

/// A node whose best chain can be replaced at any moment.
pub(crate) struct FakeNode {
    pub chain: Vec<Block>,
    pub syncing: bool,
    /// What the best chain becomes after so many blocks have been served.
    pub switches: Vec<(usize, Vec<Block>)>,
    pub served: usize,
    /// How often it was asked for a hash.
    pub asked: usize,
    next: Option<(Height, Height)>,
}

impl FakeNode {
    pub fn new(chain: Vec<Block>) -> Self {
        Self { chain, syncing: false, switches: Vec::new(), served: 0, asked: 0, next: None }
    }
}

impl BlockSource for FakeNode {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        let height = self.chain.len() as Height - 1;
        let hash = self.chain[height as usize].block_hash();
        Ok(SourceTip { id: BlockId { height, hash }, syncing: self.syncing })
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        self.asked += 1;
        Ok(self.chain.get(height as usize).map(Block::block_hash))
    }

    fn start(&mut self, from: Height, to: Height) {
        self.next = Some((from, to));
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        self.served += 1;
        if let Some(at) = self.switches.iter().position(|(served, _)| *served == self.served) {
            self.chain = self.switches.remove(at).1;
        }
        let Some((from, to)) = self.next.filter(|(from, to)| from <= to) else { return Ok(None) };
        self.next = Some((from + 1, to));
        Ok((self.chain.len() > from as usize).then(|| raw(&self.chain, from as usize)))
    }
}

/// What a script's owner sees.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct ScriptTruth {
    pub history: Vec<(Txid, Height)>,
    pub unspent: Vec<(Txid, u32, u64)>,
    pub balance: u64,
}

/// Scans blocks the slow way.
pub(crate) fn truth(chain: &[Block]) -> HashMap<ScriptHash, ScriptTruth> {
    let mut scripts: HashMap<ScriptHash, ScriptTruth> = HashMap::new();
    let mut outputs: HashMap<OutPoint, (ScriptHash, u64)> = HashMap::new();
    for (height, block) in chain.iter().enumerate().skip(1) {
        for tx in &block.txdata {
            let txid = tx.compute_txid();
            let touch = |scripts: &mut HashMap<ScriptHash, ScriptTruth>, scripthash| {
                let truth = scripts.entry(scripthash).or_default();
                if truth.history.last() != Some(&(txid, height as Height)) {
                    truth.history.push((txid, height as Height));
                }
            };
            for input in tx.input.iter().filter(|input| !input.previous_output.is_null()) {
                let (scripthash, value) = outputs[&input.previous_output];
                touch(&mut scripts, scripthash);
                let truth = scripts.get_mut(&scripthash).unwrap();
                let OutPoint { txid, vout } = input.previous_output;
                truth.unspent.retain(|utxo| (utxo.0, utxo.1) != (txid, vout));
                truth.balance -= value;
            }
            for (vout, output) in tx.output.iter().enumerate() {
                if output.script_pubkey.is_op_return() {
                    continue;
                }
                let (vout, value) = (vout as u32, output.value.to_sat());
                let scripthash = ScriptHash::of_script(output.script_pubkey.as_bytes());
                outputs.insert(OutPoint { txid, vout }, (scripthash, value));
                touch(&mut scripts, scripthash);
                let truth = scripts.get_mut(&scripthash).unwrap();
                truth.unspent.push((txid, vout, value));
                truth.balance += value;
            }
        }
    }
    scripts
}

/// Reads what the index says of a script.
pub(crate) fn answer(
    view: &dyn ChainView,
    key: electrumx_core::HashXKey,
    scripthash: &ScriptHash,
) -> ScriptTruth {
    let outputs = view.script_outputs(&key.hashx(scripthash), usize::MAX).unwrap();
    let confirmed = history::resolve(view, &history::history_tx_nums(&outputs)).unwrap();
    let unspent = outputs.iter().filter_map(|row| match row.state {
        OutputState::Unspent(value) => {
            Some((view.txid(row.output.tx_num).unwrap().unwrap(), row.output.vout, value))
        }
        OutputState::SpentBy(_) => None,
    });
    ScriptTruth {
        history: confirmed.iter().map(|tx| (tx.txid, tx.height)).collect(),
        unspent: unspent.collect(),
        balance: history::balance(&outputs),
    }
}
