//! From partitions to rows of a base, in order.

use std::ops::Range;

use electrumx_core::StoreError;
use parking_lot::Mutex;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::record::{OrderedScript, TXID_PARTS, TxidRecord, UtxoRecord};
use super::rows::Rows;
use super::spool::Spool;
use crate::base::{Buckets, PageWriter, UtxoWriter, Widths};
use crate::codec::u32_key;

/// Packs script records, which are ascending.
pub(crate) fn script_rows(records: &[OrderedScript], widths: Widths, rows: &mut Rows) {
    let mut writer = PageWriter::new(widths);
    for record in records {
        writer.push(&record.entry(), |key, page| rows.push(key, page));
    }
    writer.finish(|key, page| rows.push(key, page));
}

/// Packs records of unspent outputs, which are ascending.
pub(crate) fn utxo_rows(records: &[[u8; UtxoRecord::LEN]], rows: &mut Rows) {
    let mut writer = UtxoWriter::new();
    for record in records {
        let (output, row) = UtxoRecord(*record).output();
        writer.push(output, &row, |key, page| rows.push(key, page));
    }
    writer.finish(|key, page| rows.push(key, page));
}

/// Groups ascending prefixes and numbers into buckets.
fn bucket_rows(entries: impl Iterator<Item = (u32, u64)>, buckets: Buckets, rows: &mut Rows) {
    let mut row = Vec::new();
    let mut current = None;
    for (prefix, number) in entries {
        let bucket = buckets.bucket(prefix);
        if let Some(before) = current.filter(|before| *before != bucket) {
            rows.push(&u32_key(before), &row);
            row.clear();
        }
        current = Some(bucket);
        buckets.push(&mut row, prefix, number);
    }
    if let Some(bucket) = current {
        rows.push(&u32_key(bucket), &row);
    }
}

/// Prepares parts in parallel, a window of them at a time, and takes them in order, while the next window is
/// being prepared. `take` says whether to go on.
pub(crate) fn append_ordered(
    pool: &ThreadPool,
    parts: Range<usize>,
    prepare: impl Fn(usize, &mut Rows) -> Result<(), StoreError> + Sync,
    mut take: impl FnMut(usize, &Rows) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let window = pool.current_num_threads().max(1);
    // Rows that were taken: fresh memory costs a page fault for every 4 KiB.
    let spare: Mutex<Vec<Rows>> = Mutex::default();
    let prepare = |part| {
        let mut rows = spare.lock().pop().unwrap_or_default();
        rows.clear();
        prepare(part, &mut rows)?;
        Ok((part, rows))
    };
    let mut ready: Vec<(usize, Rows)> = Vec::new();
    let mut next = parts.start;
    while next < parts.end || !ready.is_empty() {
        let end = parts.end.min(next + window);
        let before = std::mem::take(&mut ready);
        let (prepared, taken) = std::thread::scope(|scope| {
            let prepared = scope.spawn(|| {
                let indexes = (next..end).into_par_iter();
                pool.install(|| indexes.map(prepare).collect())
            });
            let mut taken = Ok(true);
            for (part, rows) in before {
                taken = take(part, &rows);
                spare.lock().push(rows);
                if !matches!(taken, Ok(true)) {
                    break;
                }
            }
            (prepared.join(), taken)
        });
        if !taken? {
            return Ok(());
        }
        let prepared: Result<Vec<_>, StoreError> =
            prepared.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        ready = prepared?;
        next = end;
    }
    Ok(())
}

/// Returns into how many groups the partitions of the transaction ids fall: where a bucket holds several
/// partitions, they are taken together.
pub(crate) fn txid_groups(buckets: Buckets) -> usize {
    1 << buckets.bits.min(8)
}

/// Makes the rows of a group of partitions.
pub(crate) fn txid_rows(
    spool: &Spool<{ TxidRecord::LEN }>,
    group: usize,
    buckets: Buckets,
    rows: &mut Rows,
) -> Result<(), StoreError> {
    let size = TXID_PARTS / txid_groups(buckets);
    let mut entries = Vec::new();
    for part in group * size..(group + 1) * size {
        let mut records = spool.read_all(part)?;
        records.sort_unstable();
        entries.extend(records.iter().map(|record| TxidRecord(*record).parts(part)));
    }
    bucket_rows(entries.into_iter(), buckets, rows);
    Ok(())
}
