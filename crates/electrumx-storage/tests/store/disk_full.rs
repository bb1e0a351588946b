//! No room on the disk, as a limit on the size of files: it works without privileges, and the engine
//! takes the same path.

use std::ffi::OsString;
use std::path::Path;

use electrumx_core::bitcoin::Block;
use electrumx_core::conformance::{TestChain, assert_shows};
use electrumx_core::processor::{BulkPhase, BulkProgress, Observer, ProcessError, Progress};
use electrumx_core::{Index as _, Store as _, StoreError};
use electrumx_storage::{BulkOptions, Compaction, FirstSync, LmdbStore, OpenError, first_sync};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::blocks::{Node, coin, deltas, plain_chain};
use crate::bulk::spilling;
use crate::common::{child, child_dir, identity, open, options, temp};

fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

fn assert_passes(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = child(test, dir.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[test]
fn a_store_is_not_created_on_a_full_disk_but_once_there_is_room() {
    assert_passes("disk_full::creation_with_little_room");
}

#[test]
#[ignore = "run by a_store_is_not_created_on_a_full_disk_but_once_there_is_room"]
fn creation_with_little_room() {
    for room in [0, 100, 5000, 10_000, 30_000] {
        limit_files(Some(room));
        let dir = child_dir().join(room.to_string());
        let refused = LmdbStore::open(&dir, &identity(), options()).unwrap_err();
        assert!(matches!(refused, OpenError::Full { .. }), "{refused:?} with {room} bytes");
        limit_files(None);
        open(&dir).append(&TestChain::with_blocks(61, 2)).unwrap();
    }
}

#[test]
fn a_full_disk_changes_nothing_and_writing_goes_on_when_there_is_room() {
    assert_passes("disk_full::with_little_room");
}

#[test]
#[ignore = "run by a_full_disk_changes_nothing_and_writing_goes_on_when_there_is_room"]
fn with_little_room() {
    let (store, clean) = (open(&child_dir()), temp());
    let blocks = TestChain::with_blocks(60, 60);
    store.append(&blocks[..20]).unwrap();
    let before = store.digest().unwrap();

    // More room each time: a write ends at its beginning or in its middle.
    let used = store.disk_bytes().unwrap();
    for room in [0, 1, 4096, 5000, 64 << 10, 200 << 10] {
        limit_files(Some(used + room));
        let refused = store.append(&blocks[20..]).unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
        assert!(!refused.is_fatal());
        assert_eq!(store.digest().unwrap(), before);
        assert_shows(&*store.view().unwrap(), &blocks[..20]);
    }
    limit_files(Some(1));
    assert!(matches!(store.unwind_to(Some(9)), Err(StoreError::Full { .. })));
    assert_eq!(store.digest().unwrap(), before);

    limit_files(None);
    store.append(&blocks[20..]).unwrap();
    assert_shows(&*store.view().unwrap(), &blocks);
    clean.append(&blocks).unwrap();
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());
}

/// A phase of a first sync; none while blocks are read.
type Phase = Option<BulkPhase>;

/// Fills the disk when a phase begins, or when so many blocks were read, and notes what happens.
struct FullIn {
    phase: Phase,
    now: Phase,
    blocks: usize,
}

/// Blocks that are read before the disk is full.
const READ: usize = 30;

impl FullIn {
    fn new(phase: Phase) -> Self {
        Self { phase, now: None, blocks: 0 }
    }
}

impl Observer for FullIn {
    fn advanced(&mut self, _: &Progress) {
        self.blocks += 1;
        if self.phase.is_none() && self.blocks == READ {
            limit_files(Some(1));
        }
    }

    fn bulk(&mut self, progress: &BulkProgress) {
        self.now = Some(progress.phase);
        if self.phase == self.now {
            limit_files(Some(1));
        }
    }
}

const BLOCKS: usize = 60;
const BASE_BLOCKS: u32 = 45;

/// A first sync that spills, joins, and makes checkpoints.
fn sync(
    store: &LmdbStore,
    blocks: &[Block],
    observer: &mut impl Observer,
) -> Result<FirstSync, ProcessError> {
    let options = BulkOptions { checkpoint_bytes: 300_000, ..spilling() };
    first_sync(store, &coin(), &mut Node::new(blocks), BASE_BLOCKS, &options, observer)
}

fn is_full<T>(result: Result<T, ProcessError>) -> bool {
    match result {
        Err(ProcessError::Store(error @ StoreError::Full { .. })) => !error.is_fatal(),
        _ => false,
    }
}

#[test]
fn a_disk_that_is_full_in_any_phase_of_a_first_sync_only_stops_it() {
    assert_passes("disk_full::full_in_each_phase_of_a_first_sync");
}

#[test]
#[ignore = "run by a_disk_that_is_full_in_any_phase_of_a_first_sync_only_stops_it"]
fn full_in_each_phase_of_a_first_sync() {
    use BulkPhase::{Join, Scripts, Switch, Txids, Utxos};
    let (blocks, clean) = (plain_chain(62, BLOCKS), temp());
    sync(&clean, &blocks, &mut ()).unwrap();
    let wanted = clean.digest().unwrap();
    for phase in [None, Some(Join), Some(Scripts), Some(Utxos), Some(Txids), Some(Switch)] {
        let store = open(&child_dir().join(format!("{phase:?}")));
        let mut observer = FullIn::new(phase);
        let refused = sync(&store, &blocks, &mut observer);
        assert!(is_full(refused) && observer.now == phase, "{:?}, not {phase:?}", observer.now);
        assert_eq!(store.view().unwrap().tip(), None);
        // It is refused as long as there is no room, and nothing that was done is lost by trying.
        for _ in 0..2 {
            assert!(is_full(sync(&store, &blocks, &mut ())), "{phase:?}");
        }
        limit_files(None);
        let mut observer = FullIn::new(Some(BulkPhase::Blocks));
        sync(&store, &blocks, &mut observer).unwrap();
        let left = if phase.is_none() { BASE_BLOCKS as usize - 1 } else { 0 };
        assert!(observer.blocks <= left, "{phase:?}: {} blocks read again", observer.blocks);
        assert_eq!(store.digest().unwrap(), wanted, "{phase:?}");
    }
}

#[test]
fn a_first_sync_goes_on_each_time_there_is_some_more_room() {
    assert_passes("disk_full::a_little_more_room_each_time");
}

#[test]
#[ignore = "run by a_first_sync_goes_on_each_time_there_is_some_more_room"]
fn a_little_more_room_each_time() {
    let (blocks, store, clean) = (plain_chain(62, BLOCKS), open(&child_dir()), temp());
    sync(&clean, &blocks, &mut ()).unwrap();
    // What a run without limits writes to its largest file; each limit ends in another place.
    let most = clean.disk_bytes().unwrap();
    let mut refusals = 0;
    for part in 1..9 {
        limit_files(Some(most * part / 9));
        match sync(&store, &blocks, &mut ()) {
            Ok(_) => break,
            refused => assert!(is_full(refused), "{part}/9 of the room"),
        }
        assert_eq!(store.view().unwrap().tip(), None);
        refusals += 1;
    }
    assert!(refusals > 2, "only {refusals}");
    limit_files(None);
    sync(&store, &blocks, &mut ()).unwrap();
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());
}

