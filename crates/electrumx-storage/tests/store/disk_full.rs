//! No room on the disk, as a limit on the size of files: it works without privileges, and the engine
//! takes the same path.

use electrumx_core::conformance::{TestChain, assert_shows};
use electrumx_core::{Index as _, Store as _, StoreError};
use electrumx_storage::{LmdbStore, OpenError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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
