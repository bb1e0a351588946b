//! Removing blocks: truncation, guided by `inputs`.

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::{BlockId, OutputNum, StoreError, TxNum};
use heed::{AnyTls, RoTxn, RwTxn};

use crate::chain::Chain;
use crate::codec::{Key, output_key, part_key, script_key, tx_key, txid_key, u32_key};
use crate::failure::Failure;
use crate::fixed_rows::FixedRows;
use crate::read::{block_hash, inputs, outputs, txids};
use crate::tables::{COUNTS_A_ROW, TXIDS_A_ROW, Table, Tables};

/// Returns the tip of the chain cut to `len` blocks.
pub(crate) fn tip_at(
    txn: &RoTxn<'_, AnyTls>,
    tables: &Tables,
    len: u32,
) -> Result<Option<BlockId>, StoreError> {
    let Some(height) = len.checked_sub(1) else { return Ok(None) };
    Ok(Some(BlockId { height, hash: block_hash(txn, tables, height)? }))
}

/// Removes all rows of the blocks from height `len` on, which is below the chain's end.
pub(crate) fn unwind(
    txn: &mut RwTxn<'_>,
    tables: &Tables,
    prefix_len: usize,
    chain: &Chain,
    len: u32,
) -> Result<(), Failure> {
    if len == 0 {
        // The same result without reading what is removed.
        for table in tables.all().iter().filter(|table| table.name != tables.meta.name) {
            table.db.clear(txn)?;
        }
        return Ok(());
    }
    let corrupt = || tables.counts.corrupt("fewer blocks than the tip says");
    let first_tx = chain.txs_below(len as usize).ok_or_else(corrupt)?;
    let numbers = first_tx..chain.tx_count();

    let mut spent: Vec<OutputNum> = inputs(txn, tables, part_key(len, 0), part_key(u32::MAX, 0))?;
    spent.sort_unstable();
    let spends = spent.iter().map(|output| output_key(*output));
    remove_sorted(txn, tables.spends, spends)?;

    let mut paid = outputs(txn, tables, numbers.clone())?;
    paid.sort_unstable_by_key(|(output, row)| (row.hashx, *output));
    let scripts = paid.iter().map(|(output, row)| script_key(&row.hashx, *output));
    remove_sorted(txn, tables.scripts, scripts)?;

    let mut named: Vec<_> = txids(txn, tables, numbers.clone())?.into_iter().zip(numbers).collect();
    named.sort_unstable_by_key(|(txid, number)| (txid.to_byte_array(), *number));
    let prefixes =
        named.iter().map(|(txid, number)| txid_key(&txid.as_byte_array()[..prefix_len], *number));
    remove_sorted(txn, tables.txid_index, prefixes)?;

    tables.headers.truncate(txn, u32_key(len))?;
    tables.blocks.truncate(txn, u32_key(len))?;
    FixedRows::<{ TxNum::LEN }>::truncate(txn, tables.counts, COUNTS_A_ROW, len.into())?;
    FixedRows::<32>::truncate(txn, tables.txids, TXIDS_A_ROW, first_tx)?;
    tables.positions.truncate(txn, tx_key(first_tx))?;
    tables.outputs.truncate(txn, tx_key(first_tx))?;
    tables.inputs.truncate(txn, part_key(len, 0))?;
    Ok(())
}

fn remove_sorted(
    txn: &mut RwTxn<'_>,
    table: Table,
    keys: impl Iterator<Item = Key>,
) -> Result<(), Failure> {
    for key in keys {
        table.remove(txn, key)?;
    }
    Ok(())
}
