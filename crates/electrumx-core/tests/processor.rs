//! The processor over the in-memory store: properties and scenarios.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "small made-up chains")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Block, Txid};
use common::{FakeNode, answer, extend, genesis, raw, script, truth};
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::memory::MemoryStore;
use electrumx_core::processor::{FlushPolicy, Observer, ProcessError, Processor, Progress};
use electrumx_core::{BlockId, BlockTouches, HashX, HashXKey, Index as _, ScriptHash, history};
use proptest::prelude::*;

const KEY: HashXKey = HashXKey::from_bytes(*b"a fixed test key");

type Recipes = Vec<Vec<(u8, Vec<u8>)>>;

fn recipes(blocks: std::ops::Range<usize>) -> impl Strategy<Value = Recipes> {
    let tx = (any::<u8>(), prop::collection::vec(0..8_u8, 1..4));
    prop::collection::vec(prop::collection::vec(tx, 0..5), blocks)
}

fn processor(policy: FlushPolicy) -> (Arc<MemoryStore>, Processor<Bitcoin, MemoryStore>) {
    let store = Arc::new(MemoryStore::new(KEY));
    let coin = Bitcoin::new(Network::Regtest);
    (Arc::clone(&store), Processor::new(coin, store, policy).unwrap())
}

fn indexed(chain: &[Block]) -> Arc<MemoryStore> {
    let (store, mut processor) = processor(FlushPolicy::default());
    processor.sync(&mut FakeNode::new(chain.to_vec()), &mut ()).unwrap();
    store
}

fn tip_of(chain: &[Block]) -> Option<BlockId> {
    let height = chain.len().checked_sub(1)?;
    Some(BlockId { height: height as u32, hash: chain[height].block_hash() })
}

