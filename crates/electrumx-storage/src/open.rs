//! Opening: from a directory to everything a store needs.

use std::io;
use std::path::Path;

use electrumx_core::{BlockId, StoreError, TxNum};
use heed::types::Bytes;
use heed::{AnyTls, CommitOrAbort, Database, MdbError, RoTxn};

use crate::chain::Chain;
use crate::codec::{take_tx_num, u32_key};
use crate::create::create;
use crate::dir_lock::DirLock;
use crate::directory::{self, tip_file};
use crate::env::{self, Env};
use crate::fixed_rows::place;
use crate::identity::Identity;
use crate::meta::Meta;
use crate::open_error::OpenError;
use crate::options::Options;
use crate::published::Published;
use crate::read;
use crate::room::is_no_room;
use crate::shared::Shared;
use crate::tables::{COUNTS_A_ROW, TXIDS_A_ROW, Tables};

#[cfg(test)]
mod tests;

type Handle<'a> = Database<'a, Bytes, Bytes>;

/// Smallest map in bytes; the empty tables take 60 kB.
const MIN_MAP: usize = 1 << 20;

/// Sizes of maps are multiples of this; the largest page size there is.
const MAP_STEP: usize = 1 << 16;

pub(crate) fn open(
    dir: &Path,
    identity: &Identity,
    options: &Options,
) -> Result<Shared, OpenError> {
    directory::prepare(dir)?;
    let lock = DirLock::acquire(dir)?;
    let path = tip_file(dir);
    if !path.exists() {
        create(dir, identity, options)?;
    }
    let env = open_env(dir, &path, options)?;
    let engine = |action| move |error| engine_error(dir, action, error);
    // Slots of readers that were killed would pin old pages for ever.
    env.clear_stale_readers().map_err(engine("clear stale readers of"))?;

    let txn = env.read_txn().map_err(engine("read"))?;
    let meta = env.open_databases_and_commit(txn, |opener, txn| {
        let meta: Option<Handle<'_>> = opener.open_database(txn, Some(Tables::NAMES[0]))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(meta))
    });
    let Some(meta) = meta.map_err(engine("read"))?.unwrap_commit() else {
        let found = "its tip.mdb is an LMDB file of another program".into();
        return Err(OpenError::Foreign { dir: dir.into(), found });
    };
    let txn = env.read_txn().map_err(engine("read"))?;
    let meta = Meta::check(&txn, meta, dir, identity)?;
    drop(txn);
    let tables = open_tables(&env, dir)?;
    let txn = env.read_txn().map_err(engine("read"))?;
    let chain = load_chain(&txn, &tables).map_err(|error| store_error(dir, error))?;
    let published = Published::new(txn.id(), chain);
    drop(txn);
    let (dir, patience) = (dir.into(), options.patience);
    Ok(Shared { env, tables, meta, published, dir, patience, lock })
}

pub(crate) fn open_env(dir: &Path, path: &Path, options: &Options) -> Result<Env, OpenError> {
    let bytes = options.map_size_bytes.max(MIN_MAP).div_ceil(MAP_STEP).saturating_mul(MAP_STEP);
    env::open(path, bytes, options.max_views).map_err(|error| match error {
        heed::Error::Io(source) if source.kind() == io::ErrorKind::OutOfMemory => {
            OpenError::Map { bytes, source }
        }
        error if is_no_room(&error) => OpenError::Full { dir: dir.into() },
        heed::Error::Io(source) => OpenError::Access { action: "open", path: path.into(), source },
        heed::Error::Mdb(MdbError::Invalid | MdbError::VersionMismatch) => {
            OpenError::Foreign { dir: dir.into(), found: "its tip.mdb is not an LMDB file".into() }
        }
        error => engine_error(dir, "open", error),
    })
}

fn open_tables(env: &Env, dir: &Path) -> Result<Tables, OpenError> {
    let engine = |error| engine_error(dir, "read", error);
    let txn = env.read_txn().map_err(engine)?;
    let handles = env.open_databases_and_commit(txn, |opener, txn| {
        let handles = Tables::NAMES.map(|name| opener.open_database(txn, Some(name)));
        all(handles).map(CommitOrAbort::<_, ()>::Commit)
    });
    let handles = handles.map_err(engine)?.unwrap_commit();
    let missing = || OpenError::Damaged { dir: dir.into(), what: "a table is missing".into() };
    Ok(Tables::new(all(handles.map(|handle| handle.ok_or_else(missing)))?))
}

/// Returns all values or the first error.
pub(crate) fn all<T, E, const N: usize>(results: [Result<T, E>; N]) -> Result<[T; N], E> {
    let mut first_error = None;
    let values = results.map(|result| {
        let keep = |error| {
            first_error.get_or_insert(error);
        };
        result.map_err(keep).ok()
    });
    match first_error {
        Some(error) => Err(error),
        None => Ok(values.map(|value| value.expect("no result is an error"))),
    }
}

/// Reads the cumulative counts, and checks that the tables end at the same block.
fn load_chain(txn: &RoTxn<'_, AnyTls>, tables: &Tables) -> Result<Chain, StoreError> {
    let mut ends: Vec<u64> = Vec::new();
    let table = tables.counts;
    for (index, row) in (0..).zip(table.range(txn, &u32_key(0), &u32_key(u32::MAX))?) {
        let (key, mut bytes) = row?;
        if *key != *u32_key(index) || !ends.len().is_multiple_of(COUNTS_A_ROW) {
            return Err(table.corrupt(format!("row {key:02x?} is out of place")));
        }
        while !bytes.is_empty() {
            let end = take_tx_num(&mut bytes).map(|TxNum(end)| end);
            let end = end.filter(|end| ends.last().is_none_or(|last| last <= end));
            ends.push(end.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?);
        }
    }
    let last =
        u32::try_from(ends.len()).map_err(|_| table.corrupt("too many blocks"))?.checked_sub(1);
    for table in [tables.blocks, tables.headers] {
        let found = table.last(txn)?.map(|(key, _)| key);
        if found != last.map(u32_key).as_deref() {
            return Err(table.corrupt(format!("it ends at {found:02x?}, counts at {last:?}")));
        }
    }
    let count = ends.last().copied().unwrap_or(0);
    let (row, place) = place(tables.txids, TXIDS_A_ROW, count)?;
    let want = match place {
        0 => row.checked_sub(1).map(|row| (row, TXIDS_A_ROW * 32)),
        place => Some((row, place * 32)),
    };
    let found = tables.txids.last(txn)?.map(|(key, value)| (key, value.len()));
    if found != want.map(|(row, len)| (u32_key(row), len)).as_ref().map(|(key, len)| (&**key, *len))
    {
        return Err(tables.txids.corrupt(format!("it does not end at {count} transactions")));
    }
    let Some(height) = last else { return Ok(Chain::default()) };
    let tip = BlockId { height, hash: read::block_hash(txn, tables, height)? };
    Ok(Chain::default().extended(ends, tip))
}

pub(crate) fn engine_error(dir: &Path, action: &'static str, error: heed::Error) -> OpenError {
    if is_no_room(&error) {
        return OpenError::Full { dir: dir.into() };
    }
    OpenError::Engine { action, dir: dir.into(), source: Box::new(error) }
}

fn store_error(dir: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Corrupt { table, what } => {
            OpenError::Damaged { dir: dir.into(), what: format!("table {table}: {what}") }
        }
        error => OpenError::Engine { action: "read", dir: dir.into(), source: Box::new(error) },
    }
}
