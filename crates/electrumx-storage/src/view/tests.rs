//! Views of damaged tables: errors, never panics.

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::conformance::TestChain;
use electrumx_core::{BlockDelta, Index as _, Store as _};

use super::*;
use crate::{Identity, LmdbStore, Options};

/// Bytes that no encoder writes, and some that it might.
const GARBAGE: [&[u8]; 6] = [&[], &[0x80], &[0xff; 11], &[0; 4], &[0xfd, 0, 0, 0, 0], &[0xff; 64]];

fn store_of(blocks: &[BlockDelta]) -> (tempfile::TempDir, LmdbStore) {
    let dir = tempfile::tempdir().unwrap();
    let identity =
        Identity { coin: "Coin".into(), net: "net".into(), genesis: BlockHash::all_zeros() };
    let store = LmdbStore::open(dir.path(), &identity, Options::default()).unwrap();
    store.append(blocks).unwrap();
    (dir, store)
}

/// Calls every method with what the blocks hold; returns how many calls failed, all as `Corrupt`.
fn count_failures(store: &LmdbStore, blocks: &[BlockDelta]) -> usize {
    let view = store.view().unwrap();
    let mut failures = 0;
    let mut note = |result: Result<(), StoreError>| match result {
        Ok(()) => {}
        Err(StoreError::Corrupt { .. }) => failures += 1,
        Err(error) => panic!("{error}"),
    };
    note(view.txids(0..u64::MAX).map(drop));
    note(view.outputs(0..u64::MAX).map(drop));
    note(view.headers(0, 9, &mut vec![], &mut vec![]).map(drop));
    for block in blocks {
        note(view.block_hash(block.id.height).map(drop));
        note(view.block_spends(block.id.height).map(drop));
        for (number, txid) in (block.first_tx_num.0..).map(TxNum).zip(&block.txids) {
            note(view.txid(number).map(drop));
            note(view.tx_num(txid).map(drop));
            note(view.tx_position(number).map(drop));
        }
        for (output, row) in &block.outputs {
            note(view.output(*output).map(drop));
            note(view.output_state(&row.hashx, *output).map(drop));
            note(view.script_outputs(&row.hashx, 99).map(drop));
        }
    }
    failures
}

#[test]
fn damaged_rows_are_reported() {
    let mut chain = TestChain::new(40);
    for txs in [2, 3, 130, 4] {
        chain.block(txs);
    }
    let blocks = chain.blocks();
    let mut failures = std::collections::BTreeMap::new();
    let (_dir, store) = store_of(blocks);
    let shared = &store.shared();
    for table in shared.tables.all().into_iter().skip(1) {
        for garbage in GARBAGE {
            let mut txn = shared.env.write_txn().unwrap();
            let keys: Vec<Vec<u8>> =
                table.db.iter(&txn).unwrap().map(|row| row.unwrap().0.into()).collect();
            let saved: Vec<_> = keys
                .iter()
                .map(|key| (key.clone(), table.db.get(&txn, key).unwrap().unwrap().to_vec()))
                .collect();
            for key in keys.iter().step_by(1 + keys.len() / 40) {
                table.db.put(&mut txn, key, garbage).unwrap();
            }
            commit(&store, txn);
            *failures.entry(table.name).or_insert(0) += count_failures(&store, blocks);

            // The undo meets the same rows; whether or not it fails, the tables are put right after it.
            for len in [2, 0] {
                let mut txn = shared.env.write_txn().unwrap();
                let chain = shared.published.chain();
                drop(crate::unwind::unwind(&mut txn, shared, &chain, len));
            }
            let mut txn = shared.env.write_txn().unwrap();
            for (key, value) in saved {
                table.db.put(&mut txn, &key, &value).unwrap();
            }
            commit(&store, txn);
            assert_eq!(count_failures(&store, blocks), 0, "{} restored", table.name);
        }
    }
    // `counts` is read at opening only, headers may hold anything, and the index has no values.
    failures.retain(|_, count| *count == 0);
    assert_eq!(failures.into_keys().collect::<Vec<_>>(), ["counts", "headers", "txid_index"]);
}

/// Commits behind the store's back, but with a chain for views to find.
fn commit(store: &LmdbStore, txn: heed::RwTxn<'_>) {
    let shared = store.shared();
    let published = &shared.published;
    published.announce(txn.id(), published.chain());
    txn.commit().unwrap();
    published.conclude(true);
}

#[test]
fn snapshots_are_used_again_until_the_next_commit() {
    let blocks = TestChain::with_blocks(42, 4);
    let (_dir, store) = store_of(&blocks[..3]);
    let idle = || store.shared().published.idle();
    drop((store.view().unwrap(), store.view().unwrap()));
    assert_eq!(idle(), 2);
    // Views at one time never share one.
    let old = [store.view().unwrap(), store.view().unwrap(), store.view().unwrap()];
    assert_eq!(idle(), 0);
    store.append(&blocks[3..]).unwrap();
    let new = store.view().unwrap();
    assert_eq!(new.tip(), Some(blocks[3].id));
    assert_eq!(old.each_ref().map(|view| view.tip()), [Some(blocks[2].id); 3]);
    drop(old);
    assert_eq!(idle(), 0, "what a view shows of an older commit is not for the next");
    drop(new);
    assert_eq!(idle(), 1);
    store.unwind_to(Some(2)).unwrap();
    assert_eq!(store.view().unwrap().tip(), Some(blocks[2].id));
}

#[test]
fn missing_rows_are_reported() {
    let blocks = TestChain::with_blocks(41, 6);
    for index in 1..11 {
        let (_dir, store) = store_of(&blocks);
        let shared = store.shared();
        let table = shared.tables.all()[index];
        let mut txn = shared.env.write_txn().unwrap();
        table.db.clear(&mut txn).unwrap();
        commit(&store, txn);
        let failures = count_failures(&store, &blocks);
        let silent = ["counts", "txid_index", "scripts", "outputs", "spends", "inputs"];
        assert_eq!(failures == 0, silent.contains(&table.name), "{}: {failures}", table.name);
    }
}
