//! Openings of databases that this version would not write.

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::bitcoin::hashes::Hash as _;

use super::*;

fn identity() -> Identity {
    Identity { coin: "Coin".into(), net: "net".into(), genesis: BlockHash::all_zeros() }
}

fn open_in(dir: &Path) -> Result<Shared, OpenError> {
    open(dir, &identity(), &Options::default())
}

/// Opens a database after its `meta` table was changed.
fn open_changed(change: impl FnOnce(&Tables, &mut heed::RwTxn<'_>)) -> OpenError {
    let dir = tempfile::tempdir().unwrap();
    let shared = open_in(dir.path()).unwrap();
    let mut txn = shared.env.write_txn().unwrap();
    change(&shared.tables, &mut txn);
    txn.commit().unwrap();
    drop(shared);
    open_in(dir.path()).unwrap_err()
}

#[test]
fn a_newer_schema_is_refused_whatever_else_is_there() {
    let error = open_changed(|tables, txn| {
        tables.meta.db.put(txn, b"schema", &7_u32.to_be_bytes()).unwrap();
        tables.meta.db.delete(txn, b"coin").unwrap();
    });
    assert!(matches!(error, OpenError::NewerSchema { found: 7, supported: 2, .. }), "{error}");
    assert!(error.to_string().contains("has schema 7, newer than 2"), "{error}");
}

#[test]
fn an_older_schema_is_refused() {
    let error = open_changed(|tables, txn| {
        tables.meta.db.put(txn, b"schema", &0_u32.to_be_bytes()).unwrap();
    });
    assert!(matches!(error, OpenError::OlderSchema { found: 0, supported: 2, .. }), "{error}");
}

#[test]
fn malformed_meta_rows_are_damage() {
    for name in ["schema", "coin", "net", "genesis", "hashx_key", "txid_prefix"] {
        for bytes in [None, Some(&[0xff; 3][..])] {
            let error = open_changed(|tables, txn| {
                tables.meta.db.delete(txn, name.as_bytes()).unwrap();
                if let Some(bytes) = bytes {
                    tables.meta.db.put(txn, name.as_bytes(), bytes).unwrap();
                }
            });
            assert!(
                matches!(&error, OpenError::Damaged { what, .. } if what.contains(name)),
                "{error}"
            );
        }
    }
}

#[test]
fn a_missing_table_is_damage() {
    let error = open_changed(|tables, txn| tables.meta.db.clear(txn).unwrap());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn tables_that_end_at_different_blocks_are_damage() {
    for table in ["headers", "blocks", "counts", "txids"] {
        let error = open_changed(|tables, txn| {
            let table = tables.all().into_iter().find(|other| other.name == table).unwrap();
            table.db.put(txn, &[0, 0, 0, 0], &[0, 0, 0, 0, 1]).unwrap();
        });
        assert!(matches!(error, OpenError::Damaged { .. }), "{table}: {error}");
    }
}

#[test]
fn another_programs_lmdb_file_is_foreign() {
    let dir = tempfile::tempdir().unwrap();
    let env = env::open(&tip_file(dir.path()), 1 << 20, 8).unwrap();
    tables::create(&env, ["theirs"], |_, _| Ok(())).unwrap();
    drop(env);
    let error = open_in(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_database_that_was_killed_at_birth_is_created_again() {
    for leftover in [&[][..], &[0; 100], &[0xff; 20_000]] {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["LOCK", "new-0.mdb", "new-7.mdb", "new-7.mdb-lock", "tip.mdb-lock", "base-3.mdb"]
        {
            std::fs::write(dir.path().join(name), leftover).unwrap();
        }
        drop(open_in(dir.path()).unwrap());
        for name in ["new-7.mdb", "new-7.mdb-lock", "base-3.mdb"] {
            assert!(!dir.path().join(name).exists(), "{name}");
        }
        open_in(dir.path()).unwrap();
    }
}

#[test]
fn a_secret_is_drawn_once() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = |dir: &tempfile::TempDir| open_in(dir.path()).unwrap().meta.hashx_key;
    let first = key(&one);
    assert!(first == key(&one));
    assert!(first != key(&two));
}
