//! The merge: old base and tip tier, table by table, into a new base.

use std::sync::Arc;

use electrumx_core::processor::{BulkPhase, BulkProgress, Observer};
use electrumx_core::{BlockId, ChainView as _, Height, StoreError};
use rayon::ThreadPoolBuilder;

use crate::base::{BaseFacts, Buckets, PageWriter, UtxoWriter, Widths, number_width};
use crate::build::{
    Appender, Buffers, BuildFile, Rows, Spool, TXID_PARTS, TxidRecord, append_ordered, txid_groups,
    txid_rows,
};
use crate::chain::Chain;
use crate::chain_rows;
use crate::failure::backend;
use crate::install::io_error;
use crate::shared::Shared;
use crate::tables::{Origin, Table};
use crate::view::LmdbView;
use crate::walk::{Merged, Scripts, Spends};

/// Bytes of rows that are appended together.
const CHUNK: usize = 4 << 20;

/// Entries between two looks at whether to stop.
const STEP: u64 = 1 << 16;

/// A merge under way.
pub(super) struct Merge<'a> {
    file: &'a BuildFile,
    shared: &'a Arc<Shared>,
    view: &'a LmdbView,
    tip: BlockId,
    /// Transactions of the new base.
    txs: u64,
    /// Entries of `scripts` so far.
    outputs: u64,
    appender: Appender<'a>,
    rows: Rows,
}

/// What a step returns when it was stopped.
type Finished = Result<Option<()>, StoreError>;

impl<'a> Merge<'a> {
    pub(super) fn new(
        file: &'a BuildFile,
        shared: &'a Arc<Shared>,
        view: &'a LmdbView,
        target: Height,
    ) -> Result<Self, StoreError> {
        let missing = || shared.tables.chain.blocks.corrupt(format!("no block {target}"));
        let hash = view.block_hash(target)?.ok_or_else(missing)?;
        let txs = view.block_txs(target).end;
        let (tip, appender) = (BlockId { height: target, hash }, Appender::new(file));
        Ok(Self { file, shared, view, tip, txs, outputs: 0, appender, rows: Rows::default() })
    }

    pub(super) fn run(
        mut self,
        observer: &mut impl Observer,
    ) -> Result<Option<BlockId>, StoreError> {
        let dir = self.file.dir.join("temp");
        std::fs::create_dir_all(&dir).map_err(|error| io_error("create a folder", &dir, error))?;
        let txids = Spool::create(&dir, "txids", TXID_PARTS)?;
        let done = (|| {
            if self.copy_chain(&txids, observer)?.is_none()
                || self.merge_scripts(observer)?.is_none()
                || self.merge_utxos(observer)?.is_none()
                || self.write_txids(&txids, observer)?.is_none()
            {
                return Ok(None);
            }
            Ok(Some(self.tip))
        })();
        if matches!(done, Ok(Some(_))) {
            std::fs::remove_dir_all(&dir)
                .map_err(|error| io_error("remove temporary files", &dir, error))?;
        }
        done
    }

    /// Copies the tables that say what numbers mean, and collects the transaction ids.
    fn copy_chain(
        &mut self,
        txids: &Spool<{ TxidRecord::LEN }>,
        observer: &mut impl Observer,
    ) -> Finished {
        let (first, last) = (self.shared.origin().blocks, self.tip.height);
        let total = u64::from(last - first) + 1;
        observer.bulk(&BulkProgress { phase: BulkPhase::Blocks, done: 0, total });
        let mut buffers = Buffers::new(TXID_PARTS, 8 << 10);
        let prefixes = Buckets::new(0, 1, self.shared.meta.prefix_len);
        let mut number = 0;
        let mut chain = Chain::default();
        if let Some((base, txn)) = self.view.base_tier() {
            let (from, to) = (base.tables.chain.all(), self.file.tables.chain.all());
            for (from, to) in from.into_iter().zip(to) {
                for row in from.iter(txn)? {
                    let (key, value) = row.map_err(backend("read the base"))?;
                    if from.name == base.tables.chain.txids.name {
                        for id in value.as_chunks::<32>().0 {
                            let (part, record) = TxidRecord::new(prefixes.prefix_of(id), number);
                            buffers.push(txids, part, &record.0)?;
                            number += 1;
                        }
                    }
                    self.appender.change(|txn| {
                        to.append(txn, key, value)?;
                        Ok(key.len() + value.len())
                    })?;
                    if self.appender.is_full() {
                        self.appender.commit()?;
                        if observer.should_stop() {
                            return Ok(None);
                        }
                    }
                }
            }
            chain = base.chain.clone();
        }
        for height in first..=last {
            if observer.should_stop() {
                return Ok(None);
            }
            let delta = self.view.delta(height)?;
            for txid in &delta.txids {
                let (part, record) = TxidRecord::new(prefixes.prefix(txid), number);
                buffers.push(txids, part, &record.0)?;
                number += 1;
            }
            let (tables, end) = (&self.file.tables.chain, number);
            let blocks = [delta];
            self.appender.change(|txn| {
                let mut value = Vec::new();
                chain_rows::append(txn, tables, Origin::default(), &chain, &blocks, &mut value)?;
                Ok(blocks[0].txids.len() * 40)
            })?;
            chain = chain.extended([end], blocks[0].id);
            if self.appender.is_full() {
                self.appender.commit()?;
            }
            let done = u64::from(height - first) + 1;
            observer.bulk(&BulkProgress { phase: BulkPhase::Blocks, done, total });
        }
        buffers.flush(txids)?;
        self.appender.commit()?;
        Ok(Some(()))
    }

