//! Checks on one thread.

use std::ops::Deref;

use bitcoin::Txid;
use bitcoin::hashes::Hash as _;

use super::chain::TestChain;
use super::compare::{assert_shows, ok};
use super::model::Model;
use super::rng::Rng;
use crate::delta::BlockDelta;
use crate::hash::HashX;
use crate::position::{BlockId, Height, OutputNum, TxNum};
use crate::store::{ChainView, Index as _, Store, StoreError};

fn show<S: Store + ?Sized>(store: &S, blocks: &[BlockDelta]) {
    assert_shows(&*ok(store.view()), blocks);
}

fn height(index: usize) -> Height {
    u32::try_from(index).expect("a test chain is short")
}

fn tip(blocks: &[BlockDelta]) -> Option<BlockId> {
    blocks.last().map(|block| block.id)
}

/// Checks that a new store has no blocks, and that appending none adds none.
pub fn an_empty_store_has_nothing<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let store = make();
    show(&*store, &[]);
    ok(store.append(&[]));
    assert_eq!(ok(store.unwind_to(None)), None);
    assert_eq!(ok(store.unwind_to(Some(5))), None);
    show(&*store, &[]);
}

/// Checks that every block is there as soon as `append` returns.
pub fn appended_blocks_are_shown<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, blocks) = (make(), TestChain::with_blocks(1, 16));
    for index in 0..blocks.len() {
        ok(store.append(&blocks[index..=index]));
        show(&*store, &blocks[..=index]);
    }
}

/// Checks that batches of any size lead to the same index.
pub fn any_split_gives_the_same_index<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let blocks = TestChain::with_blocks(2, 24);
    for seed in 0..4 {
        let (store, mut rng, mut rest) = (make(), Rng::new(seed), &*blocks);
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(rest.len().min(rng.below(8)));
            ok(store.append(batch));
            rest = others;
        }
        show(&*store, &blocks);
    }
    let store = make();
    ok(store.append(&blocks));
    show(&*store, &blocks);
}

/// Checks that a view goes on showing its own state, whatever is written.
pub fn views_are_snapshots<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, blocks) = (make(), TestChain::with_blocks(3, 8));
    let mut fork = TestChain::after(&blocks[..4], 33);
    fork.extend(3);
    let mut views: Vec<(Box<dyn ChainView>, &[BlockDelta])> = vec![(ok(store.view()), &[])];
    ok(store.append(&blocks[..5]));
    views.push((ok(store.view()), &blocks[..5]));
    ok(store.append(&blocks[5..]));
    views.push((ok(store.view()), &blocks));
    ok(store.unwind_to(Some(3)));
    views.push((ok(store.view()), &blocks[..4]));
    ok(store.append(&fork.blocks()[4..]));
    views.push((ok(store.view()), fork.blocks()));
    ok(store.unwind_to(None));
    views.push((ok(store.view()), &[]));
    for (view, blocks) in views {
        assert_shows(&*view, blocks);
    }
}

/// Checks that unwinding to any height leaves what was there before, and that blocks can be appended
/// again.
pub fn unwinding_is_truncation<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let blocks = TestChain::with_blocks(4, 12);
    for keep in 0..=blocks.len() {
        let store = make();
        ok(store.append(&blocks));
        let left = &blocks[..keep];
        assert_eq!(ok(store.unwind_to(keep.checked_sub(1).map(height))), tip(left));
        show(&*store, left);
        ok(store.append(&blocks[keep..]));
        show(&*store, &blocks);
    }
    let store = make();
    ok(store.append(&blocks));
    for at_or_above in [height(blocks.len() - 1), height(blocks.len()), u32::MAX] {
        assert_eq!(ok(store.unwind_to(Some(at_or_above))), tip(&blocks));
    }
    for index in (0..blocks.len()).rev() {
        ok(store.unwind_to(index.checked_sub(1).map(height)));
        show(&*store, &blocks[..index]);
    }
}

/// Checks that reorganisations of any depth leave no trace of the blocks they replace.
pub fn a_fork_replaces_blocks<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, mut rng) = (make(), Rng::new(5));
    let mut blocks: Vec<BlockDelta> = Vec::new();
    for seed in 0..12 {
        let keep = blocks.len() - rng.below(blocks.len().min(6) + 1);
        ok(store.unwind_to(keep.checked_sub(1).map(height)));
        let mut fork = TestChain::after(&blocks[..keep], seed);
        fork.extend(1 + rng.below(6));
        ok(store.append(&fork.blocks()[keep..]));
        blocks = fork.blocks().to_vec();
        show(&*store, &blocks);
    }
}

