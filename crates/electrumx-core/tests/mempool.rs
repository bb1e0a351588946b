//! The mempool against a naive recomputation, under random events.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "small made-up chains")]

mod common;

use std::collections::{BTreeSet, HashMap, HashSet};

use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{Block, BlockHash, OutPoint, Transaction, Txid};
use common::{FakeNode, block, extend, genesis, script};
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::memory::MemoryStore;
use electrumx_core::mempool::{Difference, Mempool, MempoolOutput, MempoolTx, Resolver};
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_core::{BlockId, HashXKey, Index as _, ScriptHash, Touched};
use proptest::prelude::*;

const KEY: HashXKey = HashXKey::from_bytes(*b"a fixed test key");

/// What the node does between two polls.
#[derive(Clone, Debug)]
enum Event {
    /// A new transaction that spends what is there, unconfirmed outputs included; it replaces
    /// whatever spends the same.
    Tx { pick: u8, pays: Vec<u8> },
    /// A transaction is evicted, with its descendants.
    Evict { pick: u8 },
    /// A block confirms the first so many transactions.
    Mine { count: u8 },
    /// The last block is undone; its transactions return to the mempool.
    Undo,
    /// The server polls.
    Poll,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (any::<u8>(), prop::collection::vec(0..8_u8, 1..4)).prop_map(|(pick, pays)| Event::Tx { pick, pays }),
        1 => any::<u8>().prop_map(|pick| Event::Evict { pick }),
        1 => (0..5_u8).prop_map(|count| Event::Mine { count }),
        1 => Just(Event::Undo),
        3 => Just(Event::Poll),
    ]
}

/// What the mempool says of outputs: the height of the transaction, and what spends it at which.
type OutpointStates = HashMap<OutPoint, (Option<i8>, Option<(Txid, i8)>)>;

/// A node: blocks, and unconfirmed transactions in an order in which parents come first.
struct Node {
    chain: Vec<Block>,
    pool: Vec<Transaction>,
    salt: u32,
}

impl Node {
    fn confirmed(&self) -> HashMap<OutPoint, (ScriptHash, u64)> {
        let txs = self.chain.iter().skip(1).flat_map(|block| &block.txdata);
        txs.flat_map(outputs).collect()
    }

    fn unspent(&self) -> BTreeSet<OutPoint> {
        let txs: Vec<_> =
            self.chain.iter().skip(1).flat_map(|block| &block.txdata).chain(&self.pool).collect();
        let spent: HashSet<_> =
            txs.iter().flat_map(|tx| &tx.input).map(|input| input.previous_output).collect();
        txs.iter()
            .flat_map(|tx| outputs(tx))
            .map(|(at, _)| at)
            .filter(|at| !spent.contains(at))
            .collect()
    }

    fn apply(&mut self, event: &Event) {
        self.salt += 1;
        match event {
            Event::Tx { pick, pays } => {
                // Also outputs already spent in the pool are candidates: that is a replacement.
                let mut candidates = self.unspent();
                candidates.extend(
                    self.pool.iter().flat_map(|tx| &tx.input).map(|input| input.previous_output),
                );
                let Some(prevout) =
                    candidates.iter().nth(usize::from(*pick) % candidates.len().max(1))
                else {
                    return;
                };
                if let Some(at) =
                    self.pool.iter().position(|tx| tx.input[0].previous_output == *prevout)
                {
                    self.evict(at);
                }
                if self.unspent().contains(prevout) {
                    let recipe = block_of_one(*prevout, pays, self.salt);
                    self.pool.push(recipe);
                }
            }
            Event::Evict { pick } if !self.pool.is_empty() => {
                self.evict(usize::from(*pick) % self.pool.len());
            }
            Event::Evict { .. } => {}
            Event::Mine { count } => {
                let count = usize::from(*count).min(self.pool.len());
                let mut next = block(&self.chain, &[], self.salt);
                next.txdata.extend(self.pool.drain(..count));
                next.header.merkle_root = next.compute_merkle_root().unwrap();
                self.chain.push(next);
            }
            Event::Undo if self.chain.len() > 4 => {
                let mut txs = self.chain.pop().unwrap().txdata;
                let coinbase = txs.remove(0).compute_txid();
                txs.append(&mut self.pool);
                self.pool = txs;
                while let Some(at) =
                    self.pool.iter().position(|tx| tx.input[0].previous_output.txid == coinbase)
                {
                    self.evict(at);
                }
            }
            Event::Undo | Event::Poll => {}
        }
    }

