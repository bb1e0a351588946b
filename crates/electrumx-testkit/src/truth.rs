//! What the chain holds, found the plain way: from the node's blocks into hash maps.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::hashes::{Hash, sha256, sha256d};
use bitcoin::{Block, BlockHash, OutPoint, Script, ScriptBuf, Transaction, Txid};
use serde_json::json;

use crate::NodeClient;
use crate::merkle::merkle_branch;
use crate::pool::Pool;

/// An unspent output of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utxo {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What can spend it.
    pub script: ScriptBuf,
    /// Its value in satoshi.
    pub value: u64,
    /// The height it was made at.
    pub height: u32,
}

/// Where a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The block's height.
    pub height: u32,
    /// The index in the block.
    pub pos: usize,
}

/// The chain as a naive index, and optionally the mempool. Like Electrum servers it leaves out the output of
/// the genesis block and all scripts that start with `OP_RETURN`.
#[derive(Debug, Default)]
pub struct Truth {
    blocks: Vec<Block>,
    hashes: Vec<BlockHash>,
    places: HashMap<Txid, Place>,
    histories: HashMap<ScriptBuf, Vec<(u32, Txid)>>,
    utxos: HashMap<OutPoint, Utxo>,
    /// By script, in chain order: height, index in the block, output.
    owned: HashMap<ScriptBuf, BTreeMap<(u32, usize, u32), OutPoint>>,
    pub(crate) pool: Pool,
}