/// Checks that of two transactions with one id the later is found, and the earlier once the later is
/// gone (as the coinbases of blocks 91,722 and 91,880 of Bitcoin).
pub fn a_later_duplicate_txid_hides_the_earlier<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, mut blocks) = (make(), TestChain::with_blocks(6, 3));
    let txid = Txid::from_byte_array([0xab; 32]);
    blocks[0].txids[0] = txid;
    blocks[2].txids[0] = txid;
    ok(store.append(&blocks[..2]));
    assert_eq!(ok(ok(store.view()).tx_num(&txid)), Some(TxNum(0)));
    ok(store.append(&blocks[2..]));
    let later = blocks[2].first_tx_num;
    assert_eq!(Model(&blocks).tx_num(&txid), Some(later));
    assert_eq!(ok(ok(store.view()).tx_num(&txid)), Some(later));
    show(&*store, &blocks);
    ok(store.unwind_to(Some(1)));
    assert_eq!(ok(ok(store.view()).tx_num(&txid)), Some(TxNum(0)));
    show(&*store, &blocks[..2]);
}

/// Checks that blocks with a gap in heights or numbers are refused, wherever they are in a batch, and
/// that nothing of the batch stays.
pub fn blocks_that_do_not_extend_are_refused<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, blocks) = (make(), TestChain::with_blocks(7, 6));
    let refused =
        |batch: &[BlockDelta], at: usize, before: Option<BlockId>| match store.append(batch) {
            Err(StoreError::NotExtending { got, tip }) => {
                assert_eq!((got, tip), (batch[at].id, before));
            }
            other => panic!("{other:?} instead of a refusal"),
        };
    refused(&blocks[1..], 0, None);
    ok(store.append(&blocks[..2]));
    refused(&blocks[..1], 0, tip(&blocks[..2]));
    refused(&blocks[1..2], 0, tip(&blocks[..2]));
    refused(&blocks[3..], 0, tip(&blocks[..2]));
    let gap = [blocks[2].clone(), blocks[4].clone()];
    refused(&gap, 1, tip(&blocks[..3]));
    let twice = [blocks[2].clone(), blocks[2].clone()];
    refused(&twice, 1, tip(&blocks[..3]));
    for wrong in [0, blocks[2].first_tx_num.0 + 1] {
        let mut block = blocks[2].clone();
        block.first_tx_num = TxNum(wrong);
        refused(&[block], 0, tip(&blocks[..2]));
    }
    show(&*store, &blocks[..2]);
    ok(store.append(&blocks[2..]));
    show(&*store, &blocks);
}

/// Checks that a script with more outputs than the limit is an error and not a part of the list.
pub fn limits_are_errors<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, blocks) = (make(), TestChain::with_blocks(8, 8));
    ok(store.append(&blocks));
    let outputs = || blocks.iter().flat_map(|block| &block.outputs);
    let hashx = outputs().next().expect("the chain pays someone").1.hashx;
    let count = outputs().filter(|(_, row)| row.hashx == hashx).count();
    let view = ok(store.view());
    for enough in [count, count + 1, usize::MAX] {
        assert_eq!(ok(view.script_outputs(&hashx, enough)).len(), count);
    }
    for limit in [0, count - 1] {
        let result = view.script_outputs(&hashx, limit);
        assert!(matches!(result, Err(StoreError::TooMany { limit: told }) if told == limit));
    }
}

/// Checks that numbers the index does not have are answered with nothing.
pub fn numbers_out_of_range_are_no_errors<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, blocks) = (make(), TestChain::with_blocks(9, 4));
    for appended in [0, blocks.len()] {
        ok(store.append(&blocks[..appended]));
        let view = ok(store.view());
        let count = Model(&blocks[..appended]).tx_count();
        for number in [count, count + 1, TxNum::MAX.0, TxNum::MAX.0 + 1, u64::MAX] {
            let tx_num = TxNum(number);
            assert_eq!(view.height_of(tx_num), None, "{tx_num:?}");
            assert_eq!(ok(view.txid(tx_num)), None, "{tx_num:?}");
            assert_eq!(ok(view.tx_position(tx_num)), None, "{tx_num:?}");
            assert_eq!(ok(view.txids(number..u64::MAX)), [], "{tx_num:?}");
            assert_eq!(ok(view.outputs(number..u64::MAX)), [], "{tx_num:?}");
            for vout in [0, u32::MAX] {
                let (output, hashx) = (OutputNum { tx_num, vout }, HashX::from_bytes([0x22; 12]));
                assert_eq!(ok(view.output(output)), None, "{tx_num:?}");
                assert_eq!(ok(view.output_state(&hashx, output)), None, "{tx_num:?}");
            }
        }
        // Ranges that end before they begin.
        let (high, low) = (TxNum::MAX.0, 1);
        assert_eq!(ok(view.txids(high..low)), []);
        assert_eq!(ok(view.outputs(high..low)), []);
        for bytes in [[0; 32], [0xff; 32]] {
            assert_eq!(ok(view.tx_num(&Txid::from_byte_array(bytes))), None);
        }
        for byte in [0x22, 0xee] {
            let hashx = HashX::from_bytes([byte; HashX::LEN]);
            assert_eq!(ok(view.script_outputs(&hashx, 10)), []);
        }
    }
}
