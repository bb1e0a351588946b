//! A chain and a mempool made by hand, over the in-memory store.

use std::collections::HashMap;
use std::sync::Arc;

use electrumx_core::bitcoin::hashes::{Hash as _, sha256d};
use electrumx_core::bitcoin::{BlockHash, OutPoint, Txid};
use electrumx_core::memory::MemoryStore;
use electrumx_core::mempool::{Mempool, MempoolInput, MempoolOutput, MempoolTx};
use electrumx_core::{
    BlockDelta, BlockId, BlockTouches, Changes, HashX, HashXKey, Index as _, OutputNum, OutputRow,
    ScriptHash, Spend, Store as _, Touch, Touched, TxNum, TxPosition,
};
use parking_lot::{Mutex, RwLock};

/// A transaction; its id is given, not computed, so that the protocol document's vectors can be built.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    pub(crate) txid: Txid,
    pub(crate) inputs: Vec<OutPoint>,
    pub(crate) outputs: Vec<(&'static [u8], u64)>,
}

/// Returns a transaction whose id is a byte, repeated.
pub(crate) fn tx(byte: u8) -> Tx {
    tx_named(&format!("{byte:02x}").repeat(32))
}

pub(crate) fn tx_named(txid: &str) -> Tx {
    Tx { txid: txid.parse().unwrap(), inputs: Vec::new(), outputs: Vec::new() }
}

impl Tx {
    pub(crate) fn pays(mut self, script: &'static [u8], value: u64) -> Self {
        self.outputs.push((script, value));
        self
    }

    pub(crate) fn spends(mut self, tx: &Self, vout: u32) -> Self {
        self.inputs.push(OutPoint { txid: tx.txid, vout });
        self
    }
}

/// The chain under test.
pub(crate) struct Chain {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) mempool: Arc<RwLock<Mempool>>,
    known: HashMap<OutPoint, OutputRow>,
    pooled: Vec<Txid>,
    blocks: u32,
    /// Blocks to be reported to the service's caches.
    pub(crate) reported: Mutex<Vec<BlockTouches>>,
}

impl Chain {
    /// Returns a chain that has only a genesis block.
    pub(crate) fn new() -> Self {
        let mut chain = Self::empty();
        chain.mine(Vec::new());
        chain
    }

    pub(crate) fn empty() -> Self {
        let store = Arc::new(MemoryStore::new(HashXKey::from_bytes([3; 16])));
        let (known, pooled) = (HashMap::new(), Vec::new());
        Self {
            store,
            mempool: Arc::default(),
            known,
            pooled,
            blocks: 0,
            reported: Mutex::default(),
        }
    }

    /// Returns another chain over the same index and mempool.
    pub(crate) fn sharing(&self) -> Self {
        let (store, mempool) = (Arc::clone(&self.store), Arc::clone(&self.mempool));
        Self { store, mempool, ..Self::empty() }
    }

    pub(crate) fn tip(&self) -> BlockId {
        self.store.view().unwrap().tip().unwrap()
    }

    pub(crate) fn hashx(&self, script: &[u8]) -> HashX {
        self.store.hashx_key().hashx(&ScriptHash::of_script(script))
    }

    /// Adds a block with a coinbase of its own and these transactions.
    pub(crate) fn mine(&mut self, mut txs: Vec<Tx>) -> Touched {
        self.blocks += 1;
        let id = sha256d::Hash::hash(&self.blocks.to_be_bytes()).to_string();
        txs.insert(0, tx_named(&id));
        self.mine_exactly(None, txs)
    }

    /// Adds a block with these transactions and hash, and lists the mempool without them.
    pub(crate) fn mine_exactly(&mut self, hash: Option<&str>, txs: Vec<Tx>) -> Touched {
        let mut touched = self.index_block(hash, &txs);
        let confirmed: Vec<Txid> = txs.iter().map(|tx| tx.txid).collect();
        self.pooled.retain(|txid| !confirmed.contains(txid));
        touched.extend(self.list(Vec::new()));
        touched
    }

    /// Adds a block to the index alone: the mempool is behind then.
    pub(crate) fn index_block(&mut self, hash: Option<&str>, txs: &[Tx]) -> Touched {
        let (delta, touched) = self.block(hash, txs);
        let prev = delta.id.height.checked_sub(1).map(|_| self.tip().hash);
        let place = |number: TxNum| (number.0 - delta.first_tx_num.0) as u32;
        let pays = delta.outputs.iter().map(|(output, row)| Touch {
            hashx: row.hashx,
            tx: place(output.tx_num),
            outputs: 1,
        });
        let spends = (0..).zip(txs).flat_map(|(tx, spender)| {
            let known = &self.known;
            spender.inputs.iter().map(move |input| Touch {
                hashx: known[input].hashx,
                tx,
                outputs: 0,
            })
        });
        let touches = pays.chain(spends).collect();
        let prev = prev.unwrap_or(BlockHash::all_zeros());
        let block = BlockTouches::new(delta.id, prev, delta.txids.clone(), touches);
        self.reported.lock().push(block);
        self.store.append(&[delta]).unwrap();
        touched
    }

