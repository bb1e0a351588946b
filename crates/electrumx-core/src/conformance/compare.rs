//! A view against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::model::Model;
use super::rng::Rng;
use crate::delta::BlockDelta;
use crate::hash::HashX;
use crate::position::{Height, OutputNum, TxNum};
use crate::store::{ChainView, OutputState, ScriptOutput, StoreError};

/// Asserts that a view shows exactly these blocks, through every method.
pub fn assert_shows(view: &dyn ChainView, blocks: &[BlockDelta]) {
    let model = Model(blocks);
    assert_eq!(view.tip(), blocks.last().map(|block| block.id), "tip");
    assert_eq!(view.tx_count(), model.tx_count(), "transaction count");
    assert_blocks(view, blocks);
    assert_headers(view, blocks);
    assert_txs(view, model);
    assert_outputs(view, blocks);
    assert_scripts(view, blocks);
}

/// Unwraps a result.
pub(super) fn ok<T>(result: Result<T, StoreError>) -> T {
    result.expect("the store works")
}

fn end(blocks: &[BlockDelta]) -> Height {
    u32::try_from(blocks.len()).expect("a test chain is short")
}

fn assert_blocks(view: &dyn ChainView, blocks: &[BlockDelta]) {
    for block in blocks {
        let height = block.id.height;
        let first = block.first_tx_num.0;
        assert_eq!(ok(view.block_hash(height)), Some(block.id.hash), "hash of block {height}");
        assert_eq!(view.block_txs(height), first..first + block.txids.len() as u64);
        let mut spends: Vec<_> = block.spends.iter().map(|spend| spend.output).collect();
        if view.base().is_some_and(|base| height <= base.height) {
            spends.clear();
        }
        assert_eq!(ok(view.block_spends(height)), spends, "spends of block {height}");
    }
    for height in [end(blocks), end(blocks) + 1, u32::MAX] {
        assert_eq!(ok(view.block_hash(height)), None, "hash of block {height}");
        assert!(view.block_txs(height).is_empty(), "transactions of block {height}");
        assert_eq!(ok(view.block_spends(height)), [], "spends of block {height}");
    }
}

fn assert_headers(view: &dyn ChainView, blocks: &[BlockDelta]) {
    let end = end(blocks);
    for start in [0, 1, end / 2, end.saturating_sub(1), end, end + 1, u32::MAX] {
        for count in [0, 1, 3, end, u32::MAX] {
            let wanted = blocks.iter().skip(start as usize).take(count as usize);
            let wanted: Vec<&[u8]> = wanted.map(|block| &*block.header).collect();
            // What is there already stays.
            let (mut out, mut lengths) = (vec![1, 2, 3], vec![9]);
            let found = ok(view.headers(start, count, &mut out, &mut lengths));
            assert_eq!(found as usize, wanted.len(), "{count} headers from {start}");
            assert_eq!(out, [&[1, 2, 3], &*wanted.concat()].concat());
            let wanted =
                wanted.iter().map(|header| u32::try_from(header.len()).expect("it is short"));
            assert_eq!(lengths, [9].into_iter().chain(wanted).collect::<Vec<_>>());
        }
    }
}

fn assert_txs(view: &dyn ChainView, model: Model<'_>) {
    let latest: BTreeMap<_, _> = model.txs().map(|(num, _, txid, _)| (txid, num)).collect();
    for (num, height, txid, position) in model.txs() {
        assert_eq!(ok(view.txid(num)), Some(txid), "id of {num:?}");
        assert_eq!(view.height_of(num), Some(height), "height of {num:?}");
        assert_eq!(ok(view.tx_position(num)), Some(position), "position of {num:?}");
        assert_eq!(ok(view.tx_num(&txid)), latest.get(&txid).copied(), "number of {txid}");
    }
    let all: Vec<_> = model.txs().map(|(_, _, txid, _)| txid).collect();
    let mut numbers: Vec<_> = model.txs().map(|(num, ..)| num).collect();
    assert_eq!(ok(view.txids_of(&numbers)), all);
    numbers.retain(|number| number.0 % 97 < 2);
    numbers.reverse();
    let some: Vec<_> =
        numbers.iter().map(|num| all[usize::try_from(num.0).expect("few")]).collect();
    assert_eq!(ok(view.txids_of(&numbers)), some);
    assert!(view.txids_of(&[TxNum(model.tx_count())]).is_err());
    for range in ranges(model.tx_count()) {
        let from = usize::try_from(range.start).unwrap_or(usize::MAX).min(all.len());
        let to = usize::try_from(range.end).unwrap_or(usize::MAX).clamp(from, all.len());
        assert_eq!(ok(view.txids(range.clone())), all[from..to], "ids of {range:?}");
    }
}

