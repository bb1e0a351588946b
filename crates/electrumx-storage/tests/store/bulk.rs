//! The first sync makes the same index as the block processor does, however its memory is cut and
//! whenever it is interrupted.

use electrumx_core::conformance::assert_shows;
use electrumx_core::processor::{BulkPhase, BulkProgress, Observer, Progress};
use electrumx_core::{BlockDelta, Height, Index as _, Store as _};
use electrumx_storage::{BulkOptions, FirstSync, LmdbStore, Tier, first_sync};
use proptest::prelude::*;

use crate::blocks::{Node, chain, coin, deltas, plain_chain};
use crate::common::{open, options, temp, temp_with};

/// Options that make a small chain meet everything a large one does.
pub(crate) fn tight() -> BulkOptions {
    BulkOptions {
        budget_bytes: 0,
        threads: Some(3),
        chain_bytes: Some(0),
        batch_bytes: Some(10_000),
        // Room for all, and no more.
        table_bytes: Some(3 << 20),
        ..BulkOptions::default()
    }
}

/// The same with room for only a few hundred unspent outputs: most are spilled and joined.
pub(crate) fn spilling() -> BulkOptions {
    BulkOptions { table_bytes: Some(0), ..tight() }
}

fn sync(store: &LmdbStore, node: &Node, target: Height, options: &BulkOptions) {
    let done = first_sync(store, &coin(), &mut node.clone(), target, options, &mut ()).unwrap();
    assert!(matches!(done, FirstSync::Done(tip) if tip.height == target), "{done:?}");
}

/// Appends what is above the base.
fn append_rest(store: &LmdbStore, blocks: &[BlockDelta]) {
    let next = store.view().unwrap().tip().map_or(0, |tip| tip.height as usize + 1);
    for batch in blocks[next..].chunks(3) {
        store.append(batch).unwrap();
    }
}

#[test]
fn base_and_tip_answer_as_the_tip_alone() {
    for seed in 0..4 {
        let blocks = chain(seed, 60);
        let (node, all) = (Node::new(&blocks), deltas(&blocks, options().hashx_key.unwrap()));
        for target in [0, 1, 30, node.height()] {
            let temp = temp();
            sync(&temp, &node, target, &tight());
            let in_base = &all[..=target as usize];
            assert_shows(&*temp.view().unwrap(), in_base);
            append_rest(&temp, &all);
            assert_shows(&*temp.view().unwrap(), &all);
            // Down to the base and up again.
            temp.unwind_to(Some(target)).unwrap();
            assert_shows(&*temp.view().unwrap(), in_base);
            append_rest(&temp, &all);
            let digest = temp.digest().unwrap();
            drop(temp.store);
            let again = open(temp.dir.path());
            assert_shows(&*again.view().unwrap(), &all);
            assert_eq!(again.digest().unwrap(), digest);
        }
    }
}

/// Notes whether there was a join.
#[derive(Default)]
struct Joined(bool);

impl Observer for Joined {
    fn bulk(&mut self, progress: &BulkProgress) {
        self.0 |= progress.phase == BulkPhase::Join;
    }
}

#[test]
fn what_memory_cannot_hold_is_joined() {
    let blocks = plain_chain(12, 60);
    let all = deltas(&blocks, options().hashx_key.unwrap());
    let (joined, in_memory) = (temp(), temp());
    for (store, options, wanted) in [(&joined, spilling(), true), (&in_memory, tight(), false)] {
        let mut observer = Joined::default();
        first_sync(store, &coin(), &mut Node::new(&blocks), 60, &options, &mut observer).unwrap();
        assert_eq!(observer.0, wanted);
        assert_shows(&*store.view().unwrap(), &all);
    }
    assert_eq!(joined.digest().unwrap(), in_memory.digest().unwrap());
}

