//! Appending to a base.

use electrumx_core::StoreError;
use heed::RwTxn;

use super::file::BuildFile;
use super::rows::Rows;
use crate::failure::Failure;
use crate::tables::Table;

/// Bytes appended in one transaction: its pages are in memory until it is committed.
const COMMIT: usize = 48 << 20;

/// Appends rows in transactions of bounded size. What is not committed when it is dropped is lost.
pub(crate) struct Appender<'a> {
    file: &'a BuildFile,
    txn: Option<RwTxn<'a>>,
    bytes: usize,
}

impl<'a> Appender<'a> {
    pub(crate) fn new(file: &'a BuildFile) -> Self {
        Self { file, txn: None, bytes: 0 }
    }

    /// Runs a change within the transaction and counts the bytes it says it has written.
    pub(crate) fn change(
        &mut self,
        change: impl FnOnce(&mut RwTxn<'a>) -> Result<usize, Failure>,
    ) -> Result<(), StoreError> {
        let begin = |file: &'a BuildFile| file.env.write_txn();
        let changed = match &mut self.txn {
            Some(txn) => change(txn),
            None => {
                begin(self.file).map_err(Failure::from).and_then(|txn| change(self.txn.insert(txn)))
            }
        };
        self.bytes += changed.map_err(|failure| self.explain(failure))?;
        Ok(())
    }

    /// Appends rows in key order.
    pub(crate) fn append(&mut self, table: Table, rows: &Rows) -> Result<(), StoreError> {
        for (key, value) in rows.iter() {
            self.change(|txn| {
                table.append(txn, *key, value)?;
                Ok(key.len() + value.len())
            })?;
        }
        Ok(())
    }

    /// Tells whether it is time to commit.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= COMMIT
    }

    /// Commits, durably.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let Some(txn) = self.txn.take() else { return Ok(()) };
        txn.commit().map_err(|error| self.explain(error.into()))
    }

    fn explain(&mut self, failure: Failure) -> StoreError {
        self.txn = None;
        failure.clarified(&self.file.path).into_store_error("write the base", &self.file.dir)
    }
}
