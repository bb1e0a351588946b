//! Closing, reopening, and what outlives what.

use std::time::Duration;

use electrumx_core::conformance::{TestChain, assert_shows};
use electrumx_core::{ChainView, Index as _, Store as _};
use electrumx_storage::{LmdbStore, OpenError};

use crate::common::{Temp, identity, open, options, temp};

#[test]
fn what_was_appended_is_there_after_reopening() {
    let (dir, blocks) = (tempfile::tempdir().unwrap(), TestChain::with_blocks(80, 30));
    let mut key = None;
    for batch in blocks.chunks(4) {
        let store = open(dir.path());
        assert!(*key.get_or_insert(store.hashx_key()) == store.hashx_key());
        store.append(batch).unwrap();
        assert!(store.close(Duration::ZERO));
    }
    assert_shows(&*open(dir.path()).view().unwrap(), &blocks);
}

#[test]
fn a_view_outlives_its_store_and_keeps_the_directory_locked() {
    let (Temp { store, dir }, blocks) = (temp(), TestChain::with_blocks(81, 5));
    store.append(&blocks).unwrap();
    let view = store.view().unwrap();
    assert!(!store.close(Duration::from_millis(10)));
    assert_shows(&*view, &blocks);
    let refused = LmdbStore::open(dir.path(), &identity(), options());
    assert!(matches!(refused, Err(OpenError::Locked { .. })));
    drop(view);
    assert_shows(&*open(dir.path()).view().unwrap(), &blocks);
}

#[test]
fn close_waits_for_views() {
    let store = temp();
    let view = store.view().unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        drop(view);
    });
    assert!(store.store.close(Duration::from_secs(60)));
}

#[test]
fn views_can_be_sent_and_are_many() {
    fn assert_send<T: Send>(_: &T) {}
    let store = temp();
    let views: Vec<Box<dyn ChainView>> = (0..1000).map(|_| store.view().unwrap()).collect();
    assert_send(&views);
}

#[test]
fn a_malformed_block_is_refused() {
    let (store, blocks) = (temp(), TestChain::with_blocks(82, 8));
    store.append(&blocks[..6]).unwrap();
    let mut bad = vec![blocks[6].clone(); 4];
    bad[0].positions.push(blocks[0].positions[0]);
    bad[1].outputs.extend(&blocks[1].outputs);
    bad[2].spends.push(electrumx_core::Spend {
        output: electrumx_core::OutputNum { tx_num: electrumx_core::TxNum(u64::MAX), vout: 0 },
        by: blocks[6].first_tx_num,
    });
    bad[3].outputs.reverse();
    bad[3]
        .outputs
        .push((electrumx_core::OutputNum::clone(&blocks[0].outputs[0].0), blocks[0].outputs[0].1));
    for block in bad {
        store.append(&[block]).unwrap_err();
    }
    store.append(&blocks[6..]).unwrap();
    assert_shows(&*store.view().unwrap(), &blocks);
}

#[test]
fn sizes_are_told() {
    let (store, blocks) = (temp(), TestChain::with_blocks(83, 9));
    store.append(&blocks).unwrap();
    let stats = store.stats().unwrap();
    let entries = |name| stats.iter().find(|table| table.name == name).unwrap().entries;
    assert_eq!((entries("headers"), entries("blocks"), entries("counts")), (9, 9, 1));
    assert_eq!(entries("outputs"), blocks.iter().map(|block| block.outputs.len()).sum::<usize>());
    let bytes: usize = stats.iter().map(|table| table.bytes).sum();
    assert!(store.disk_bytes().unwrap() >= bytes as u64);
}
