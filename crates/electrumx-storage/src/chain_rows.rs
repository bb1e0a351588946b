//! Writing and reading the tables that say what numbers mean.

use std::ops::Range;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::{BlockDelta, Height, StoreError, TxNum, TxPosition};
use heed::{AnyTls, RoTxn, RwTxn};

use crate::chain::Chain;
use crate::codec::{self, push_varint, take_tx_num, tx_key, u32_key};
use crate::failure::Failure;
use crate::fixed_rows::{FixedRows, place};
use crate::read_ahead::Wanted;
use crate::tables::{COUNTS_A_ROW, ChainTables, Origin, POSITIONS_A_ROW, TXIDS_A_ROW};

type Txn<'a> = RoTxn<'a, AnyTls>;

/// Appends the rows of blocks that extend `chain`, table by table.
pub(crate) fn append(
    txn: &mut RwTxn<'_>,
    tables: &ChainTables,
    origin: Origin,
    chain: &Chain,
    blocks: &[BlockDelta],
    value: &mut Vec<u8>,
) -> Result<(), Failure> {
    for block in blocks {
        tables.headers.append(txn, u32_key(block.id.height), &block.header)?;
    }
    for block in blocks {
        tables.blocks.append(txn, u32_key(block.id.height), block.id.hash.as_byte_array())?;
    }
    let len = (chain.len() as u64).saturating_sub(origin.blocks.into());
    let mut counts = FixedRows::<{ TxNum::LEN }>::open(txn, tables.counts, COUNTS_A_ROW, len)?;
    for block in blocks {
        let end = TxNum(block.first_tx_num.0 + block.txids.len() as u64);
        counts.push(txn, &end.to_be_bytes())?;
    }
    counts.finish(txn)?;
    let len = chain.tx_count().saturating_sub(origin.txs);
    let mut txids = FixedRows::<32>::open(txn, tables.txids, TXIDS_A_ROW, len)?;
    for txid in blocks.iter().flat_map(|block| &block.txids) {
        txids.push(txn, txid.as_byte_array())?;
    }
    txids.finish(txn)?;
    for block in blocks {
        append_positions(txn, tables, block, value)?;
    }
    Ok(())
}

/// Sizes in rows of up to [`POSITIONS_A_ROW`]; a row ends where a transaction does not begin at its
/// predecessor's end, because an offset is stored only for the first of a row.
fn append_positions(
    txn: &mut RwTxn<'_>,
    tables: &ChainTables,
    block: &BlockDelta,
    value: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut number = block.first_tx_num.0;
    let runs = block
        .positions
        .chunk_by(|one, two| u64::from(one.offset) + u64::from(one.size) == u64::from(two.offset));
    for row in runs.flat_map(|run| run.chunks(POSITIONS_A_ROW)) {
        value.clear();
        push_varint(value, row[0].offset.into());
        for position in row {
            push_varint(value, position.size.into());
        }
        tables.positions.append(txn, tx_key(number), value)?;
        number += row.len() as u64;
    }
    Ok(())
}

/// Removes the rows from a block on.
pub(crate) fn truncate(
    txn: &mut RwTxn<'_>,
    tables: &ChainTables,
    origin: Origin,
    len: u32,
    first_tx: u64,
) -> Result<(), Failure> {
    tables.headers.truncate(txn, u32_key(len))?;
    tables.blocks.truncate(txn, u32_key(len))?;
    let blocks = len.saturating_sub(origin.blocks).into();
    FixedRows::<{ TxNum::LEN }>::truncate(txn, tables.counts, COUNTS_A_ROW, blocks)?;
    let txs = first_tx.saturating_sub(origin.txs);
    FixedRows::<32>::truncate(txn, tables.txids, TXIDS_A_ROW, txs)?;
    tables.positions.truncate(txn, tx_key(first_tx))?;
    Ok(())
}

