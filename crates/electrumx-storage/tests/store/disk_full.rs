//! No room on the disk, as a limit on the size of files: it works without privileges, and the engine
//! takes the same path.

use electrumx_core::conformance::{TestChain, assert_shows};
use electrumx_core::processor::ProcessError;
use electrumx_core::{Index as _, Store as _, StoreError};
use electrumx_storage::{BulkOptions, Compaction, LmdbStore, OpenError, first_sync};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::blocks::{Node, chain, coin, deltas};
use crate::bulk::tight;
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

    limit_files(None);
    store.append(&blocks[20..]).unwrap();
    assert_shows(&*store.view().unwrap(), &blocks);
    clean.append(&blocks).unwrap();
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());
}

#[test]
fn a_full_disk_stops_a_first_sync_and_a_compaction_which_go_on_when_there_is_room() {
    assert_passes("disk_full::bulk_with_little_room");
}

#[test]
#[ignore = "run by a_full_disk_stops_a_first_sync_and_a_compaction_which_go_on_when_there_is_room"]
fn bulk_with_little_room() {
    let blocks = chain(62, 120);
    let all = deltas(&blocks, options().hashx_key.unwrap());
    let options = BulkOptions { checkpoint_bytes: 400_000, ..tight() };
    let run = |store: &LmdbStore| {
        first_sync(store, &coin(), &mut Node::new(&blocks), 100, &options, &mut ())
    };
    // What a run without limits writes to its largest file; each limit ends in another phase.
    let (store, clean) = (open(&child_dir()), temp());
    run(&clean).unwrap();
    let most = clean.disk_bytes().unwrap();
    let mut refusals = 0;
    for part in 1..9 {
        limit_files(Some(most * part / 9));
        match run(&store) {
            Err(ProcessError::Store(error @ StoreError::Full { .. })) => {
                refusals += 1;
                assert!(!error.is_fatal());
                assert_eq!(store.view().unwrap().tip(), None);
            }
            Ok(_) => break,
            Err(error) => panic!("{error:?} with {part}/9 of the room"),
        }
    }
    assert!(refusals > 2, "only {refusals}");
    limit_files(None);
    run(&store).unwrap();
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());

    store.append(&all[101..]).unwrap();
    let (base, _) = store.tier_bytes().unwrap();
    for part in [1, 4, 9] {
        limit_files(Some(base * part / 10));
        let refused = store.compact(5, &mut ()).unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
        assert_shows(&*store.view().unwrap(), &all);
    }
    limit_files(None);
    assert!(matches!(store.compact(5, &mut ()).unwrap(), Compaction::Done(_)));
    assert_shows(&*store.view().unwrap(), &all);
}
