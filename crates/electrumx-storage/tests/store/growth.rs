//! A memory map that gets full.

use std::thread;
use std::time::Duration;

use electrumx_core::conformance::{TestChain, assert_shows};
use electrumx_core::{Index as _, Store as _, StoreError};
use electrumx_storage::{LmdbStore, Options};

use crate::common::{identity, options, temp, temp_with};

fn tiny() -> Options {
    Options { map_size_bytes: 1, patience: Duration::from_millis(200), ..options() }
}

#[test]
fn a_full_map_grows() {
    let (store, clean, blocks) = (temp_with(tiny()), temp(), TestChain::with_blocks(70, 60));
    for batch in blocks.chunks(7) {
        store.append(batch).unwrap();
    }
    clean.append(&blocks).unwrap();
    assert!(store.disk_bytes().unwrap() > 2 << 20, "the map has not been doubled twice");
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());
    store.unwind_to(Some(30)).unwrap();
    assert_shows(&*store.view().unwrap(), &blocks[..31]);
}

#[test]
fn a_store_larger_than_its_map_opens() {
    let (store, blocks) = (temp_with(tiny()), TestChain::with_blocks(71, 60));
    store.append(&blocks[..50]).unwrap();
    let crate::common::Temp { store, dir } = store;
    drop(store);
    let store = LmdbStore::open(dir.path(), &identity(), tiny()).unwrap();
    store.append(&blocks[50..]).unwrap();
    assert_shows(&*store.view().unwrap(), &blocks);
}

#[test]
fn growth_waits_for_views() {
    let patient = Options { patience: Duration::from_secs(60), ..tiny() };
    let (store, blocks) = (temp_with(patient), TestChain::with_blocks(72, 60));
    store.append(&blocks[..1]).unwrap();
    let (view, shown) = (store.view().unwrap(), &blocks[..1]);
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(50));
            assert_shows(&*view, shown);
        });
        store.append(&blocks[1..]).unwrap();
    });
    assert_shows(&*store.view().unwrap(), &blocks);
}

#[test]
fn a_view_that_stays_makes_the_write_fail_and_nothing_else() {
    let (store, blocks) = (temp_with(tiny()), TestChain::with_blocks(73, 60));
    store.append(&blocks[..1]).unwrap();
    let view = store.view().unwrap();
    let refused = store.append(&blocks[1..]).unwrap_err();
    assert!(matches!(refused, StoreError::Backend { .. }), "{refused:?}");
    assert_shows(&*view, &blocks[..1]);
    assert_shows(&*store.view().unwrap(), &blocks[..1]);
    drop(view);
    store.append(&blocks[1..]).unwrap();
    assert_shows(&*store.view().unwrap(), &blocks);
}