/// Reads the cumulative counts of a tier and adds them to the chain that ends where the tier begins.
/// Checks that all tables end at the same block.
pub(crate) fn load(
    txn: &Txn<'_>,
    tables: &ChainTables,
    origin: Origin,
    before: &Chain,
) -> Result<Chain, StoreError> {
    let mut ends: Vec<u64> = Vec::new();
    let table = tables.counts;
    for (index, row) in (0..).zip(table.range(txn, &u32_key(0), &u32_key(u32::MAX))?) {
        let (key, mut bytes) = row?;
        if *key != *u32_key(index) || !ends.len().is_multiple_of(COUNTS_A_ROW) {
            return Err(table.corrupt(format!("row {key:02x?} is out of place")));
        }
        while !bytes.is_empty() {
            let end = take_tx_num(&mut bytes).map(|TxNum(end)| end);
            let least = ends.last().copied().unwrap_or(origin.txs);
            let end = end.filter(|end| *end >= least);
            ends.push(end.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?);
        }
    }
    let count = u32::try_from(ends.len()).ok().and_then(|len| len.checked_add(origin.blocks));
    let count = count.ok_or_else(|| table.corrupt("too many blocks"))?;
    let last = if ends.is_empty() { None } else { count.checked_sub(1) };
    for table in [tables.blocks, tables.headers] {
        let found = table.last(txn)?.map(|(key, _)| key);
        if found != last.map(u32_key).as_deref() {
            return Err(table.corrupt(format!("it ends at {found:02x?}, counts at {last:?}")));
        }
    }
    let txs = ends.last().map_or(0, |end| end - origin.txs);
    let (row, place) = place(tables.txids, TXIDS_A_ROW, txs)?;
    let want = match place {
        0 => row.checked_sub(1).map(|row| (row, TXIDS_A_ROW * 32)),
        place => Some((row, place * 32)),
    };
    let found = tables.txids.last(txn)?.map(|(key, value)| (key, value.len()));
    if found != want.map(|(row, len)| (u32_key(row), len)).as_ref().map(|(key, len)| (&**key, *len))
    {
        return Err(tables.txids.corrupt(format!("it does not end at {txs} transactions")));
    }
    let Some(height) = last else { return Ok(before.clone()) };
    let tip = electrumx_core::BlockId { height, hash: block_hash(txn, tables, height)? };
    Ok(before.extended(ends, tip))
}

/// Reads the hash of a block that must exist.
pub(crate) fn block_hash(
    txn: &Txn<'_>,
    tables: &ChainTables,
    height: Height,
) -> Result<BlockHash, StoreError> {
    let bytes = tables.blocks.require(txn, &u32_key(height))?;
    BlockHash::from_slice(bytes).map_err(|_| tables.blocks.corrupt(format!("hash of {height}")))
}

/// Appends the headers of a range of blocks that must exist.
pub(crate) fn headers(
    txn: &Txn<'_>,
    tables: &ChainTables,
    heights: Range<Height>,
    out: &mut Vec<u8>,
    lengths: &mut Vec<u32>,
) -> Result<(), StoreError> {
    let table = tables.headers;
    let mut height = heights.start;
    for row in table.range(txn, &u32_key(heights.start), &u32_key(heights.end))? {
        let (key, header) = row?;
        let length = u32::try_from(header.len()).ok();
        let length = length.filter(|_| *key == *u32_key(height));
        lengths.push(length.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?);
        out.extend_from_slice(header);
        height += 1;
    }
    if height < heights.end {
        return Err(table.corrupt(format!("no header {height}")));
    }
    Ok(())
}

/// Reads ids of transactions, remembering the row that was read last.
#[derive(Debug)]
pub(crate) struct TxidReader<'txn> {
    tables: ChainTables,
    origin: Origin,
    row: Option<(u32, &'txn [[u8; 32]])>,
}

impl<'txn> TxidReader<'txn> {
    pub(crate) fn new(tables: &ChainTables, origin: Origin) -> Self {
        Self { tables: *tables, origin, row: None }
    }

