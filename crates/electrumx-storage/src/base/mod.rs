//! The base tier: everything up to a height, written once in key order and never changed.
//!
//! Numbers and heights in it begin at 0; it is read beside the tip tier, whose numbers go on where these
//! end. See `docs/schema.md` for its bytes and ADR 0009 for the reasons.

mod amount;
mod facts;
mod query;
mod scripts;
mod tables;
mod txids;
mod utxos;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use electrumx_core::{BlockId, StoreError};
use heed::{RoTxn, WithoutTls};

pub(crate) use self::facts::BaseFacts;
pub(crate) use self::query::ScriptCursor;
pub(crate) use self::scripts::{PageWriter, ScriptEntry, Widths, number_width};
pub(crate) use self::tables::BaseTables;
pub(crate) use self::txids::Buckets;
pub(crate) use self::utxos::UtxoWriter;
use crate::chain::Chain;
use crate::chain_rows;
use crate::env::{self, Env};
use crate::failure::backend;
use crate::meta::Meta;
use crate::tables::{Origin, open as tables_of};

/// A transaction on a base.
pub(crate) type BaseTxn = RoTxn<'static, WithoutTls>;

/// An open base.
#[derive(Debug)]
pub(crate) struct Base {
    env: Env,
    pub(crate) tables: BaseTables,
    pub(crate) tip: BlockId,
    pub(crate) chain: Chain,
    pub(crate) buckets: Buckets,
    /// Entries of `scripts`.
    pub(crate) outputs: u64,
    pub(crate) path: PathBuf,
}

impl Base {
    /// Opens a complete base, which must belong to the tip tier with this `meta` and end at `tip`.
    pub(crate) fn open(path: &Path, meta: &Meta, tip: BlockId) -> Result<Arc<Self>, StoreError> {
        let env = env::open_immutable(path).map_err(backend("open the base"))?;
        let tables = open_tables(&env)?;
        let txn = env.read_txn().map_err(backend("read the base"))?;
        let found = Meta::hashx_key_of(&txn, tables.meta)?;
        if found != Some(meta.hashx_key) {
            return Err(tables.meta.corrupt("the base is of another database"));
        }
        let facts = BaseFacts::read(&txn, &tables)?;
        let facts = facts.ok_or_else(|| tables.meta.corrupt("the base is not complete"))?;
        let chain = chain_rows::load(&txn, &tables.chain, Origin::default(), &Chain::default())?;
        if facts.tip != tip || chain.tip() != Some(tip) {
            return Err(tables
                .meta
                .corrupt(format!("the base ends at {} and not {tip}", facts.tip)));
        }
        drop(txn);
        let buckets = Buckets::new(facts.bucket_bits, facts.number_width, meta.prefix_len);
        let (path, outputs) = (path.to_owned(), facts.outputs);
        Ok(Arc::new(Self { env, tables, tip, chain, buckets, outputs, path }))
    }

    /// Begins to read.
    pub(crate) fn txn(&self) -> Result<BaseTxn, StoreError> {
        self.env.clone().static_read_txn().map_err(backend("open a snapshot of the base"))
    }

    /// Where the tip tier above it begins.
    pub(crate) fn end(&self) -> Origin {
        Origin { blocks: self.tip.height.saturating_add(1), txs: self.chain.tx_count() }
    }
}

/// Opens the tables of a base that exists.
pub(crate) fn open_tables(env: &Env) -> Result<BaseTables, StoreError> {
    let opened =
        tables_of(env, BaseTables::NAMES).map_err(backend("open the tables of the base"))?;
    let missing = || StoreError::Corrupt { table: "meta", what: "the base lacks a table".into() };
    Ok(BaseTables::new(opened.ok_or_else(missing)?))
}