fn assert_true(store: &MemoryStore, chain: &[Block]) {
    let view = store.view().unwrap();
    assert_eq!(view.tip(), tip_of(chain));
    let truth = truth(chain);
    for number in 0..8 {
        let scripthash = ScriptHash::of_script(script(number).as_bytes());
        let wanted = truth.get(&scripthash);
        let got = answer(&*view, KEY, &scripthash);
        assert_eq!(&got, wanted.unwrap_or(&common::ScriptTruth::default()), "script {number}");
    }
    for (height, block) in chain.iter().enumerate() {
        let txs = view.block_txs(height as u32);
        let txids: Vec<_> = block.txdata.iter().map(|tx| tx.compute_txid()).collect();
        assert_eq!(view.txids(txs.clone()).unwrap(), txids);
        let bytes = raw(chain, height).bytes;
        for (tx_num, tx) in txs.zip(&block.txdata) {
            let tx_num = electrumx_core::TxNum(tx_num);
            let at = view.tx_position(tx_num).unwrap().unwrap();
            let slice = &bytes[at.offset as usize..(at.offset + at.size) as usize];
            assert_eq!(slice, bitcoin::consensus::serialize(tx));
            assert_eq!(view.height_of(tx_num), Some(height as u32));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_equal_a_naive_scan(blocks in recipes(0..12)) {
        let chain = extend(vec![genesis()], &blocks, 0);
        assert_true(&indexed(&chain), &chain);
    }

    #[test]
    fn any_batch_split_gives_the_same_index(blocks in recipes(1..12), splits in any::<u16>(), cache in 0..4000_usize) {
        let chain = extend(vec![genesis()], &blocks, 0);
        let policy = FlushPolicy { utxo_cache_bytes: cache, ..FlushPolicy::default() };
        let (store, mut processor) = processor(policy);
        for height in 0..chain.len() {
            processor.advance(&raw(&chain, height)).unwrap();
            if splits >> (height % 16) & 1 == 1 {
                processor.flush().unwrap();
            }
        }
        processor.flush().unwrap();
        prop_assert!(*store == *indexed(&chain));
    }

    #[test]
    fn unwinding_restores_the_index(blocks in recipes(1..12), keep in 0..13_usize) {
        let chain = extend(vec![genesis()], &blocks, 0);
        let keep = keep.min(chain.len());
        let (store, mut processor) = processor(FlushPolicy::default());
        processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap();
        processor.unwind_to(keep.checked_sub(1).map(|height| height as u32)).unwrap();
        prop_assert_eq!(processor.tip(), tip_of(&chain[..keep]));
        if keep == 0 {
            prop_assert!(*store == MemoryStore::new(KEY));
        } else {
            prop_assert!(*store == *indexed(&chain[..keep]));
        }
        // And it goes on from there.
        processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap();
        prop_assert!(*store == *indexed(&chain));
    }

    #[test]
    fn a_switch_of_chains_at_any_moment_ends_on_the_new_chain(
        shared in recipes(0..5), old in recipes(0..8), new in recipes(0..8),
        moment in 1..20_usize, interval in prop::bool::ANY,
    ) {
        let shared = extend(vec![genesis()], &shared, 0);
        let (old, new) = (extend(shared.clone(), &old, 1), extend(shared, &new, 2));
        let interval = if interval { Duration::ZERO } else { Duration::MAX };
        let (store, mut processor) = processor(FlushPolicy { interval, ..FlushPolicy::default() });
        processor.track_touched_scripts();
        let mut node = FakeNode::new(old);
        node.switches.push((moment, new.clone()));
        processor.sync(&mut node, &mut ()).unwrap();
        node.chain = new.clone();
        node.switches.clear();
        while !processor.sync(&mut node, &mut ()).unwrap().at_node_tip {}
        prop_assert!(*store == *indexed(&new));
    }

    #[test]
    fn touched_scripts_are_those_whose_history_changed(
        shared in recipes(0..5), old in recipes(0..6), new in recipes(0..6),
    ) {
        let shared = extend(vec![genesis()], &shared, 0);
        let (old, new) = (extend(shared.clone(), &old, 1), extend(shared, &new, 2));
        let (_store, mut processor) = processor(FlushPolicy::default());
        processor.sync(&mut FakeNode::new(old.clone()), &mut ()).unwrap();
        processor.track_touched_scripts();
        let synced = processor.sync(&mut FakeNode::new(new.clone()), &mut ()).unwrap();
        let (old, new) = (truth(&old), truth(&new));
        for number in 0..7 {
            let scripthash = ScriptHash::of_script(script(number).as_bytes());
            if old.get(&scripthash) != new.get(&scripthash) {
                prop_assert!(synced.touched.scripts.contains(&KEY.hashx(&scripthash)), "script {}", number);
            }
        }
    }
}

/// Histories as they are when only what the processor reports of each block is added.
fn extended(
    histories: &mut HashMap<HashX, Vec<(Txid, u32)>>,
    outputs: &mut HashMap<HashX, usize>,
    block: &BlockTouches,
) {
    for touch in &block.touches {
        let entry = (block.txids[touch.tx as usize], block.id.height);
        histories.entry(touch.hashx).or_default().push(entry);
        *outputs.entry(touch.hashx).or_default() += touch.outputs as usize;
    }
}

#[test]
fn reported_blocks_extend_histories_exactly() {
    let chain = some_chain(12, 3);
    let (store, mut processor) = processor(FlushPolicy::default());
    processor.sync(&mut FakeNode::new(chain[..1].to_vec()), &mut ()).unwrap();
    processor.track_touched_scripts();
    let (mut histories, mut outputs) = (HashMap::new(), HashMap::new());
    let mut tip = processor.tip().unwrap();
    for len in [2, 3, 6, 13] {
        let synced = processor.sync(&mut FakeNode::new(chain[..len].to_vec()), &mut ()).unwrap();
        for block in &synced.blocks {
            assert_eq!(block.prev, tip.hash);
            extended(&mut histories, &mut outputs, block);
            tip = block.id;
        }
        assert_eq!(Some(tip), synced.tip);
    }
    let view = store.view().unwrap();
    for number in 0..8 {
        let hashx = KEY.hashx(&ScriptHash::of_script(script(number).as_bytes()));
        let rows = view.script_outputs(&hashx, usize::MAX).unwrap();
        let txs = history::resolve(&*view, &history::history_tx_nums(&rows)).unwrap();
        let txs: Vec<_> = txs.iter().map(|tx| (tx.txid, tx.height)).collect();
        assert_eq!(histories.remove(&hashx).unwrap_or_default(), txs, "script {number}");
        assert_eq!(outputs.remove(&hashx).unwrap_or_default(), rows.len(), "script {number}");
    }
    assert!(histories.is_empty());

    // After a reorg the first reported block extends the fork point, not the old tip.
    let fork = some_chain(2, 3);
    let other = extend(fork.clone(), &[vec![], vec![]], 7);
    let synced = processor.sync(&mut FakeNode::new(other), &mut ()).unwrap();
    assert_eq!(synced.blocks.len(), 2);
    assert_eq!(synced.blocks[0].prev, tip_of(&fork).unwrap().hash);
    for block in &chain[3..] {
        for tx in &block.txdata {
            assert!(synced.touched.txs.contains(&tx.compute_txid()));
            let spent = tx.input.iter().map(|input| input.previous_output);
            assert!(
                tx.is_coinbase() || spent.into_iter().all(|at| synced.touched.spent.contains(&at))
            );
        }
    }
}

fn some_chain(len: usize, salt: u32) -> Vec<Block> {
    extend(vec![genesis()], &vec![vec![(3, vec![1, 2]), (5, vec![7, 4])]; len], salt)
}

#[test]
fn a_fork_is_looked_for_only_where_the_next_block_does_not_go_on() {
    let shared = some_chain(5, 0);
    let (store, mut processor) = processor(FlushPolicy::default());
    let mut node = FakeNode::new(shared[..4].to_vec());
    processor.sync(&mut node, &mut ()).unwrap();
    let before = node.asked;
    node.chain = shared.clone();
    assert!(processor.sync(&mut node, &mut ()).unwrap().at_node_tip);
    assert_eq!(node.asked, before);
    // One above the tip, on another branch.
    node.chain = extend(shared[..3].to_vec(), &vec![vec![]; 4], 1);
    assert!(processor.sync(&mut node, &mut ()).unwrap().at_node_tip);
    assert!(node.asked > before);
    assert_true(&store, &node.chain);
}

#[test]
fn another_genesis_block_is_refused() {
    let (_store, mut processor) = processor(FlushPolicy::default());
    let mut other = vec![bitcoin::constants::genesis_block(bitcoin::Network::Signet)];
    other.push(common::block(&other, &[], 0));
    let err = processor.sync(&mut FakeNode::new(other), &mut ()).unwrap_err();
    assert!(matches!(err, ProcessError::WrongChain { .. }), "{err}");
}

#[test]
fn a_chain_without_common_block_is_refused_and_nothing_is_lost() {
    let chain = some_chain(5, 0);
    let (store, mut processor) = processor(FlushPolicy::default());
    processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap();
    let mut other = vec![bitcoin::constants::genesis_block(bitcoin::Network::Signet)];
    other.push(common::block(&other, &[], 0));
    let err = processor.sync(&mut FakeNode::new(other), &mut ()).unwrap_err();
    assert!(matches!(err, ProcessError::WrongChain { .. }), "{err}");
    assert_true(&store, &chain);
}

#[test]
fn a_node_that_reindexes_is_waited_for() {
    let chain = some_chain(9, 0);
    let (store, mut processor) = processor(FlushPolicy::default());
    processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap();
    let mut node = FakeNode::new(chain[..3].to_vec());
    node.syncing = true;
    let synced = processor.sync(&mut node, &mut ()).unwrap();
    assert!(synced.node_is_behind && !synced.at_node_tip);
    assert_true(&store, &chain);
    // The same chain from a node that is not catching up is a reorg to a lower height.
    node.syncing = false;
    assert!(processor.sync(&mut node, &mut ()).unwrap().at_node_tip);
    assert_true(&store, &chain[..3]);
}

#[test]
fn bad_blocks_are_refused_and_the_good_ones_before_them_are_kept() {
    let chain = some_chain(6, 0);
    let spoil: [fn(&mut Block); 3] = [
        |block| drop(block.txdata.pop()),
        |block| {
            block.txdata[1].input[0].previous_output.txid = block.txdata[0].compute_txid();
            block.txdata[1].input[0].previous_output.vout = 0;
            let stolen = block.txdata[1].compute_txid();
            block.txdata[1].input[0].previous_output.txid = stolen;
            block.header.merkle_root = block.compute_merkle_root().unwrap();
        },
        |block| block.header.prev_blockhash = block.block_hash(),
    ];
    for spoil in spoil {
        let (store, mut processor) = processor(FlushPolicy::default());
        let mut bad = chain.clone();
        spoil(&mut bad[4]);
        let result = processor.sync(&mut FakeNode::new(bad), &mut ());
        assert!(result.is_err() || !result.unwrap().at_node_tip);
        processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap();
        assert_true(&store, &chain);
    }
}

#[test]
fn stops_at_a_block_boundary_and_goes_on_later() {
    struct StopAfter(u32);
    impl Observer for StopAfter {
        fn should_stop(&self) -> bool {
            self.0 == 0
        }
        fn advanced(&mut self, _: &Progress) {
            self.0 -= 1;
        }
    }
    let chain = some_chain(9, 0);
    let (store, mut processor) = processor(FlushPolicy::default());
    let synced = processor.sync(&mut FakeNode::new(chain.clone()), &mut StopAfter(4)).unwrap();
    assert!(!synced.at_node_tip);
    assert_true(&store, &chain[..4]);
    assert!(processor.sync(&mut FakeNode::new(chain.clone()), &mut ()).unwrap().at_node_tip);
    assert_true(&store, &chain);
}
