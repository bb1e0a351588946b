//! Removing blocks of the tip tier: truncation, guided by `inputs`.

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::{BlockId, OutputNum, StoreError};
use heed::{AnyTls, RoTxn, RwTxn};

use crate::chain::Chain;
use crate::chain_rows;
use crate::codec::{Key, output_key, part_key, script_key, tx_key, txid_key};
use crate::failure::Failure;
use crate::read::{inputs, outputs};
use crate::shared::Shared;
use crate::tables::{Table, Tables};

/// Returns the tip of the chain cut to `len` blocks, which the tip tier has or follows.
pub(crate) fn tip_at(
    txn: &RoTxn<'_, AnyTls>,
    shared: &Shared,
    len: u32,
) -> Result<Option<BlockId>, StoreError> {
    let Some(height) = len.checked_sub(1) else { return Ok(None) };
    match &shared.base {
        Some(base) if base.tip.height == height => Ok(Some(base.tip)),
        _ => {
            let hash = chain_rows::block_hash(txn, &shared.tables.chain, height)?;
            Ok(Some(BlockId { height, hash }))
        }
    }
}

/// Removes all rows of the blocks from height `len` on, which is below the chain's end and not below the
/// base's.
pub(crate) fn unwind(
    txn: &mut RwTxn<'_>,
    shared: &Shared,
    chain: &Chain,
    len: u32,
) -> Result<(), Failure> {
    let (tables, origin) = (&shared.tables, shared.origin());
    if len == origin.blocks {
        return clear(txn, tables);
    }
    let corrupt = || tables.chain.counts.corrupt("fewer blocks than the tip says");
    let first_tx = chain.txs_below(len as usize).ok_or_else(corrupt)?;
    let numbers = first_tx..chain.tx_count();

    let mut spent: Vec<OutputNum> = inputs(txn, tables, part_key(len, 0), part_key(u32::MAX, 0))?;
    spent.sort_unstable();
    let spends = spent.iter().map(|output| output_key(*output));
    remove_sorted(txn, tables.spends, spends)?;

    let paid = outputs(txn, tables, numbers.clone())?;
    let mut scripts: Vec<_> =
        paid.iter().map(|(output, row)| script_key(&row.hashx, *output)).collect();
    if let Some(base) = &shared.base {
        let reader = base.txn()?;
        for output in spent.iter().filter(|output| output.tx_num.0 < origin.txs) {
            let row = base.utxo(&reader, *output)?;
            let row = row.ok_or_else(|| base.tables.utxos.corrupt(format!("no {output:?}")))?;
            scripts.push(script_key(&row.hashx, *output));
        }
    }
    scripts.sort_unstable();
    remove_sorted(txn, tables.scripts, scripts.into_iter())?;

    let mut txids = Vec::new();
    chain_rows::txids(txn, &tables.chain, origin, numbers.clone(), &mut txids)?;
    let mut named: Vec<_> = txids.into_iter().zip(numbers).collect();
    named.sort_unstable_by_key(|(txid, number)| (txid.to_byte_array(), *number));
    let prefix_len = shared.meta.prefix_len;
    let prefixes =
        named.iter().map(|(txid, number)| txid_key(&txid.as_byte_array()[..prefix_len], *number));
    remove_sorted(txn, tables.txid_index, prefixes)?;

    chain_rows::truncate(txn, &tables.chain, origin, len, first_tx)?;
    tables.outputs.truncate(txn, tx_key(first_tx))?;
    tables.inputs.truncate(txn, part_key(len, 0))?;
    Ok(())
}

/// Removes all blocks: the same result without reading what is removed.
fn clear(txn: &mut RwTxn<'_>, tables: &Tables) -> Result<(), Failure> {
    for table in tables.all().iter().filter(|table| table.name != tables.meta.name) {
        table.db.clear(txn)?;
    }
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
