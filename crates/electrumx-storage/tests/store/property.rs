//! Random operations: the LMDB store, the in-memory one and the naive model agree, and how a state was
//! reached leaves no trace.

use electrumx_core::conformance::{TestChain, assert_shows};
use electrumx_core::memory::MemoryStore;
use electrumx_core::{BlockDelta, HashXKey, Index as _, Store as _};
use proptest::prelude::*;

use crate::common::{open, temp};

#[derive(Clone, Debug)]
enum Operation {
    /// Append so many blocks, of a chain of its own.
    Append { seed: u64, blocks: usize },
    /// Remove this many blocks.
    Unwind { blocks: usize },
    /// Close and open.
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (any::<u64>(), 1..4_usize).prop_map(|(seed, blocks)| Operation::Append { seed, blocks }),
        2 => (0..5_usize).prop_map(|blocks| Operation::Unwind { blocks }),
        1 => Just(Operation::Reopen),
    ]
}

fn height(len: usize) -> Option<u32> {
    len.checked_sub(1).map(|height| u32::try_from(height).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_operations(operations in prop::collection::vec(operation(), 1..12)) {
        let dir = tempfile::tempdir().unwrap();
        let mut lmdb = open(dir.path());
        let memory = MemoryStore::new(HashXKey::from_bytes([7; 16]));
        let mut blocks: Vec<BlockDelta> = Vec::new();
        for operation in operations {
            match operation {
                Operation::Append { seed, blocks: count } => {
                    let mut chain = TestChain::after(&blocks, seed);
                    chain.extend(count);
                    let new = &chain.blocks()[blocks.len()..];
                    lmdb.append(new).unwrap();
                    memory.append(new).unwrap();
                    blocks = chain.blocks().to_vec();
                }
                Operation::Unwind { blocks: count } => {
                    blocks.truncate(blocks.len().saturating_sub(count));
                    let tip = blocks.last().map(|block| block.id);
                    prop_assert_eq!(lmdb.unwind_to(height(blocks.len())).unwrap(), tip);
                    prop_assert_eq!(memory.unwind_to(height(blocks.len())).unwrap(), tip);
                }
                Operation::Reopen => {
                    drop(lmdb);
                    lmdb = open(dir.path());
                }
            }
        }
        assert_shows(&*lmdb.view().unwrap(), &blocks);
        assert_shows(&*memory.view().unwrap(), &blocks);
        let clean = temp();
        clean.append(&blocks).unwrap();
        prop_assert_eq!(lmdb.dump().unwrap(), clean.dump().unwrap());
        prop_assert_eq!(lmdb.digest().unwrap(), clean.digest().unwrap());
    }

    #[test]
    fn unwinding_undoes_appending_byte_for_byte(
        seed in any::<u64>(),
        before in 0..6_usize,
        after in 1..6_usize,
    ) {
        let (store, blocks) = (temp(), TestChain::with_blocks(seed, before + after));
        store.append(&blocks[..before]).unwrap();
        let dump = store.dump().unwrap();
        store.append(&blocks[before..]).unwrap();
        prop_assert_ne!(&store.dump().unwrap(), &dump);
        store.unwind_to(height(before)).unwrap();
        prop_assert_eq!(&store.dump().unwrap(), &dump);
    }

    #[test]
    fn any_split_gives_the_same_bytes(
        seed in any::<u64>(),
        sizes in prop::collection::vec(1..5_usize, 1..6),
    ) {
        let blocks = TestChain::with_blocks(seed, sizes.iter().sum());
        let (split, whole) = (temp(), temp());
        whole.append(&blocks).unwrap();
        let mut rest = &*blocks;
        for size in sizes {
            let (batch, others) = rest.split_at(size);
            split.append(batch).unwrap();
            rest = others;
        }
        prop_assert_eq!(split.dump().unwrap(), whole.dump().unwrap());
    }
}