    /// Merges the outputs by script: the base's with their spenders since, and the tip's.
    fn merge_scripts(&mut self, observer: &mut impl Observer) -> Finished {
        let widths = Widths::for_counts(self.txs.saturating_mul(3), self.txs);
        let mut pages = PageWriter::new(widths);
        let table = self.file.tables.scripts;
        self.begin(BulkPhase::Scripts, observer);
        let mut scripts = Scripts::new(self.shared, self.view, self.txs)?;
        let mut count = 0;
        while let Some(Merged { entry, .. }) = scripts.next()? {
            pages.push(&entry, |key, page| self.rows.push(key, page));
            count += 1;
            if !self.step(table, BulkPhase::Scripts, count, observer)? {
                return Ok(None);
            }
        }
        pages.finish(|key, page| self.rows.push(key, page));
        self.outputs = count;
        self.finish(table).map(Some)
    }

    /// Merges the unspent outputs: the base's that still are, and the tip's.
    fn merge_utxos(&mut self, observer: &mut impl Observer) -> Finished {
        let table = self.file.tables.utxos;
        let mut pages = UtxoWriter::new();
        let (shared, view, txs) = (self.shared, self.view, self.txs);
        self.begin(BulkPhase::Utxos, observer);
        let mut spends = Spends::new(shared, view, txs)?;
        let mut count = 0;
        let mut stopped = false;
        view.each_output(0..txs, |output, row| {
            if stopped || spends.has(output)? {
                return Ok(());
            }
            pages.push(output, &row, |key, page| self.rows.push(key, page));
            count += 1;
            stopped = !self.step(table, BulkPhase::Utxos, count, observer)?;
            Ok(())
        })?;
        if stopped {
            return Ok(None);
        }
        pages.finish(|key, page| self.rows.push(key, page));
        self.finish(table).map(Some)
    }

    /// Writes the index of transaction ids, and that the base is complete.
    fn write_txids(
        &mut self,
        txids: &Spool<{ TxidRecord::LEN }>,
        observer: &mut impl Observer,
    ) -> Finished {
        let width = number_width(self.txs);
        let buckets = Buckets::for_count(self.txs, width, self.shared.meta.prefix_len);
        let pool = ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| {
            StoreError::Backend { action: "start a thread", source: Box::new(error) }
        })?;
        let groups = txid_groups(buckets);
        let table = self.file.tables.txid_buckets;
        let mut stopped = false;
        observer.bulk(&BulkProgress { phase: BulkPhase::Txids, done: 0, total: groups as u64 });
        let prepare = |group, rows: &mut _| txid_rows(txids, group, buckets, rows);
        append_ordered(&pool, 0..groups, prepare, |group, rows| {
            stopped = observer.should_stop();
            self.appender.append(table, rows)?;
            if self.appender.is_full() {
                self.appender.commit()?;
            }
            let (done, total) = (group as u64 + 1, groups as u64);
            observer.bulk(&BulkProgress { phase: BulkPhase::Txids, done, total });
            Ok(!stopped)
        })?;
        if stopped {
            return Ok(None);
        }
        let (tip, bucket_bits, outputs) = (self.tip, buckets.bits, self.outputs);
        let facts = BaseFacts { tip, bucket_bits, number_width: width, outputs };
        self.appender.change(|txn| {
            facts.write(txn, &self.file.tables)?;
            Ok(0)
        })?;
        self.appender.commit().map(Some)
    }

    /// Appends what has gathered, now and then; `false` when it is to stop.
    fn step(
        &mut self,
        table: Table,
        phase: BulkPhase,
        count: u64,
        observer: &mut impl Observer,
    ) -> Result<bool, StoreError> {
        if self.rows.bytes() >= CHUNK {
            self.flush(table)?;
        }
        if !count.is_multiple_of(STEP) {
            return Ok(true);
        }
        let total = self.outputs_about().max(count);
        observer.bulk(&BulkProgress { phase, done: count, total });
        Ok(!observer.should_stop())
    }

    fn begin(&self, phase: BulkPhase, observer: &mut impl Observer) {
        observer.bulk(&BulkProgress { phase, done: 0, total: self.outputs_about() });
    }

    /// How many outputs there will be is not known; about three a transaction are.
    const fn outputs_about(&self) -> u64 {
        self.txs.saturating_mul(3)
    }

    /// Ends a table: whether it has room is known before the next begins.
    fn finish(&mut self, table: Table) -> Result<(), StoreError> {
        self.flush(table)?;
        self.appender.commit()
    }

    fn flush(&mut self, table: Table) -> Result<(), StoreError> {
        self.appender.append(table, &self.rows)?;
        self.rows.clear();
        if self.appender.is_full() { self.appender.commit() } else { Ok(()) }
    }
}
