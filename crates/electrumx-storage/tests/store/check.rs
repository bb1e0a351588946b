//! What a check finds, and what it counts.

use std::collections::HashMap;
use std::path::Path;

use electrumx_core::Store as _;
use electrumx_core::bitcoin::{Block, OutPoint};
use electrumx_core::processor::{BulkProgress, Observer};
use electrumx_storage::{CheckReport, LmdbStore, first_sync};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, EnvFlags, EnvOpenOptions};
use tempfile::TempDir;

use crate::blocks::{Node, chain, coin, deltas};
use crate::bulk::tight;
use crate::common::{identity, options};

/// Number and sum of what the blocks leave unspent.
fn unspent(blocks: &[Block]) -> (u64, u64) {
    let mut utxos = HashMap::new();
    for tx in blocks.iter().skip(1).flat_map(|block| &block.txdata) {
        for input in &tx.input {
            utxos.remove(&input.previous_output);
        }
        let txid = tx.compute_txid();
        for (vout, output) in (0..).zip(&tx.output) {
            if !output.script_pubkey.is_op_return() {
                utxos.insert(OutPoint { txid, vout }, output.value.to_sat());
            }
        }
    }
    (utxos.len() as u64, utxos.values().sum())
}

fn check(store: &LmdbStore) -> CheckReport {
    store.check(&coin(), &mut ()).unwrap()
}

/// A store with blocks in both tiers.
fn store_of(blocks: &[Block], base: u32) -> (TempDir, LmdbStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(dir.path(), &identity(), options()).unwrap();
    first_sync(&store, &coin(), &mut Node::new(blocks), base, &tight(), &mut ()).unwrap();
    store.append(&deltas(blocks, options().hashx_key.unwrap())[base as usize + 1..]).unwrap();
    (dir, store)
}

#[test]
fn a_sound_index_is_sound_and_its_utxos_are_the_blocks_own() {
    for seed in 80..84 {
        let blocks = chain(seed, 60);
        for base in [1, 30, 60] {
            let (_dir, store) = store_of(&blocks, base);
            let report = check(&store);
            assert!(report.is_sound(), "{report:?}");
            assert_eq!((report.utxos, report.amount), unspent(&blocks));
            assert_eq!(report.tip.unwrap().height, 60);
            store.compact(7, &mut ()).unwrap();
            assert_eq!(CheckReport { ..check(&store) }, report);
        }
    }
}

/// Changes a row in the middle of a table, or removes it.
#[expect(unsafe_code, reason = "heed opens memory maps; the store is closed")]
fn damage(file: &Path, table: &str, new: Option<&[u8]>) {
    let mut env = EnvOpenOptions::new();
    env.map_size(1 << 30).max_dbs(16);
    // SAFETY: nobody else has the file open.
    let env = unsafe { env.flags(EnvFlags::NO_SUB_DIR).open(file) }.unwrap();
    let opened = env.open_databases_and_commit(env.read_txn().unwrap(), |opener, txn| {
        let db: Option<Database<'_, Bytes, Bytes>> = opener.open_database(txn, Some(table))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(db))
    });
    let db = opened.unwrap().unwrap_commit().unwrap();
    let txn = env.read_txn().unwrap();
    let rows = db.len(&txn).unwrap();
    let (key, value) =
        db.iter(&txn).unwrap().nth(usize::try_from(rows / 2).unwrap()).unwrap().unwrap();
    let (key, mut value) = (key.to_vec(), value.to_vec());
    drop(txn);
    let mut txn = env.write_txn().unwrap();
    db.delete(&mut txn, &key).unwrap();
    if let Some(new) = new {
        let place = value.len() / 2;
        value.splice(place..value.len().min(place + new.len()), new.iter().copied());
        db.put(&mut txn, &key, &value).unwrap();
    }
    txn.commit().unwrap();
}

#[test]
fn damage_of_any_table_is_found() {
    let blocks = chain(85, 60);
    let base = ["headers", "blocks", "txids", "positions", "txid_buckets", "scripts", "utxos"];
    let tip =
        ["headers", "txids", "positions", "txid_index", "scripts", "outputs", "spends", "inputs"];
    let tables = base.iter().map(|table| ("base-40.mdb", table));
    for (file, table) in tables.chain(tip.iter().map(|table| ("tip.mdb", table))) {
        for new in [None, Some(&[0x5a, 0xa5, 0x11, 0x77][..])] {
            let (dir, store) = store_of(&blocks, 40);
            drop(store);
            damage(&dir.path().join(file), table, new);
            // What reading at opening finds is found, too.
            let Ok(store) = LmdbStore::open(dir.path(), &identity(), options()) else { continue };
            if *table == "positions" && new.is_some() || *table == "txid_index" && new.is_some() {
                continue; // Sizes may be anything; and this table has no values.
            }
            let report = check(&store);
            assert!(!report.is_sound(), "{file} {table} {new:?}");
            assert!(!report.descriptions.is_empty());
        }
    }
}

struct Stop;

impl Observer for Stop {
    fn should_stop(&self) -> bool {
        true
    }

    fn bulk(&mut self, _: &BulkProgress) {}
}

#[test]
fn a_check_that_was_stopped_says_so() {
    let (_dir, store) = store_of(&chain(86, 20), 10);
    let report = store.check(&coin(), &mut Stop).unwrap();
    assert!(report.stopped && !report.is_sound());
}
