//! Folding the tip into the base changes no answer, whenever and how often it is done.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use electrumx_core::conformance::{TestChain, assert_shows};
use electrumx_core::processor::{BulkProgress, Observer};
use electrumx_core::{BlockDelta, Index as _, Store as _, StoreError};
use electrumx_storage::{Compaction, LmdbStore};
use proptest::prelude::*;

use crate::common::{open, options, temp, temp_with};

#[derive(Clone, Debug)]
enum Operation {
    Append { seed: u64, blocks: usize },
    Unwind { blocks: usize },
    Compact { keep: u32 },
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (any::<u64>(), 1..4_usize).prop_map(|(seed, blocks)| Operation::Append { seed, blocks }),
        2 => (0..5_usize).prop_map(|blocks| Operation::Unwind { blocks }),
        3 => (0..4_u32).prop_map(|keep| Operation::Compact { keep }),
        1 => Just(Operation::Reopen),
    ]
}

fn compact(store: &LmdbStore, keep: u32) -> Compaction {
    store.compact(keep, &mut ()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_operations(
        prefix_len in prop_oneof![Just(1_u8), Just(8)],
        operations in prop::collection::vec(operation(), 1..14),
    ) {
        let options = || {
            let mut options = options();
            options.txid_prefix_len = prefix_len;
            options
        };
        let mut temp = temp_with(options());
        let mut blocks: Vec<BlockDelta> = Vec::new();
        let mut base = 0;
        for operation in operations {
            match operation {
                Operation::Append { seed, blocks: count } => {
                    let mut chain = TestChain::after(&blocks, seed);
                    chain.extend(count);
                    temp.append(&chain.blocks()[blocks.len()..]).unwrap();
                    blocks = chain.blocks().to_vec();
                }
                Operation::Unwind { blocks: count } => {
                    let keep = blocks.len().saturating_sub(count);
                    let height = keep.checked_sub(1).map(|height| u32::try_from(height).unwrap());
                    match temp.unwind_to(height) {
                        Err(StoreError::BelowBase { .. }) => prop_assert!(0 < keep && keep < base),
                        unwound => {
                            unwound.unwrap();
                            prop_assert!(keep == 0 || keep >= base);
                            blocks.truncate(keep);
                            base = base.min(keep);
                        }
                    }
                }
                Operation::Compact { keep } => {
                    let len = blocks.len().saturating_sub(keep as usize);
                    match compact(&temp, keep) {
                        Compaction::Nothing => prop_assert!(len <= base),
                        Compaction::Done(tip) => {
                            prop_assert!(len > base);
                            prop_assert_eq!(tip, blocks[len - 1].id);
                            base = len;
                        }
                        other => prop_assert!(false, "{:?}", other),
                    }
                    assert_shows(&*temp.view().unwrap(), &blocks);
                }
                Operation::Reopen => {
                    drop(temp.store);
                    temp.store = LmdbStore::open(temp.dir.path(), &crate::common::identity(), options()).unwrap();
                }
            }
        }
        let view = temp.view().unwrap();
        prop_assert_eq!(view.base().map_or(0, |base| base.height as usize + 1), base);
        assert_shows(&*view, &blocks);
    }
}

#[test]
fn however_often_it_is_done_the_base_is_the_same() {
    let blocks = TestChain::with_blocks(70, 24);
    let (once, often) = (temp(), temp());
    once.append(&blocks).unwrap();
    assert!(matches!(compact(&once, 0), Compaction::Done(_)));
    for block in &blocks {
        often.append(std::slice::from_ref(block)).unwrap();
        compact(&often, 2);
    }
    assert!(matches!(compact(&often, 0), Compaction::Done(_)));
    assert_eq!(often.digest().unwrap(), once.digest().unwrap());
    assert_eq!(compact(&often, 0), Compaction::Nothing);
}

#[test]
fn old_views_go_on_and_old_files_go_away() {
    let blocks = TestChain::with_blocks(71, 12);
    let temp = temp();
    temp.append(&blocks[..6]).unwrap();
    compact(&temp, 2);
    let before = temp.view().unwrap();
    temp.append(&blocks[6..]).unwrap();
    compact(&temp, 0);
    assert_shows(&*before, &blocks[..6]);
    assert_shows(&*temp.view().unwrap(), &blocks);
    drop(before);
    let exists = |name: &str| temp.dir.path().join(name).exists();
    assert!(exists("base-11.mdb") && !exists("base-3.mdb") && exists("tip.mdb"));
    // The tip is as good as empty.
    let tip = std::fs::metadata(temp.dir.path().join("tip.mdb")).unwrap().len();
    assert!(tip < 200_000, "{tip}");
}

struct StopAt(u32);

impl Observer for StopAt {
    fn should_stop(&self) -> bool {
        self.0 == 0
    }

    fn bulk(&mut self, _: &BulkProgress) {
        self.0 = self.0.saturating_sub(1);
    }
}

#[test]
fn what_was_stopped_has_changed_nothing() {
    let blocks = TestChain::with_blocks(72, 10);
    let temp = temp();
    temp.append(&blocks).unwrap();
    let digest = temp.digest().unwrap();
    for steps in [0, 1, 5, 10] {
        assert_eq!(temp.compact(1, &mut StopAt(steps)).unwrap(), Compaction::Stopped, "{steps}");
        assert_eq!(temp.digest().unwrap(), digest);
        assert!(!temp.dir.path().join("build").exists());
    }
}

#[test]
fn blocks_come_and_go_meanwhile() {
    let blocks = TestChain::with_blocks(73, 40);
    let temp = temp();
    temp.append(&blocks[..20]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let store = &temp.store;
        let writer = scope.spawn(|| {
            for block in &blocks[20..] {
                store.append(std::slice::from_ref(block)).unwrap();
                let height = block.id.height;
                store.unwind_to(Some(height - 1)).unwrap();
                store.append(std::slice::from_ref(block)).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            compact(store, 5);
            let view = store.view().unwrap();
            let len = view.tip().unwrap().height as usize + 1;
            assert_shows(&*view, &blocks[..len]);
        }
        writer.join().unwrap();
    });
    assert_shows(&*temp.view().unwrap(), &blocks);
    drop(temp.store);
    assert_shows(&*open(temp.dir.path()).view().unwrap(), &blocks);
}

/// Does something whenever it is asked during the handing over to the new base, until there is nothing more to do.
struct Meanwhile<'a> {
    dir: &'a Path,
    deeds: RefCell<VecDeque<Box<dyn Fn() -> bool + 'a>>>,
}

impl Observer for Meanwhile<'_> {
    fn should_stop(&self) -> bool {
        let files = std::fs::read_dir(self.dir).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        if !names.any(|name| name.starts_with("new-")) {
            return false;
        }
        let deed = self.deeds.borrow_mut().pop_front();
        deed.is_some_and(|deed| deed())
    }
}

