//! Sizes.

use std::fs;

use electrumx_core::StoreError;

use crate::directory::tip_file;
use crate::failure::backend;
use crate::store::LmdbStore;
use crate::view::LmdbView;

/// Size of one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableStats {
    /// Name of the table.
    pub name: &'static str,
    /// Its rows.
    pub entries: usize,
    /// Bytes of its pages, slack included.
    pub bytes: usize,
}

impl LmdbStore {
    /// Returns the length of the database file in bytes.
    ///
    /// The file never shrinks; pages that are free are used again.
    ///
    /// # Errors
    /// When the file cannot be seen.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        let found = fs::metadata(tip_file(&self.shared.dir));
        Ok(found.map_err(|error| backend("see the size of the database")(error.into()))?.len())
    }

    /// Returns the sizes of the tables.
    ///
    /// # Errors
    /// When the storage engine fails.
    pub fn stats(&self) -> Result<Vec<TableStats>, StoreError> {
        let view = LmdbView::open(&self.shared)?;
        let stats = self.shared.tables.all().map(|table| {
            let stat = table.db.stat(view.txn()).map_err(backend("read"))?;
            let (entries, bytes) = (stat.entries, stat.non_free_page_size());
            Ok(TableStats { name: table.name, entries, bytes })
        });
        stats.into_iter().collect()
    }
}
