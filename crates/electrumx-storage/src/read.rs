//! Queries of the tip tier that views and the undo share.

use std::ops::Range;

use electrumx_core::{OutputNum, OutputRow, StoreError};
use heed::{AnyTls, RoTxn};

use crate::codec::{self, Key, tx_key};
use crate::tables::Tables;

type Txn<'a> = RoTxn<'a, AnyTls>;

/// Visits the outputs of consecutive transactions.
pub(crate) fn each_output(
    txn: &Txn<'_>,
    tables: &Tables,
    numbers: Range<u64>,
    mut visit: impl FnMut(OutputNum, OutputRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let table = tables.outputs;
    for row in table.range(txn, &tx_key(numbers.start), &tx_key(numbers.end))? {
        let (key, value) = row?;
        let decoded = codec::output(key).zip(codec::output_row(value));
        let (output, row) = decoded.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?;
        visit(output, row)?;
    }
    Ok(())
}

/// Reads the outputs of consecutive transactions.
pub(crate) fn outputs(
    txn: &Txn<'_>,
    tables: &Tables,
    numbers: Range<u64>,
) -> Result<Vec<(OutputNum, OutputRow)>, StoreError> {
    let mut found = Vec::new();
    each_output(txn, tables, numbers, |output, row| {
        found.push((output, row));
        Ok(())
    })?;
    Ok(found)
}

/// Reads rows of `inputs` from one key to another.
pub(crate) fn inputs(
    txn: &Txn<'_>,
    tables: &Tables,
    start: Key,
    end: Key,
) -> Result<Vec<OutputNum>, StoreError> {
    let table = tables.inputs;
    let mut found = Vec::new();
    for row in table.range(txn, &start, &end)? {
        let (key, mut value) = row?;
        while !value.is_empty() {
            let output = codec::take_output(&mut value);
            found.push(output.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?);
        }
    }
    Ok(found)
}