    fn evict(&mut self, at: usize) {
        let txid = self.pool.remove(at).compute_txid();
        while let Some(at) =
            self.pool.iter().position(|tx| tx.input[0].previous_output.txid == txid)
        {
            self.evict(at);
        }
    }

    /// What the mempool says of every output: its transaction's height there, and what spends it.
    fn outpoint_states(&self) -> OutpointStates {
        let heights: HashMap<Txid, i8> = {
            let in_pool: HashSet<_> = self.pool.iter().map(Transaction::compute_txid).collect();
            let height = |tx: &Transaction| {
                if in_pool.contains(&tx.input[0].previous_output.txid) { -1 } else { 0 }
            };
            self.pool.iter().map(|tx| (tx.compute_txid(), height(tx))).collect()
        };
        let mut states: HashMap<_, _> =
            self.confirmed().into_keys().map(|at| (at, (None, None))).collect();
        for (at, _) in self.pool.iter().flat_map(outputs) {
            states.insert(at, (heights.get(&at.txid).copied(), None));
        }
        for tx in &self.pool {
            let txid = tx.compute_txid();
            let state = states.entry(tx.input[0].previous_output).or_default();
            state.1 = Some((txid, heights[&txid]));
        }
        states
    }

    /// What the owner of a script sees of the mempool: (txid, height, fee) in canonical order.
    fn script_txs(&self, number: u8) -> Vec<(Txid, i8, u64)> {
        let wanted = ScriptHash::of_script(script(number).as_bytes());
        let mut origins = self.confirmed();
        origins.extend(self.pool.iter().flat_map(outputs));
        let in_pool: HashSet<_> = self.pool.iter().map(Transaction::compute_txid).collect();
        let mut found = Vec::new();
        for tx in &self.pool {
            let prevout = tx.input[0].previous_output;
            let pays = outputs(tx).iter().any(|(_, (scripthash, _))| *scripthash == wanted);
            if pays || origins[&prevout].0 == wanted {
                let height = if in_pool.contains(&prevout.txid) { -1 } else { 0 };
                let paid: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
                found.push((tx.compute_txid(), height, origins[&prevout].1.saturating_sub(paid)));
            }
        }
        found.sort_by_key(|(txid, height, _)| (-height, txid.to_string()));
        found
    }
}

fn outputs(tx: &Transaction) -> Vec<(OutPoint, (ScriptHash, u64))> {
    let txid = tx.compute_txid();
    let outputs = tx.output.iter().enumerate();
    let outputs = outputs.filter(|(_, output)| !output.script_pubkey.is_op_return());
    outputs
        .map(|(vout, output)| {
            let scripthash = ScriptHash::of_script(output.script_pubkey.as_bytes());
            (OutPoint { txid, vout: vout as u32 }, (scripthash, output.value.to_sat()))
        })
        .collect()
}

fn block_of_one(prevout: OutPoint, pays: &[u8], salt: u32) -> Transaction {
    let mut tx = block(&[], &[], salt).txdata.remove(0);
    tx.input[0].previous_output = prevout;
    let template = tx.output[0].clone();
    tx.output = pays
        .iter()
        .map(|number| {
            let mut output = template.clone();
            output.script_pubkey = script(*number);
            output.value = bitcoin::Amount::from_sat(u64::from(salt));
            output
        })
        .collect();
    tx
}