#[test]
fn nothing_of_the_build_is_left() {
    let node = Node::new(&chain(5, 40));
    let temp = temp();
    sync(&temp, &node, 20, &tight());
    let mut names: Vec<_> = std::fs::read_dir(temp.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-lock"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["LOCK", "base-20.mdb", "build", "tip.mdb"]);
    assert_eq!(std::fs::read_dir(temp.dir.path().join("build")).unwrap().count(), 0);
    let stats = temp.stats().unwrap();
    let outputs = stats.iter().find(|table| table.tier == Tier::Base && table.name == "scripts");
    assert!(outputs.unwrap().entries > 0);
}

#[test]
fn colliding_txid_prefixes_are_told_apart() {
    let blocks = chain(6, 40);
    let all = deltas(&blocks, options().hashx_key.unwrap());
    let mut options = options();
    options.txid_prefix_len = 1;
    let temp = temp_with(options);
    sync(&temp, &Node::new(&blocks), 40, &tight());
    assert_shows(&*temp.view().unwrap(), &all);
}

#[test]
fn the_base_can_only_be_removed_whole() {
    let blocks = chain(7, 30);
    let all = deltas(&blocks, options().hashx_key.unwrap());
    let temp = temp();
    sync(&temp, &Node::new(&blocks), 20, &tight());
    append_rest(&temp, &all);
    let refused = temp.unwind_to(Some(19)).unwrap_err();
    assert!(refused.to_string().contains("cannot be undone"), "{refused}");
    assert_shows(&*temp.view().unwrap(), &all);
    let before = temp.view().unwrap();
    assert_eq!(temp.unwind_to(None).unwrap(), None);
    assert_shows(&*temp.view().unwrap(), &[]);
    assert_shows(&*before, &all);
    temp.append(&all).unwrap();
    assert_shows(&*temp.view().unwrap(), &all);
    drop(before);
    assert!(!temp.dir.path().join("base-20.mdb").exists());
}

/// Stops after so many of its calls.
struct StopAfter(u32);

impl StopAfter {
    fn count(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}

impl Observer for StopAfter {
    fn should_stop(&self) -> bool {
        self.0 == 0
    }

    fn advanced(&mut self, _: &Progress) {
        self.count();
    }

    fn bulk(&mut self, _: &BulkProgress) {
        self.count();
    }
}

#[test]
fn what_was_stopped_goes_on() {
    let blocks = chain(8, 80);
    let node = Node::new(&blocks);
    let all = deltas(&blocks, options().hashx_key.unwrap());
    let clean = temp();
    sync(&clean, &node, 80, &tight());
    let wanted = clean.digest().unwrap();
    let often = BulkOptions { checkpoint_bytes: 100_000, ..tight() };
    for step in [2, 30] {
        let temp = temp();
        let mut stops = 0;
        let done = loop {
            // Each run goes on longer than the one before.
            let mut observer = StopAfter(step << stops);
            let mut source = node.clone();
            match first_sync(&temp, &coin(), &mut source, 80, &often, &mut observer).unwrap() {
                FirstSync::Stopped => stops += 1,
                done => break done,
            }
            assert_eq!(temp.view().unwrap().tip(), None);
        };
        assert!(matches!(done, FirstSync::Done(_)));
        assert!(stops > 0, "{step}");
        assert_eq!(temp.digest().unwrap(), wanted, "{step}");
    }
    assert_shows(&*clean.view().unwrap(), &all);
}

#[test]
fn another_chain_is_begun_anew() {
    let (old, new) = (chain(9, 50), chain(10, 50));
    let temp = temp();
    let often = BulkOptions { checkpoint_bytes: 100_000, ..tight() };
    let stopped =
        first_sync(&temp, &coin(), &mut Node::new(&old), 50, &often, &mut StopAfter(52)).unwrap();
    assert_eq!(stopped, FirstSync::Stopped);
    sync(&temp, &Node::new(&new), 50, &often);
    assert_shows(&*temp.view().unwrap(), &deltas(&new, options().hashx_key.unwrap()));
}

#[test]
fn bad_blocks_are_refused_and_nothing_is_installed() {
    let mut blocks = chain(11, 30);
    // Spends an output that nobody made.
    let stray = blocks[29].txdata[0].clone();
    let mut tx = blocks[5].txdata[0].clone();
    tx.input[0].previous_output.txid = stray.compute_txid();
    tx.input[0].previous_output.vout = 77;
    blocks[30].txdata.push(tx);
    blocks[30].header.merkle_root = blocks[30].compute_merkle_root().unwrap();
    let temp = temp();
    let good = chain(11, 30);
    let run = |blocks: &[_]| {
        first_sync(&temp, &coin(), &mut Node::new(blocks), 30, &tight(), &mut ()).unwrap_err()
    };
    let error = run(&blocks);
    assert!(error.to_string().contains("1 outputs that are spent are in none of them"), "{error}");
    assert_eq!(temp.view().unwrap().tip(), None);

    blocks[30].header.merkle_root = blocks[29].header.merkle_root;
    std::fs::remove_dir_all(temp.dir.path().join("build")).unwrap();
    let error = run(&blocks);
    assert!(error.to_string().contains("bad block at height 30"), "{error}");
    let error = run(&good[1..]);
    assert!(error.to_string().contains("different chains"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn any_budget_gives_the_same_answers(
        seed in any::<u64>(),
        target in 0..50_u32,
        threads in 1..5_usize,
        table in 0..400_000_usize,
    ) {
        let blocks = chain(seed, 50);
        let all = deltas(&blocks, options().hashx_key.unwrap());
        let temp = temp();
        let options = BulkOptions {
            threads: Some(threads),
            table_bytes: Some(table),
            budget_bytes: table,
            ..BulkOptions::default()
        };
        sync(&temp, &Node::new(&blocks), target, &options);
        append_rest(&temp, &all);
        assert_shows(&*temp.view().unwrap(), &all);
    }
}
