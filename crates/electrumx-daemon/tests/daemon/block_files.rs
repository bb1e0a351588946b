//! Block files against what was written into them.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash as _;
use bitcoin::{Block, BlockHash};
use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::{BlockSource as _, SourceError};
use electrumx_daemon::{BlockFiles, BlockFilesError, FilesAlone};
use electrumx_testkit::{RealChain, real_data_or_note};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tokio_util::sync::CancellationToken;

use crate::made_up::{Dir, KEY, block, chain, coin, genesis, record, records};

fn refresh(files: &BlockFiles<Bitcoin>) {
    files.refresh(&mut |_| ControlFlow::Continue(())).unwrap();
}

fn alone(files: BlockFiles<Bitcoin>) -> FilesAlone<Bitcoin> {
    FilesAlone::new(Arc::new(files), 10_000, |_| {}, CancellationToken::new())
}

/// Reads the whole best chain through the port.
fn read(source: &mut FilesAlone<Bitcoin>) -> Vec<Vec<u8>> {
    let tip = source.tip().unwrap().id;
    assert_eq!(source.block_hash(tip.height).unwrap(), Some(tip.hash));
    assert_eq!(source.block_hash(tip.height + 1).unwrap(), None);
    source.start(0, tip.height);
    let mut blocks = Vec::new();
    while let Some(block) = source.next_block().unwrap() {
        assert_eq!(block.height as usize, blocks.len());
        blocks.push(block.bytes);
    }
    assert_eq!(blocks.len() as u32, tip.height + 1);
    blocks
}

fn bytes(blocks: &[Block]) -> Vec<Vec<u8>> {
    blocks.iter().map(serialize).collect()
}

/// What may be between two records.
#[derive(Debug, Clone)]
enum Rubbish {
    Nothing,
    Zeros(usize),
    Noise(Vec<u8>),
    /// The beginning of a record that was never finished.
    Torn(usize),
    /// A record of another network.
    Foreign,
    /// A magic with a length and nothing sensible behind.
    Decoy(u32),
}

fn rubbish() -> impl Strategy<Value = Rubbish> {
    prop_oneof![
        4 => Just(Rubbish::Nothing),
        1 => (1..5000_usize).prop_map(Rubbish::Zeros),
        1 => proptest::collection::vec(any::<u8>(), 1..300).prop_map(Rubbish::Noise),
        1 => (1..170_usize).prop_map(Rubbish::Torn),
        1 => Just(Rubbish::Foreign),
        1 => any::<u32>().prop_map(Rubbish::Decoy),
    ]
}

