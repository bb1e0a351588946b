//! Sizes.

use std::fs;
use std::path::Path;

use electrumx_core::StoreError;
use heed::{AnyTls, RoTxn};

use crate::directory::tip_file;
use crate::failure::backend;
use crate::store::LmdbStore;
use crate::tables::Table;
use crate::view::LmdbView;

/// A part of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tier {
    /// The immutable part.
    Base,
    /// What is above it.
    Tip,
}

/// Size of one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableStats {
    /// Where the table is.
    pub tier: Tier,
    /// Name of the table.
    pub name: &'static str,
    /// Its rows.
    pub entries: usize,
    /// Bytes of its pages, slack included.
    pub bytes: usize,
}

impl LmdbStore {
    /// Returns the length of the database files in bytes.
    ///
    /// The tip tier's file shrinks only when it is folded into a base; pages that are free are used
    /// again.
    ///
    /// # Errors
    /// When a file cannot be seen.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        let (base, tip) = self.tier_bytes()?;
        Ok(base + tip)
    }

    /// Returns the lengths of the files of base and tip in bytes.
    ///
    /// # Errors
    /// When a file cannot be seen.
    pub fn tier_bytes(&self) -> Result<(u64, u64), StoreError> {
        let shared = self.shared();
        let bytes = |path: &Path| {
            let found = fs::metadata(path);
            let found = found.map_err(|error| backend("see the size of a file")(error.into()))?;
            Ok(found.len())
        };
        let base = shared.base.as_ref().map_or(Ok(0), |base| bytes(&base.path))?;
        Ok((base, bytes(&tip_file(&shared.dir))?))
    }

    /// Returns the sizes of the tables.
    ///
    /// # Errors
    /// When the storage engine fails.
    pub fn stats(&self) -> Result<Vec<TableStats>, StoreError> {
        let shared = self.shared();
        let view = LmdbView::open(&shared)?;
        let of = |tier, table: Table, txn: &RoTxn<'_, AnyTls>| {
            let stat = table.db.stat(txn).map_err(backend("read"))?;
            let (entries, bytes) = (stat.entries, stat.non_free_page_size());
            Ok(TableStats { tier, name: table.name, entries, bytes })
        };
        let mut stats = Vec::new();
        if let Some((base, txn)) = view.base_tier() {
            for table in base.tables.all() {
                stats.push(of(Tier::Base, table, txn)?);
            }
        }
        for table in shared.tables.all() {
            stats.push(of(Tier::Tip, table, view.txn())?);
        }
        Ok(stats)
    }
}