    /// Returns the id of a transaction that must exist in this tier.
    pub(crate) fn get(&mut self, txn: &'txn Txn<'_>, number: u64) -> Result<Txid, StoreError> {
        self.locate(txn, number).map(|id| Txid::from_byte_array(*id))
    }

    /// As [`get`](Self::get), without a look at the id.
    pub(crate) fn locate(
        &mut self,
        txn: &'txn Txn<'_>,
        number: u64,
    ) -> Result<&'txn [u8; 32], StoreError> {
        self.run(txn, number)?.first().ok_or_else(|| self.short())
    }

    /// Returns the ids from a transaction on that are in the same row: at least one.
    pub(crate) fn run(
        &mut self,
        txn: &'txn Txn<'_>,
        number: u64,
    ) -> Result<&'txn [[u8; 32]], StoreError> {
        let table = self.tables.txids;
        let item = number.checked_sub(self.origin.txs).ok_or_else(|| self.short())?;
        let (row, place) = place(table, TXIDS_A_ROW, item)?;
        let ids = match self.row {
            Some((known, ids)) if known == row => ids,
            _ => table.require(txn, &u32_key(row))?.as_chunks::<32>().0,
        };
        self.row = Some((row, ids));
        ids.get(place..).filter(|ids| !ids.is_empty()).ok_or_else(|| self.short())
    }

    fn short(&self) -> StoreError {
        self.tables.txids.corrupt("a row is short")
    }
}

/// Has the rows of a base read that hold the ids of ascending transactions; others are left out.
pub(crate) fn want_txids(
    txn: &Txn<'_>,
    tables: &ChainTables,
    numbers: impl Iterator<Item = u64>,
) -> Result<(), StoreError> {
    let mut wanted = Wanted::default();
    let mut before = None;
    for number in numbers {
        let (row, _) = place(tables.txids, TXIDS_A_ROW, number)?;
        if before.replace(row) != Some(row) {
            // Where the row is does not take a look at it.
            match tables.txids.get(txn, &u32_key(row))? {
                Some(ids) => wanted.add(ids),
                None => break,
            }
        }
    }
    wanted.ask();
    Ok(())
}

/// Appends the ids of consecutive transactions that must exist in this tier.
pub(crate) fn txids(
    txn: &Txn<'_>,
    tables: &ChainTables,
    origin: Origin,
    numbers: Range<u64>,
    found: &mut Vec<Txid>,
) -> Result<(), StoreError> {
    let mut reader = TxidReader::new(tables, origin);
    let mut number = numbers.start;
    while number < numbers.end {
        let run = reader.run(txn, number)?;
        let wanted = usize::try_from(numbers.end - number).unwrap_or(usize::MAX);
        let run = &run[..run.len().min(wanted)];
        found.extend(run.iter().map(|id| Txid::from_byte_array(*id)));
        number += run.len() as u64;
    }
    Ok(())
}

/// Reads where a transaction is in its block; it must exist in this tier.
pub(crate) fn position(
    txn: &Txn<'_>,
    tables: &ChainTables,
    tx_num: TxNum,
) -> Result<TxPosition, StoreError> {
    let table = tables.positions;
    let row = table.floor(txn, &tx_key(tx_num.0))?;
    let position = row.and_then(|(key, mut value)| {
        let mut before = tx_num.0.checked_sub(codec::tx_num(key)?.0)?;
        let mut offset = codec::take_varint(&mut value)?;
        while before > 0 {
            offset = offset.checked_add(codec::take_varint(&mut value)?)?;
            before -= 1;
        }
        let size = u32::try_from(codec::take_varint(&mut value)?).ok()?;
        Some(TxPosition { offset: u32::try_from(offset).ok()?, size })
    });
    position.ok_or_else(|| table.corrupt(format!("row of {tx_num:?}")))
}