impl Rubbish {
    fn bytes(&self) -> Vec<u8> {
        let mut whole = record(&block(BlockHash::all_zeros(), 7, 100));
        match self {
            Self::Nothing => Vec::new(),
            Self::Zeros(length) => vec![0; *length],
            Self::Noise(bytes) => bytes.clone(),
            // Without its header's end; that of a whole one would be found.
            Self::Torn(length) => whole[..(*length).min(80)].to_vec(),
            Self::Foreign => {
                whole[..4].copy_from_slice(&bitcoin::Network::Signet.magic().to_bytes());
                whole
            }
            Self::Decoy(length) => {
                let magic = bitcoin::Network::Regtest.magic().to_bytes();
                [&magic[..], &length.to_le_bytes(), &[0; 90]].concat()
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Blocks of a random tree, in random order, spread over files with rubbish between them.
    #[test]
    fn the_longest_chain_is_found_whatever_the_files_look_like(
        parents in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..60),
        order in any::<u64>(),
        rubbish in proptest::collection::vec(rubbish(), 61),
        files in 1..5_usize,
        scrambled in any::<bool>(),
        orphan in any::<bool>(),
    ) {
        let mut tree = vec![(genesis(), 0_usize)];
        for (salt, (parent, at_end)) in (1..).zip(&parents) {
            let parent = if *at_end { tree.len() - 1 } else { parent.index(tree.len()) };
            let (prev, height) = (tree[parent].0.block_hash(), tree[parent].1);
            tree.push((block(prev, salt, 20), height + 1));
        }
        let height = tree.iter().map(|(_, height)| *height).max().unwrap();
        let by_hash: HashMap<_, _> = tree.iter().map(|(b, h)| (b.block_hash(), (b, *h))).collect();

        let mut blocks: Vec<&Block> = tree.iter().map(|(block, _)| block).collect();
        let far = block(BlockHash::from_byte_array([9; 32]), 1000, 20);
        if orphan {
            blocks.push(&far);
        }
        blocks.sort_by_key(|b| b.block_hash().as_byte_array()[0].wrapping_mul(order as u8 | 1));
        let dir = Dir::new(scrambled.then_some(KEY));
        let mut contents = vec![Vec::new(); files];
        for (at, (block, rubbish)) in blocks.iter().zip(&rubbish).enumerate() {
            contents[at % files].extend(rubbish.bytes());
            contents[at % files].extend(record(block));
        }
        for (number, content) in (0..).zip(&contents) {
            dir.write(number * 3, content, 1000);
        }

        let files = dir.open();
        refresh(&files);
        // A torn record's beginning may swallow nothing: all blocks are found.
        prop_assert_eq!(files.len(), blocks.len());
        for block in &blocks {
            let found = files.block(&block.block_hash()).unwrap();
            prop_assert_eq!(found, Some(serialize(*block)));
        }
        let found = read(&mut alone(files));
        prop_assert_eq!(found.len(), height + 1);
        let mut prev = BlockHash::all_zeros();
        for (at, bytes) in found.iter().enumerate() {
            let read: Block = bitcoin::consensus::deserialize(bytes).unwrap();
            prop_assert_eq!(read.header.prev_blockhash, prev);
            prev = read.block_hash();
            prop_assert_eq!(by_hash.get(&prev), Some(&(&read, at)));
        }
    }

    /// A file that grows, with and without room reserved: at each moment the whole records are known and no others.
    #[test]
    fn a_file_that_grows_is_followed(
        mut cuts in proptest::collection::vec(0.0..1.0_f64, 1..12),
        reserve in any::<bool>(),
        scrambled in any::<bool>(),
    ) {
        let blocks = chain(12);
        let whole = records(&blocks);
        cuts.sort_by(f64::total_cmp);
        cuts.push(1.0);
        let dir = Dir::new(scrambled.then_some(KEY));
        dir.write(0, &[], 0);
        let files = dir.open();
        for cut in cuts {
            let mut cut = (whole.len() as f64 * cut) as usize;
            let mut end = 0;
            for block in &blocks {
                // Half of all nonces are a proof of work here: a part of one may be another block's.
                if (end + 8 + 76..end + 8 + 80).contains(&cut) {
                    cut = end + 8 + 80;
                }
                end += record(block).len();
            }
            // Overwritten in place, as a node does.
            dir.write(0, &whole[..cut], if reserve { whole.len() + 50 - cut } else { 0 });
            refresh(&files);
            let mut end = 0;
            for (height, block) in blocks.iter().enumerate() {
                let length = record(block).len();
                let has_header = cut >= end + 8 + 80;
                end += length;
                let found = files.block(&block.block_hash()).unwrap();
                if end <= cut {
                    prop_assert_eq!(found, Some(serialize(block)), "{}", height);
                } else if !(reserve && has_header) {
                    // With room reserved a header is all there is to tell.
                    prop_assert!(found.is_none(), "block {} of a file cut at {}", height, cut);
                }
            }
        }
        prop_assert_eq!(read(&mut alone(files)), bytes(&blocks));
    }
}

#[test]
fn new_files_and_reorganisations_are_followed() -> Result<(), TestCaseError> {
    let blocks = chain(30);
    let dir = Dir::new(Some(KEY));
    dir.write(0, &records(&blocks[..20]), 0);
    let mut source = alone(dir.open());
    assert_eq!(read(&mut source), bytes(&blocks[..20]));

    // A branch as long as the chain changes nothing, a longer one does.
    let mut branch = blocks[..15].to_vec();
    for salt in 0..6 {
        let prev = branch.last().unwrap().block_hash();
        branch.push(block(prev, 5000 + salt, 30));
    }
    dir.write(1, &records(&branch[15..20]), 0);
    assert_eq!(read(&mut source), bytes(&blocks[..20]));
    dir.write(1, &records(&branch[15..]), 0);
    assert_eq!(read(&mut source), bytes(&branch));

    // Blocks that come before their predecessors.
    dir.write(2, &records(blocks[21..].iter().rev()), 0);
    assert_eq!(read(&mut source), bytes(&branch));
    dir.write(3, &records(&blocks[20..21]), 0);
    assert_eq!(read(&mut source), bytes(&blocks));
    Ok(())
}

#[test]
fn files_that_change_or_vanish_are_noticed() {
    let blocks = chain(30);
    let hash = |height: usize| blocks[height].block_hash();
    let dir = Dir::new(Some(KEY));
    dir.write(0, &records(&blocks[..10]), 0);
    dir.write(1, &records(&blocks[10..20]), 0);
    let files = dir.open();
    refresh(&files);
    assert_eq!(files.len(), 20);

    // Overwritten with others, as after a crash of the node: found by the first read.
    dir.write(1, &records(blocks[12..24].iter().rev()), 0);
    for block in &blocks[12..20] {
        assert_eq!(files.block(&block.block_hash()).unwrap(), Some(serialize(block)));
    }
    assert!(files.block(&hash(11)).unwrap().is_none());
    assert_eq!(files.block(&hash(23)).unwrap(), Some(serialize(&blocks[23])));

    // Overwritten at its end with what nobody has asked for yet.
    dir.write(0, &records(blocks[..8].iter().chain(&blocks[25..30])), 5000);
    refresh(&files);
    assert!(files.contains(&hash(27)) && files.contains(&hash(7)) && !files.contains(&hash(9)));
    dir.write(0, &records(&blocks[..10]), 5000);
    refresh(&files);

    // Shorter than what is known of it.
    dir.write(0, &records(&blocks[..5]), 0);
    assert!(files.block(&hash(9)).unwrap().is_none());
    assert_eq!(files.block(&hash(4)).unwrap(), Some(serialize(&blocks[4])));

    // Gone, as the oldest ones of a pruned node.
    std::fs::remove_file(dir.file(0)).unwrap();
    refresh(&files);
    assert!((0..5).all(|height| !files.contains(&hash(height))));
    assert!(files.contains(&hash(12)));
    assert!(files.block(&hash(3)).unwrap().is_none());

    // And back again.
    dir.write(0, &records(&blocks[..12]), 0);
    refresh(&files);
    let mut source = alone(files);
    assert_eq!(read(&mut source), bytes(&blocks[..24]));
    std::fs::remove_file(dir.file(1)).unwrap();
    let tip = source.tip().unwrap().id;
    assert_eq!(tip.height, 23, "what is indexed already need not be there any more");
    source.start(0, 23);
    let error = loop {
        match source.next_block() {
            Ok(Some(block)) => assert!(block.height < 12),
            Ok(None) => panic!("the missing block is not told"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("block 12 "), "{error}");
}

#[test]
fn of_two_copies_of_a_block_the_later_one_counts() {
    let blocks = chain(3);
    let mut torn = records(&blocks);
    let end = torn.len();
    torn[end - 20..].fill(0);
    let dir = Dir::new(None);
    dir.write(0, &torn, 0);
    dir.write(1, &records(&blocks[2..]), 0);
    assert_eq!(read(&mut alone(dir.open())), bytes(&blocks));
}

#[test]
fn parts_of_blocks_are_read() {
    let blocks = chain(5);
    let dir = Dir::new(Some(KEY));
    dir.write(0, &records(&blocks), 0);
    let files = dir.open();
    assert!(files.part(&blocks[1].block_hash(), 0, 1).unwrap().is_none(), "not looked at yet");
    refresh(&files);
    for block in &blocks {
        let (hash, whole) = (block.block_hash(), serialize(block));
        let tx = serialize(&block.txdata[0]);
        let found = files.part(&hash, 81, tx.len() as u32).unwrap();
        assert_eq!(found, Some(tx));
        for (from, to) in [(0, 0), (0, whole.len()), (3, 20), (whole.len(), whole.len())] {
            let part = files.part(&hash, from as u32, (to - from) as u32).unwrap().unwrap();
            assert_eq!(part, whole[from..to]);
        }
        for (from, size) in [(whole.len() as u32, 1), (0, u32::MAX), (u32::MAX, u32::MAX)] {
            let error = files.part(&hash, from, size).unwrap_err();
            assert!(matches!(error, BlockFilesError::Outside { .. }), "{error}");
        }
    }
    assert!(files.part(&BlockHash::all_zeros(), 0, 1).unwrap().is_none());
}

#[test]
fn what_cannot_serve_is_told() {
    let nowhere = BlockFiles::open(coin(), "/nonexistent/blocks").unwrap_err();
    assert!(nowhere.to_string().contains("BLOCKS_DIR"), "{nowhere}");

    let dir = Dir::new(None);
    let error = alone(dir.open()).tip().unwrap_err();
    assert!(matches!(error, SourceError::Files { .. }), "{error:?}");
    assert!(error.to_string().contains("no block of Bitcoin regtest"), "{error}");
    dir.write(5, &records(&chain(9)[5..]), 0);
    let error = alone(dir.open()).tip().unwrap_err();
    assert!(error.to_string().contains("4 blocks of Bitcoin regtest"), "{error}");

    let files = dir.open();
    let cancelled = files.refresh(&mut |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(cancelled, BlockFilesError::Cancelled));
    assert!(!files.is_scanned());
    refresh(&files);
    assert!(files.is_scanned() && files.len() == 4);

    let stop = CancellationToken::new();
    dir.write(0, &records(&chain(5)), 0);
    let mut source = FilesAlone::new(Arc::new(dir.open()), 100, |_| {}, stop.clone());
    let tip = source.tip().unwrap().id;
    assert_eq!(tip.height, 8);
    source.start(0, 8);
    stop.cancel();
    assert!(matches!(source.next_block(), Err(SourceError::Cancelled)));
    assert!(matches!(source.tip(), Err(SourceError::Cancelled)));
}

#[test]
fn the_first_blocks_of_real_chains_are_in_their_files() {
    for (name, network, height, tip) in [
        (
            "btc-mainnet",
            Network::Mainnet,
            4521,
            "00000000ac08f7d984f6b36027395e654a5f1e3bb006cd9df9c60b9897ea4c40",
        ),
        (
            "btc-testnet3",
            Network::Testnet3,
            4000,
            "00000000185b36fa6e406626a722793bea80531515e0b2a99ff05b73738901f1",
        ),
    ] {
        if !real_data_or_note("block files of real chains").unwrap() {
            return;
        }
        let expected = RealChain::open(name).unwrap().unwrap().blocks().unwrap();
        let dir = Dir::new(Some(KEY));
        dir.write(0, expected.bytes(), 100_000);
        let files = BlockFiles::open(Bitcoin::new(network), dir.path()).unwrap();
        let mut source = alone(files);
        let found = source.tip().unwrap().id;
        assert_eq!((found.height, found.hash.to_string()), (height, tip.to_owned()));
        let blocks = read(&mut source);
        assert!(blocks.iter().eq(expected.collect::<Vec<_>>().iter()));
        let distinct: HashSet<_> = blocks.iter().collect();
        assert_eq!(distinct.len(), blocks.len());
    }
}
