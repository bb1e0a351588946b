//! The tables; `docs/schema.md` shows their bytes.
//!
//! | table | key | value | rows |
//! |---|---|---|---|
//! | `meta` | name | see [`meta`](crate::meta) | a few |
//! | `headers` | height | raw header | a block |
//! | `blocks` | height | hash | a block |
//! | `counts` | row | transactions up to each block's end, 5 bytes a block | 816 blocks |
//! | `txids` | row | txids, 32 bytes each | 127 transactions |
//! | `positions` | first `TxNum` | offset of the first, sizes of all | 256 transactions of a block |
//! | `txid_index` | txid prefix, `TxNum` | empty | a transaction |
//! | `scripts` | `HashX`, `TxNum`, `vout` | value | an output |
//! | `outputs` | `TxNum`, `vout` | `HashX`, value | an output |
//! | `spends` | `TxNum`, `vout` | spender's `TxNum` | a spent output |
//! | `inputs` | height, part | outpoints | up to 4,080 bytes of a block's inputs |
//!
//! All but `txid_index`, `scripts` and `spends` only grow at their end.

use std::ops::{Bound, Deref};

use electrumx_core::StoreError;
use heed::types::Bytes;
use heed::{AnyTls, CommitOrAbort, Database, PutFlags, RoIter, RoTxn, RwTxn};

use crate::codec::Key;
use crate::env::Env;
use crate::failure::backend;

/// Most bytes of a value that fits in one overflow page of LMDB.
pub(crate) const MAX_VALUE: usize = 4080;

/// Most bytes of a value of which four fit in one page of LMDB beside their keys: nothing is looked up to get from the key to it,
/// little is passed over to find something in it, and LMDB, which looks for the key above, mostly finds it in the same page.
pub(crate) const QUARTER_PAGE: usize = 980;

/// Transactions in a row of `txids`.
pub(crate) const TXIDS_A_ROW: usize = 127;

/// Blocks in a row of `counts`.
pub(crate) const COUNTS_A_ROW: usize = MAX_VALUE / 5;

/// Most transactions in a row of `positions`: at most 2,570 bytes, mostly below 600 and thus inline.
pub(crate) const POSITIONS_A_ROW: usize = 256;

/// A table's handle.
pub(crate) type Handle = Database<'static, Bytes, Bytes>;

/// A table: its name, for messages, and its handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) db: Handle,
}

/// The tables that both tiers have: what numbers mean. All grow at their end only.
///
/// A tier's rows are counted from its own first block and transaction: its [`Origin`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainTables {
    pub(crate) headers: Table,
    pub(crate) blocks: Table,
    pub(crate) counts: Table,
    pub(crate) txids: Table,
    pub(crate) positions: Table,
}

/// Where a tier begins: the number of blocks and transactions before it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Origin {
    pub(crate) blocks: u32,
    pub(crate) txs: u64,
}

/// All tables of the tip tier; each is named after its field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    pub(crate) meta: Table,
    pub(crate) chain: ChainTables,
    pub(crate) txid_index: Table,
    pub(crate) scripts: Table,
    pub(crate) outputs: Table,
    pub(crate) spends: Table,
    pub(crate) inputs: Table,
}

impl ChainTables {
    pub(crate) fn new([headers, blocks, counts, txids, positions]: [Table; 5]) -> Self {
        Self { headers, blocks, counts, txids, positions }
    }

    pub(crate) fn all(&self) -> [Table; 5] {
        [self.headers, self.blocks, self.counts, self.txids, self.positions]
    }
}

impl Tables {
    /// Names of the tables, `meta` first.
    pub(crate) const NAMES: [&'static str; 11] = [
        "meta",
        "headers",
        "blocks",
        "counts",
        "txids",
        "positions",
        "txid_index",
        "scripts",
        "outputs",
        "spends",
        "inputs",
    ];

    /// Takes tables in the order of [`NAMES`](Self::NAMES).
    pub(crate) fn new(tables: [Table; 11]) -> Self {
        let [meta, a, b, c, d, e, txid_index, scripts, outputs, spends, inputs] = tables;
        let chain = ChainTables::new([a, b, c, d, e]);
        Self { meta, chain, txid_index, scripts, outputs, spends, inputs }
    }

    /// Returns the tables in the order of [`NAMES`](Self::NAMES).
    pub(crate) fn all(&self) -> [Table; 11] {
        let [a, b, c, d, e] = self.chain.all();
        let Self { meta, txid_index, scripts, outputs, spends, inputs, .. } = *self;
        [meta, a, b, c, d, e, txid_index, scripts, outputs, spends, inputs]
    }
}

