//! Everything the database holds, for tests that compare stores byte for byte.

use electrumx_core::StoreError;
use electrumx_core::bitcoin::hashes::{Hash as _, HashEngine as _, sha256};

use crate::failure::backend;
use crate::store::LmdbStore;
use crate::tables::Row;
use crate::view::LmdbView;

/// A table's name and its rows.
#[doc(hidden)]
pub type TableDump = (&'static str, Vec<(Vec<u8>, Vec<u8>)>);

impl LmdbStore {
    /// Returns all rows of all tables.
    ///
    /// # Errors
    /// When the storage engine fails.
    #[doc(hidden)]
    pub fn dump(&self) -> Result<Vec<TableDump>, StoreError> {
        let mut tables: Vec<TableDump> = Vec::new();
        self.each_row(|table, (key, value)| match tables.last_mut() {
            Some((name, rows)) if *name == table => rows.push((key.into(), value.into())),
            _ => tables.push((table, vec![(key.into(), value.into())])),
        })?;
        Ok(tables)
    }

    /// Returns a SHA-256 over all rows of all tables.
    ///
    /// Equal for equal blocks if the stores were created with the same
    /// [`Options::hashx_key`](crate::Options::hashx_key), whatever happened to them in between. It reads
    /// the whole database.
    ///
    /// # Errors
    /// When the storage engine fails.
    pub fn digest(&self) -> Result<[u8; 32], StoreError> {
        let mut engine = sha256::Hash::engine();
        self.each_row(|table, (key, value)| {
            for part in [table.as_bytes(), key, value] {
                engine.input(&(part.len() as u64).to_be_bytes());
                engine.input(part);
            }
        })?;
        Ok(sha256::Hash::from_engine(engine).to_byte_array())
    }

    fn each_row(&self, mut visit: impl FnMut(&'static str, Row<'_>)) -> Result<(), StoreError> {
        let shared = self.shared();
        let view = LmdbView::open(&shared)?;
        for table in shared.tables.all() {
            for row in table.iter(view.txn())? {
                visit(table.name, row.map_err(backend("read"))?);
            }
        }
        if let Some((base, txn)) = view.base_tier() {
            for table in base.tables.all() {
                for row in table.iter(txn)? {
                    visit(table.name, row.map_err(backend("read"))?);
                }
            }
        }
        Ok(())
    }
}