/// The script hash by which Electrum knows a script.
#[must_use]
pub fn scripthash_hex(script: &Script) -> String {
    let mut hash = sha256::Hash::hash(script.as_bytes()).to_byte_array();
    hash.reverse();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether servers index outputs with this script.
#[must_use]
pub fn is_indexed(script: &Script) -> bool {
    script.as_bytes().first() != Some(&0x6a)
}

impl Truth {
    /// Reads all blocks of the node. The mempool is left out; see [`Self::scan_mempool`].
    ///
    /// # Errors
    /// When a call fails.
    pub fn scan(node: &NodeClient) -> Result<Self> {
        let mut truth = Self::default();
        truth.update(node)?;
        Ok(truth)
    }

    /// An index of blocks which follow each other from genesis.
    ///
    /// # Errors
    /// When a block does not follow the one before, or spends what is not there.
    pub fn from_blocks(blocks: impl IntoIterator<Item = Block>) -> Result<Self> {
        let mut truth = Self::default();
        blocks.into_iter().try_for_each(|block| truth.push(block))?;
        Ok(truth)
    }

    /// Brings it to the node's tip, whichever chain that is on. Forgets the mempool.
    ///
    /// # Errors
    /// When a call fails, or the chain switches again meanwhile.
    pub fn update(&mut self, node: &NodeClient) -> Result<()> {
        self.pool = Pool::default();
        let tip = node.block_count()?;
        let heights: Vec<_> = (0..=tip).map(|height| json!([height])).collect();
        let mut hashes = Vec::new();
        for some in heights.chunks(1000) {
            for hash in node.batch("getblockhash", some)? {
                hashes.push(crate::rpc::parse::<BlockHash>(&hash)?);
            }
        }
        let common = self.hashes.iter().zip(&hashes).take_while(|(a, b)| a == b).count();
        if common < self.hashes.len() {
            // After a reorganisation start afresh: undoing would be less plain.
            let mut blocks = std::mem::take(&mut self.blocks);
            blocks.truncate(common);
            *self = Self::from_blocks(blocks)?;
        }
        for some in hashes[common..].chunks(64) {
            let params: Vec<_> = some.iter().map(|hash| json!([hash.to_string(), 0])).collect();
            for hex in node.batch("getblock", &params)? {
                self.push(deserialize_hex(hex.as_str().context("getblock: no text")?)?)?;
            }
        }
        Ok(())
    }

    /// Adds the next block.
    ///
    /// # Errors
    /// When it does not follow the last one, or spends what is not there.
    pub fn push(&mut self, block: Block) -> Result<()> {
        let height = u32::try_from(self.blocks.len())?;
        if let Some(tip) = self.hashes.last() {
            ensure!(block.header.prev_blockhash == *tip, "block {height} does not follow {tip}");
        }
        for (pos, tx) in block.txdata.iter().enumerate() {
            self.add_tx(tx, Place { height, pos })?;
        }
        self.hashes.push(block.block_hash());
        self.blocks.push(block);
        Ok(())
    }

    fn add_tx(&mut self, tx: &Transaction, place: Place) -> Result<()> {
        let txid = tx.compute_txid();
        self.places.insert(txid, place);
        let mut touched = Vec::new();
        for input in tx.input.iter().filter(|_| !tx.is_coinbase()) {
            let outpoint = input.previous_output;
            if let Some(utxo) = self.utxos.remove(&outpoint) {
                let made = self.places[&outpoint.txid];
                let owned = self.owned.get_mut(&utxo.script);
                owned.and_then(|o| o.remove(&(made.height, made.pos, outpoint.vout)));
                touched.push(utxo.script);
            } else {
                // Nothing that can be spent is left out of the index.
                anyhow::bail!("{txid} at {} spends {outpoint}, which is not there", place.height);
            }
        }
        for (vout, out) in (0..).zip(&tx.output) {
            let script = &out.script_pubkey;
            if place.height == 0 || !is_indexed(script) {
                continue;
            }
            let outpoint = OutPoint::new(txid, vout);
            touched.push(script.clone());
            let owned = self.owned.entry(script.clone()).or_default();
            owned.insert((place.height, place.pos, vout), outpoint);
            let (script, value) = (script.clone(), out.value.to_sat());
            self.utxos.insert(outpoint, Utxo { outpoint, script, value, height: place.height });
        }
        for script in touched {
            let history = self.histories.entry(script).or_default();
            if history.last() != Some(&(place.height, txid)) {
                history.push((place.height, txid));
            }
        }
        Ok(())
    }

    /// The height of the last block.
    ///
    /// # Panics
    /// When there is no block at all.
    #[must_use]
    pub fn tip(&self) -> u32 {
        u32::try_from(self.blocks.len() - 1).expect("heights fit")
    }

    /// The hash of each block, by height.
    #[must_use]
    pub fn hashes(&self) -> &[BlockHash] {
        &self.hashes
    }

    /// All blocks, by height.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Every script in the chain, except those not indexed. In no order.
    pub fn scripts(&self) -> impl Iterator<Item = &ScriptBuf> {
        self.histories.keys()
    }

    /// The confirmed history of a script: height and transaction, in chain order, each once.
    #[must_use]
    pub fn history(&self, script: &Script) -> &[(u32, Txid)] {
        self.histories.get(script).map_or(&[], Vec::as_slice)
    }

    /// The confirmed unspent outputs of a script, in chain order.
    #[must_use]
    pub fn utxos(&self, script: &Script) -> Vec<&Utxo> {
        let owned = self.owned.get(script).into_iter().flat_map(BTreeMap::values);
        owned.map(|outpoint| &self.utxos[outpoint]).collect()
    }

    /// All confirmed unspent outputs.
    #[must_use]
    pub const fn all_utxos(&self) -> &HashMap<OutPoint, Utxo> {
        &self.utxos
    }

    /// The confirmed balance of a script in satoshi.
    #[must_use]
    pub fn balance(&self, script: &Script) -> u64 {
        self.utxos(script).iter().map(|utxo| utxo.value).sum()
    }

    /// Where a confirmed transaction is.
    #[must_use]
    pub fn place(&self, txid: &Txid) -> Option<Place> {
        self.places.get(txid).copied()
    }

    /// A confirmed transaction.
    #[must_use]
    pub fn transaction(&self, txid: &Txid) -> Option<&Transaction> {
        let Place { height, pos } = self.place(txid)?;
        self.blocks.get(usize::try_from(height).ok()?)?.txdata.get(pos)
    }

    /// Where a confirmed transaction is, and the siblings up to its block's merkle root, as Electrum
    /// writes them.
    #[must_use]
    pub fn tx_merkle(&self, txid: &Txid) -> Option<(Place, Vec<String>)> {
        let place = self.place(txid)?;
        let block = self.blocks.get(usize::try_from(place.height).ok()?)?;
        let leaves: Vec<_> =
            block.txdata.iter().map(|tx| tx.compute_txid().to_raw_hash()).collect();
        let (branch, root) = merkle_branch(&leaves, place.pos);
        debug_assert_eq!(root, block.header.merkle_root.to_raw_hash());
        Some((place, branch.iter().map(ToString::to_string).collect()))
    }

    /// The siblings from the header at `height` up to the root over all headers 0 to `cp_height`, and that
    /// root.
    ///
    /// # Panics
    /// When `height <= cp_height <= tip` does not hold.
    #[must_use]
    pub fn header_proof(&self, height: u32, cp_height: u32) -> (Vec<String>, String) {
        let (height, cp) = (height as usize, cp_height as usize);
        let leaves: Vec<sha256d::Hash> =
            self.hashes[..=cp].iter().map(|hash| hash.to_raw_hash()).collect();
        let (branch, root) = merkle_branch(&leaves, height);
        (branch.iter().map(ToString::to_string).collect(), root.to_string())
    }
}