    /// Adds empty blocks up to a height. As on some chains, a few have longer headers.
    pub(crate) fn mine_to(&mut self, height: u32) {
        let (first, _) = self.block(None, &[tx(0xee)]);
        let mut deltas = vec![first];
        while deltas[deltas.len() - 1].id.height < height {
            let mut next = deltas[deltas.len() - 1].clone();
            next.id.height += 1;
            next.first_tx_num.0 += 1;
            let filler = sha256d::Hash::hash(&next.id.height.to_be_bytes());
            next.header = filler.as_byte_array().repeat(3);
            next.header.truncate(if next.id.height % 700 == 0 { 96 } else { 80 });
            next.txids = vec![Txid::from_raw_hash(filler)];
            next.id.hash = BlockHash::from_raw_hash(filler);
            deltas.push(next);
        }
        self.store.append(&deltas).unwrap();
        self.list(Vec::new());
    }

    /// Builds the next block.
    pub(crate) fn block(&mut self, hash: Option<&str>, txs: &[Tx]) -> (BlockDelta, Touched) {
        let view = self.store.view().unwrap();
        let tip = view.tip();
        let height = tip.map_or(0, |tip| tip.height + 1);
        let mut header = vec![0; 80];
        header[..4].copy_from_slice(&self.blocks.to_le_bytes());
        if let Some(tip) = tip {
            header[4..36].copy_from_slice(tip.hash.as_byte_array());
        }
        header[36..68].copy_from_slice(txs[0].txid.as_byte_array());
        let computed = BlockHash::from_raw_hash(sha256d::Hash::hash(&header));
        let first = view.tx_count();
        let mut numbers = HashMap::new();
        let (mut outputs, mut spends, mut touched) = (vec![], vec![], Touched::default());
        for (i, tx) in txs.iter().enumerate() {
            let tx_num = TxNum(first + i as u64);
            numbers.insert(tx.txid, tx_num);
            for input in &tx.inputs {
                let maker = numbers.get(&input.txid).copied();
                let maker = maker.or_else(|| view.tx_num(&input.txid).unwrap()).unwrap();
                let output = OutputNum { tx_num: maker, vout: input.vout };
                spends.push(Spend { output, by: tx_num });
                touched.scripts.insert(self.known[input].hashx);
                touched.spent.insert(*input);
            }
            for (vout, row) in (0..).zip(self.rows(tx)) {
                outputs.push((OutputNum { tx_num, vout }, row));
                touched.scripts.insert(row.hashx);
            }
            touched.txs.insert(tx.txid);
        }
        let delta = BlockDelta {
            id: BlockId { height, hash: hash.map_or(computed, |hash| hash.parse().unwrap()) },
            header,
            first_tx_num: TxNum(first),
            txids: txs.iter().map(|tx| tx.txid).collect(),
            positions: vec![TxPosition { offset: 0, size: 0 }; txs.len()],
            outputs,
            spends,
        };
        (delta, touched)
    }

    /// Removes the last blocks; the mempool is listed on the new tip with `pool`.
    pub(crate) fn unwind(&mut self, count: u32, scripts: &[&[u8]]) -> Touched {
        let mut touched = Touched::default();
        touched.scripts.extend(scripts.iter().map(|script| self.hashx(script)));
        let view = self.store.view().unwrap();
        let tip = self.tip().height;
        for height in tip + 1 - count..=tip {
            touched.txs.extend(view.txids(view.block_txs(height)).unwrap());
            for output in view.block_spends(height).unwrap() {
                let txid = view.txid(output.tx_num).unwrap().unwrap();
                touched.spent.insert(OutPoint { txid, vout: output.vout });
            }
        }
        self.reported.lock().clear();
        self.store.unwind_to(Some(tip - count)).unwrap();
        touched.extend(self.list(Vec::new()));
        touched
    }

    fn rows(&mut self, tx: &Tx) -> Vec<OutputRow> {
        let rows: Vec<_> = tx
            .outputs
            .iter()
            .map(|(script, value)| OutputRow { hashx: self.hashx(script), value: *value })
            .collect();
        for (vout, row) in (0..).zip(&rows) {
            self.known.insert(OutPoint { txid: tx.txid, vout }, *row);
        }
        rows
    }

    /// Makes an unconfirmed transaction of it, 100 vbytes large.
    pub(crate) fn unconfirmed(&mut self, tx: &Tx, fee: u64) -> (Txid, MempoolTx) {
        let outputs = (0..).zip(self.rows(tx)).map(|(vout, row)| MempoolOutput {
            vout,
            hashx: row.hashx,
            value: row.value,
        });
        let outputs = outputs.collect();
        let inputs = tx.inputs.iter().map(|prevout| {
            let row = self.known[prevout];
            MempoolInput { prevout: *prevout, hashx: row.hashx, value: row.value }
        });
        (tx.txid, MempoolTx { inputs: inputs.collect(), outputs, fee, vsize: 100 })
    }

    /// Adds a transaction to the mempool.
    pub(crate) fn pool(&mut self, tx: &Tx, fee: u64) -> Touched {
        let added = self.unconfirmed(tx, fee);
        self.pooled.push(tx.txid);
        self.list(vec![added])
    }

    /// Drops a transaction from the mempool.
    pub(crate) fn evict(&mut self, tx: &Tx) -> Touched {
        self.pooled.retain(|txid| *txid != tx.txid);
        self.list(Vec::new())
    }

    fn list(&mut self, added: Vec<(Txid, MempoolTx)>) -> Touched {
        let tip = self.tip();
        let mut mempool = self.mempool.write();
        let gone = mempool.difference(&self.pooled).unlisted;
        mempool.apply(tip, &gone, added)
    }

    pub(crate) fn changes(&self, touched: Touched) -> Changes {
        Changes { tip: self.tip(), touched }
    }
}

/// Returns how clients name a script.
pub(crate) fn scripthash(script: &[u8]) -> String {
    ScriptHash::of_script(script).to_string()
}