/// The files with data.
fn tiers(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".mdb")).collect();
    names.sort_unstable();
    names
}

#[test]
fn blocks_come_and_go_while_the_kept_ones_are_copied() {
    let blocks = TestChain::with_blocks(75, 20);
    let mut other = TestChain::after(&blocks[..16], 76);
    other.extend(12);
    let other = other.blocks();
    let temp = temp();
    let (store, dir) = (&temp.store, temp.dir.path());
    store.append(&blocks).unwrap();
    let append = |from: usize, to: usize| store.append(&other[from..to]).unwrap();
    let deeds: [Box<dyn Fn() -> bool>; 4] = [
        Box::new(|| false),
        // The kept blocks are copied; now some of them go, and others come.
        Box::new(|| {
            store.unwind_to(Some(15)).unwrap();
            append(16, 24);
            false
        }),
        Box::new(|| {
            append(24, 27);
            false
        }),
        Box::new(|| {
            append(27, 28);
            false
        }),
    ];
    let mut meanwhile = Meanwhile { dir, deeds: RefCell::new(deeds.into()) };
    let done = store.compact(6, &mut meanwhile).unwrap();
    assert_eq!(done, Compaction::Done(blocks[13].id));
    assert!(meanwhile.deeds.borrow().is_empty(), "nothing was done meanwhile");
    assert_shows(&*store.view().unwrap(), other);
    let clean = crate::common::temp();
    clean.append(other).unwrap();
    assert_eq!(compact(&clean, 14), Compaction::Done(blocks[13].id));
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());
}

#[test]
fn what_ends_while_the_kept_ones_are_copied_leaves_nothing() {
    let blocks = TestChain::with_blocks(77, 20);
    let temp = temp();
    let (store, dir) = (&temp.store, temp.dir.path());
    store.append(&blocks).unwrap();
    store.compact(12, &mut ()).unwrap();
    let (digest, names) = (store.digest().unwrap(), tiers(dir));
    let compact = |deed: Box<dyn Fn() -> bool>| {
        let deeds =
            RefCell::new(VecDeque::from([Box::new(|| false) as Box<dyn Fn() -> bool>, deed]));
        store.compact(4, &mut Meanwhile { dir, deeds }).unwrap()
    };
    assert_eq!(compact(Box::new(|| true)), Compaction::Stopped);
    assert_eq!((store.digest().unwrap(), tiers(dir)), (digest, names.clone()));
    let unwind = || {
        store.unwind_to(Some(11)).unwrap();
        false
    };
    assert_eq!(compact(Box::new(unwind)), Compaction::ChainChanged);
    assert_eq!(tiers(dir), names);
    assert_shows(&*store.view().unwrap(), &blocks[..12]);
}

/// A crash can leave any of the files of a switch.
#[test]
fn what_a_crash_leaves_over_is_tidied_up() {
    let blocks = TestChain::with_blocks(74, 12);
    let temp = temp();
    temp.append(&blocks).unwrap();
    compact(&temp, 4);
    let dir = temp.dir.path();
    drop(temp.store);
    for name in ["base-3.mdb", "new-9.mdb", "new-9.mdb-lock"] {
        std::fs::write(dir.join(name), "left over").unwrap();
    }
    std::fs::create_dir_all(dir.join("build")).unwrap();
    std::fs::write(dir.join("build/base.mdb"), "half a base").unwrap();
    let store = open(dir);
    assert_shows(&*store.view().unwrap(), &blocks);
    assert!(!dir.join("base-3.mdb").exists() && !dir.join("new-9.mdb").exists());
    assert!(matches!(compact(&store, 0), Compaction::Done(_)));
    assert_shows(&*store.view().unwrap(), &blocks);
}