/// Opens the tables of these names; `None` if there are not all of them.
pub(crate) fn open<const N: usize>(
    env: &Env,
    names: [&'static str; N],
) -> heed::Result<Option<[Table; N]>> {
    let handles = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
        let handles = all(names.map(|name| opener.open_database(txn, Some(name))))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(handles))
    });
    let handles = handles?.unwrap_commit().map(|handle: Option<Handle>| handle.ok_or(()));
    Ok(all(handles).ok().map(|handles| named(names, handles)))
}

/// Creates the tables of these names in one transaction with what `fill` writes to the first.
pub(crate) fn create<const N: usize>(
    env: &Env,
    names: [&'static str; N],
    fill: impl FnOnce(&mut RwTxn<'_>, Database<'_, Bytes, Bytes>) -> heed::Result<()>,
) -> heed::Result<[Table; N]> {
    let handles = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
        let handles = all(names.map(|name| opener.create_database(txn, Some(name))))?;
        fill(txn, handles[0])?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(handles))
    });
    Ok(named(names, handles?.unwrap_commit()))
}

fn named<const N: usize>(names: [&'static str; N], handles: [Handle; N]) -> [Table; N] {
    let mut names = names.into_iter();
    handles.map(|db| Table { name: names.next().unwrap_or_default(), db })
}

/// Returns all values or the first error.
fn all<T, E, const N: usize>(results: [Result<T, E>; N]) -> Result<[T; N], E> {
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

/// A row as stored.
pub(crate) type Row<'txn> = (&'txn [u8], &'txn [u8]);

impl Table {
    pub(crate) fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { table: self.name, what: what.into() }
    }

    pub(crate) fn get<'txn>(
        &self,
        txn: &'txn RoTxn<'_, AnyTls>,
        key: &[u8],
    ) -> Result<Option<&'txn [u8]>, StoreError> {
        self.db.get(txn, key).map_err(backend("read"))
    }

    /// Reads a row that must exist.
    pub(crate) fn require<'txn>(
        &self,
        txn: &'txn RoTxn<'_, AnyTls>,
        key: &[u8],
    ) -> Result<&'txn [u8], StoreError> {
        self.get(txn, key)?.ok_or_else(|| self.corrupt(format!("no row {key:02x?}")))
    }

    pub(crate) fn last<'txn>(
        &self,
        txn: &'txn RoTxn<'_, AnyTls>,
    ) -> Result<Option<Row<'txn>>, StoreError> {
        self.db.last(txn).map_err(backend("read"))
    }

    /// Returns the last row whose key is at most `key`.
    pub(crate) fn floor<'txn>(
        &self,
        txn: &'txn RoTxn<'_, AnyTls>,
        key: &[u8],
    ) -> Result<Option<Row<'txn>>, StoreError> {
        self.db.get_lower_than_or_equal_to(txn, key).map_err(backend("read"))
    }

    /// Iterates over the rows from `start` on and before `end`.
    pub(crate) fn range<'txn>(
        &self,
        txn: &'txn RoTxn<'_, AnyTls>,
        start: &[u8],
        end: &[u8],
    ) -> Result<impl Iterator<Item = Result<Row<'txn>, StoreError>> + use<'txn>, StoreError> {
        let bounds = (Bound::Included(start), Bound::Excluded(end));
        let rows = (start < end).then(|| self.db.range(txn, &bounds));
        let rows = rows.transpose().map_err(backend("read"))?;
        Ok(rows.into_iter().flatten().map(|row| row.map_err(backend("read"))))
    }

    /// Iterates over all rows.
    pub(crate) fn iter<'txn>(
        &self,
        txn: &'txn RoTxn<'_, AnyTls>,
    ) -> Result<RoIter<'txn, Bytes, Bytes>, StoreError> {
        self.db.iter(txn).map_err(backend("read"))
    }

    pub(crate) fn put(&self, txn: &mut RwTxn<'_>, key: Key, value: &[u8]) -> heed::Result<()> {
        self.db.put(txn, &key, value)
    }

    /// Writes a row whose key is above all others: no search, and pages are filled to the brim.
    pub(crate) fn append(
        &self,
        txn: &mut RwTxn<'_>,
        key: impl Deref<Target = [u8]>,
        value: &[u8],
    ) -> heed::Result<()> {
        self.db.put_with_flags(txn, PutFlags::APPEND, &key, value)
    }

    /// Deletes a row that must exist.
    pub(crate) fn remove(
        &self,
        txn: &mut RwTxn<'_>,
        key: Key,
    ) -> Result<(), crate::failure::Failure> {
        if self.db.delete(txn, &key)? {
            return Ok(());
        }
        Err(self.corrupt(format!("no row {:02x?} to undo", &*key)).into())
    }

    /// Deletes all rows from `key` on.
    pub(crate) fn truncate(&self, txn: &mut RwTxn<'_>, key: Key) -> heed::Result<()> {
        let bounds = (Bound::Included(&*key), Bound::Unbounded);
        self.db.delete_range(txn, &bounds).map(|_| ())
    }
}