fn assert_outputs(view: &dyn ChainView, blocks: &[BlockDelta]) {
    let model = Model(blocks);
    let base = view.base().map(|base| base.height);
    let deep_spends = blocks.iter().take_while(|block| Some(block.id.height) <= base);
    let deep_spends: BTreeSet<_> =
        deep_spends.flat_map(|block| &block.spends).map(|spend| spend.output).collect();
    let mut all = model.outputs(&(0..u64::MAX));
    all.retain(|(output, _)| !deep_spends.contains(output));
    for (output, row) in &all {
        assert_eq!(ok(view.output(*output)), Some(*row), "{output:?}");
    }
    let known: BTreeSet<_> = all.iter().map(|(output, _)| *output).collect();
    let hashx = HashX::from_bytes([0x33; HashX::LEN]);
    for (tx_num, ..) in model.txs() {
        for vout in [0, 1, 253, u32::MAX] {
            let output = OutputNum { tx_num, vout };
            if !known.contains(&output) {
                assert_eq!(ok(view.output(output)), None, "{output:?}");
            }
            assert_eq!(ok(view.output_state(&hashx, output)), None, "{output:?}");
        }
    }
    for range in ranges(model.tx_count()) {
        let mut wanted = model.outputs(&range);
        wanted.retain(|(output, _)| !deep_spends.contains(output));
        assert_eq!(ok(view.outputs(range.clone())), wanted, "outputs of {range:?}");
    }
}

fn assert_scripts(view: &dyn ChainView, blocks: &[BlockDelta]) {
    let spends = blocks.iter().flat_map(|block| &block.spends);
    let spenders: BTreeMap<_, _> = spends.map(|spend| (spend.output, spend.by)).collect();
    let mut scripts: BTreeMap<HashX, Vec<ScriptOutput>> = BTreeMap::new();
    for (output, row) in blocks.iter().flat_map(|block| &block.outputs) {
        let spender = spenders.get(output).copied();
        let state = spender.map_or(OutputState::Unspent(row.value), OutputState::SpentBy);
        assert_eq!(ok(view.output_state(&row.hashx, *output)), Some(state), "{output:?}");
        scripts.entry(row.hashx).or_default().push(ScriptOutput { output: *output, state });
    }
    for (hashx, paid) in &scripts {
        assert_eq!(ok(view.script_outputs(hashx, paid.len())), *paid, "outputs of {hashx:?}");
    }
    let unknown = HashX::from_bytes([0x33; HashX::LEN]);
    assert_eq!(ok(view.script_outputs(&unknown, 0)), []);
}

/// Ranges of transaction numbers: edges, and some at random.
fn ranges(count: u64) -> Vec<Range<u64>> {
    let mut rng = Rng::new(count);
    let mut ranges = vec![0..0, 0..1, 0..count, count..count, 0..u64::MAX, count..u64::MAX];
    for _ in 0..8 {
        let edges = [rng.next() % (count + 2), rng.next() % (count + 2)];
        ranges.push(edges[0].min(edges[1])..edges[0].max(edges[1]));
    }
    ranges.push(TxNum::MAX.0..TxNum::MAX.0 + 2);
    ranges
}