/// The server's side: one poll.
fn poll(
    node: &Node,
    processor: &mut Processor<Bitcoin, MemoryStore>,
    store: &MemoryStore,
    mempool: &mut Mempool,
) -> Touched {
    processor.sync(&mut FakeNode::new(node.chain.clone()), &mut ()).unwrap();
    let listed: Vec<Txid> = node.pool.iter().map(Transaction::compute_txid).collect();
    let Difference { missing, unlisted } = mempool.difference(&listed);
    let raws: Vec<_> = node
        .pool
        .iter()
        .rev()
        .filter(|tx| missing.contains(&tx.compute_txid()))
        .map(serialize)
        .collect();
    let coin = Bitcoin::new(Network::Regtest);
    let resolver = Resolver::parse(&coin, KEY, raws.iter().map(Vec::as_slice)).unwrap();
    let resolved = resolver.resolve(&*store.view().unwrap(), mempool).unwrap();
    assert_eq!(resolved.unresolved, []);
    let height = node.chain.len() as u32 - 1;
    let tip = BlockId { height, hash: node.chain[height as usize].block_hash() };
    mempool.apply(tip, &unlisted, resolved.txs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mempool_equals_a_naive_recomputation_after_every_poll(events in prop::collection::vec(event(), 1..60)) {
        let chain = extend(vec![genesis()], &vec![vec![]; 4], 0);
        let mut node = Node { chain, pool: Vec::new(), salt: 100 };
        let store = std::sync::Arc::new(MemoryStore::new(KEY));
        let coin = Bitcoin::new(Network::Regtest);
        let mut processor =
            Processor::new(coin, std::sync::Arc::clone(&store), FlushPolicy::default()).unwrap();
        let mut mempool = Mempool::default();
        let mut before: Vec<Vec<(Txid, i8, u64)>> = vec![Vec::new(); 8];
        let mut outpoints_before = OutpointStates::new();
        poll(&node, &mut processor, &store, &mut mempool);
        for event in events.iter().chain([&Event::Poll]) {
            node.apply(event);
            if !matches!(event, Event::Poll) {
                continue;
            }
            let touched = poll(&node, &mut processor, &store, &mut mempool);
            prop_assert_eq!(mempool.len(), node.pool.len());
            let outpoints = node.outpoint_states();
            for outpoint in outpoints.keys().chain(outpoints_before.keys()) {
                let told = touched.txs.contains(&outpoint.txid) || touched.spent.contains(outpoint);
                let (now, before) = (outpoints.get(outpoint), outpoints_before.get(outpoint));
                prop_assert!(
                    told || now.copied().unwrap_or_default() == before.copied().unwrap_or_default(),
                    "{} changed untold", outpoint
                );
            }
            for (outpoint, (height, spender)) in &outpoints {
                prop_assert_eq!(mempool.height_of(&outpoint.txid), *height);
                let spent_by = mempool.spender(outpoint);
                let got = spent_by.map(|txid| (txid, mempool.height_of(&txid).unwrap()));
                prop_assert_eq!(got, *spender);
            }
            outpoints_before = outpoints;
            let recent: Vec<Txid> = mempool.recent(10).into_iter().map(|(txid, _)| txid).collect();
            prop_assert_eq!(recent.len(), node.pool.len().min(10));
            prop_assert_eq!(recent.iter().collect::<HashSet<_>>().len(), recent.len());
            for number in 0..7 {
                let hashx = KEY.hashx(&ScriptHash::of_script(script(number).as_bytes()));
                let got: Vec<_> = mempool.script_txs(&hashx).iter().map(|tx| (tx.txid, tx.height, tx.fee)).collect();
                let wanted = node.script_txs(number);
                prop_assert_eq!(&got, &wanted, "script {}", number);
                prop_assert!(
                    wanted == before[usize::from(number)] || touched.scripts.contains(&hashx),
                    "script {} changed untold", number
                );
                before[usize::from(number)] = wanted;
                let unspent = node.unspent();
                let utxos: BTreeSet<_> = mempool.script_utxos(&hashx).into_iter().collect();
                let wanted: BTreeSet<_> = node.pool.iter().flat_map(outputs)
                    .filter(|(at, (scripthash, _))| unspent.contains(at) && KEY.hashx(scripthash) == hashx)
                    .map(|(at, (_, value))| (at, value)).collect();
                prop_assert_eq!(utxos, wanted);
            }
        }
    }
}

#[test]
fn a_transaction_with_an_unknown_origin_waits_and_so_do_its_descendants() {
    let chain = extend(vec![genesis()], &vec![vec![]; 3], 0);
    let store = std::sync::Arc::new(MemoryStore::new(KEY));
    let coin = Bitcoin::new(Network::Regtest);
    let mut processor =
        Processor::new(coin, std::sync::Arc::clone(&store), FlushPolicy::default()).unwrap();
    processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap();
    let coinbase = OutPoint { txid: chain[1].txdata[0].compute_txid(), vout: 0 };
    let good = block_of_one(coinbase, &[1], 1);
    let stray = block_of_one(OutPoint { txid: good.compute_txid(), vout: 9 }, &[2], 2);
    let child = block_of_one(OutPoint { txid: stray.compute_txid(), vout: 0 }, &[3], 3);
    let raws = [&child, &stray, &good].map(serialize);
    let resolver = Resolver::parse(&coin, KEY, raws.iter().map(Vec::as_slice)).unwrap();
    let resolved = resolver.resolve(&*store.view().unwrap(), &Mempool::default()).unwrap();
    assert_eq!(resolved.unresolved, [child.compute_txid(), stray.compute_txid()]);
    assert_eq!(resolved.txs.len(), 1);
}

#[test]
fn an_accepted_transaction_replaces_what_it_conflicts_with() {
    let chain = extend(vec![genesis()], &vec![vec![]; 3], 0);
    let store = std::sync::Arc::new(MemoryStore::new(KEY));
    let coin = Bitcoin::new(Network::Regtest);
    let mut processor =
        Processor::new(coin, std::sync::Arc::clone(&store), FlushPolicy::default()).unwrap();
    processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap();
    let coinbase = OutPoint { txid: chain[1].txdata[0].compute_txid(), vout: 0 };
    let first = block_of_one(coinbase, &[1], 1);
    let child = block_of_one(OutPoint { txid: first.compute_txid(), vout: 0 }, &[2], 2);
    let second = block_of_one(coinbase, &[3], 3);
    let mut mempool = Mempool::default();
    for tx in [&first, &child, &second] {
        let raw = serialize(tx);
        let resolver = Resolver::parse(&coin, KEY, [raw.as_slice()]).unwrap();
        let resolved = resolver.resolve(&*store.view().unwrap(), &mempool).unwrap();
        mempool.insert(resolved.txs);
    }
    assert_eq!(mempool.txs().map(|(txid, _)| *txid).collect::<Vec<_>>(), [second.compute_txid()]);
    assert_eq!(mempool.spender(&coinbase), Some(second.compute_txid()));
}

#[test]
fn the_newest_transactions_are_known_however_many_came_and_left() {
    let tx = |value| MempoolTx {
        inputs: [].into(),
        outputs: [MempoolOutput { vout: 0, hashx: KEY.hashx(&ScriptHash::of_script(b"")), value }]
            .into(),
        fee: value,
        vsize: 100,
    };
    let id = |number: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Txid::from_byte_array(bytes)
    };
    let tip = BlockId { height: 1, hash: BlockHash::all_zeros() };
    let mut mempool = Mempool::default();
    for number in 0..5_000 {
        mempool.insert(vec![(id(number), tx(number))]);
        // Three stay, and the oldest comes anew from time to time.
        let listed: Vec<Txid> = (number.saturating_sub(2)..=number).map(id).collect();
        let gone = mempool.difference(&listed).unlisted;
        mempool.apply(tip, &gone, Vec::new());
    }
    let recent = |mempool: &Mempool, count| -> Vec<u64> {
        mempool.recent(count).iter().map(|(_, tx)| tx.fee).collect()
    };
    assert_eq!(recent(&mempool, 10), [4_999, 4_998, 4_997]);
    mempool.apply(tip, &[id(4_997)], Vec::new());
    mempool.insert(vec![(id(4_997), tx(4_997))]);
    assert_eq!(recent(&mempool, 10), [4_997, 4_999, 4_998]);
    assert_eq!(recent(&mempool, 2), [4_997, 4_999]);
}
