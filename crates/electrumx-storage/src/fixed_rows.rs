//! Tables of fixed-width items, many to a row.

use electrumx_core::StoreError;
use heed::{AnyTls, RoTxn, RwTxn};

use crate::codec::u32_key;
use crate::failure::Failure;
use crate::tables::Table;

/// Extends a table whose row `n` holds the items from `n × per_row` on; only the last row is partial.
pub(crate) struct FixedRows<const WIDTH: usize> {
    table: Table,
    row: u32,
    row_bytes: usize,
    bytes: Vec<u8>,
    /// Whether the row in `bytes` is stored already, partially filled.
    stored: bool,
}

impl<const WIDTH: usize> FixedRows<WIDTH> {
    /// Prepares to add items behind the `len` that there are.
    pub(crate) fn open(
        txn: &RoTxn<'_, AnyTls>,
        table: Table,
        per_row: usize,
        len: u64,
    ) -> Result<Self, StoreError> {
        let (row, filled) = place(table, per_row, len)?;
        let mut bytes = Vec::with_capacity(per_row * WIDTH);
        if filled > 0 {
            let partial = table.require(txn, &u32_key(row))?;
            if partial.len() != filled * WIDTH {
                return Err(table.corrupt(format!("row {row} has {} bytes", partial.len())));
            }
            bytes.extend_from_slice(partial);
        }
        Ok(Self { table, row, row_bytes: per_row * WIDTH, bytes, stored: filled > 0 })
    }

    pub(crate) fn push(&mut self, txn: &mut RwTxn<'_>, item: &[u8; WIDTH]) -> Result<(), Failure> {
        self.bytes.extend_from_slice(item);
        if self.bytes.len() == self.row_bytes {
            self.write(txn)?;
            let next = self.row.checked_add(1);
            self.row = next.ok_or_else(|| self.table.corrupt("too many rows"))?;
            self.bytes.clear();
            self.stored = false;
        }
        Ok(())
    }

    pub(crate) fn finish(self, txn: &mut RwTxn<'_>) -> Result<(), Failure> {
        if self.bytes.is_empty() { Ok(()) } else { self.write(txn) }
    }

    fn write(&self, txn: &mut RwTxn<'_>) -> Result<(), Failure> {
        let key = u32_key(self.row);
        if self.stored {
            self.table.put(txn, key, &self.bytes)?;
        } else {
            self.table.append(txn, key, &self.bytes)?;
        }
        Ok(())
    }

    /// Cuts the table to `len` items.
    pub(crate) fn truncate(
        txn: &mut RwTxn<'_>,
        table: Table,
        per_row: usize,
        len: u64,
    ) -> Result<(), Failure> {
        let (row, filled) = place(table, per_row, len)?;
        let rest = match filled {
            0 => None,
            filled => {
                let bytes = table.require(txn, &u32_key(row))?;
                let rest = bytes.get(..filled * WIDTH);
                Some(rest.ok_or_else(|| table.corrupt(format!("row {row} is short")))?.to_vec())
            }
        };
        table.truncate(txn, u32_key(row))?;
        if let Some(rest) = rest {
            table.append(txn, u32_key(row), &rest)?;
        }
        Ok(())
    }
}

/// Returns row and place in it of an item.
pub(crate) fn place(table: Table, per_row: usize, item: u64) -> Result<(u32, usize), StoreError> {
    let per_row = per_row as u64;
    let row = u32::try_from(item / per_row).map_err(|_| table.corrupt("too many rows"))?;
    let place = usize::try_from(item % per_row).map_err(|_| table.corrupt("too many items"))?;
    Ok((row, place))
}