#[test]
fn a_disk_that_is_full_in_any_phase_of_a_compaction_only_stops_it() {
    assert_passes("disk_full::full_in_each_phase_of_a_compaction");
}

#[test]
#[ignore = "run by a_disk_that_is_full_in_any_phase_of_a_compaction_only_stops_it"]
fn full_in_each_phase_of_a_compaction() {
    use BulkPhase::{Blocks, Scripts, Switch, Txids, Utxos};
    let blocks = plain_chain(62, BLOCKS);
    let all = deltas(&blocks, options().hashx_key.unwrap());
    let (store, clean) = (open(&child_dir()), temp());
    for store in [&store, &clean.store] {
        sync(store, &blocks, &mut ()).unwrap();
        store.append(&all[BASE_BLOCKS as usize + 1..]).unwrap();
    }
    assert!(matches!(clean.compact(5, &mut ()).unwrap(), Compaction::Done(_)));
    let (before, there) = (store.digest().unwrap(), files(&child_dir()));
    for phase in [Blocks, Scripts, Utxos, Txids, Switch] {
        let mut observer = FullIn::new(Some(phase));
        let refused = store.compact(5, &mut observer).unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }) && !refused.is_fatal(), "{refused:?}");
        assert_eq!(observer.now, Some(phase));
        assert_eq!(store.digest().unwrap(), before, "{phase:?}");
        assert_eq!(files(&child_dir()), there, "{phase:?}");
        assert_shows(&*store.view().unwrap(), &all);
        // The tip goes on as soon as there is room.
        limit_files(None);
        store.unwind_to(Some(58)).unwrap();
        store.append(&all[59..]).unwrap();
    }
    let (base, _) = store.tier_bytes().unwrap();
    for part in [1, 4, 9] {
        limit_files(Some(base * part / 10));
        let refused = store.compact(5, &mut ()).unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
        assert_eq!(store.digest().unwrap(), before);
    }
    limit_files(None);
    assert!(matches!(store.compact(5, &mut ()).unwrap(), Compaction::Done(_)));
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());
    assert_shows(&*store.view().unwrap(), &all);
}

/// The names of the files in a folder, in order; the folder of builds must be empty if it is there.
fn files(dir: &Path) -> Vec<OsString> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.filter(|name| name != "build").collect();
    names.sort_unstable();
    assert!(
        std::fs::read_dir(dir.join("build")).is_ok_and(|mut build| build.next().is_none())
            || !dir.join("build").exists()
    );
    names
}
