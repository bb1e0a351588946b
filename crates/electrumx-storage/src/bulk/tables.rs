//! The last stages: from partitions to the tables that are not in the blocks' order.

use electrumx_core::processor::{BulkPhase, BulkProgress, Observer};
use electrumx_core::{BlockId, StoreError};
use parking_lot::Mutex;

use super::Ended;
use super::build::Build;
use super::checkpoint::{Checkpoint, Stage};
use crate::base::{BaseFacts, Buckets, Widths, number_width};
use crate::build::{
    Appender, OrderedScript, Rows, ScriptRecord, append_ordered, by_bytes, script_rows, sort,
    spread, txid_groups, txid_rows, utxo_rows,
};
use crate::tables::Table;

impl Build<'_> {
    /// Writes `scripts`.
    pub(super) fn write_scripts(
        &mut self,
        observer: &mut impl Observer,
    ) -> Result<Ended, StoreError> {
        let tx_count = self.load_chain()?.tx_count();
        let widths = Widths::for_counts(self.memory.outputs(), tx_count);
        // A power of two, see Plan.
        let skipped = self.spools.scripts.parts().ilog2();
        let (spool, limit) = (&self.spools.scripts, self.plan.sort_bytes as u64 / 2);
        // Memory of partitions before: fresh memory costs a page fault for every 100 records.
        let scratch: Mutex<Vec<Scratch>> = Mutex::default();
        let prepare = |part, rows: &mut Rows| {
            let Scratch { mut records, mut sorted } = scratch.lock().pop().unwrap_or_default();
            let passes =
                (spool.records_of(part) * ScriptRecord::LEN as u64).div_ceil(limit).clamp(1, 256);
            for pass in 0..passes {
                let share = |record: &_| (u64::from(spread(record, skipped)) * passes) >> 32;
                if passes == 1 {
                    spool.read_all_into(part, &mut records)?;
                } else {
                    spool.read_into(part, |record| share(record) == pass, &mut records)?;
                }
                sort(&records, skipped, &mut sorted);
                script_rows(&sorted, widths, rows);
            }
            scratch.lock().push(Scratch { records, sorted });
            Ok(())
        };
        let table = self.file.tables.scripts;
        let stage =
            self.write_stage(observer, BulkPhase::Scripts, spool.parts(), table, prepare)?;
        if let Ended::Done = stage {
            self.enter(Stage::Utxos)?;
            self.spools.scripts.clear()?;
        }
        Ok(stage)
    }

    /// Writes `utxos`.
    pub(super) fn write_utxos(
        &mut self,
        observer: &mut impl Observer,
    ) -> Result<Ended, StoreError> {
        let spool = &self.spools.utxos;
        let prepare = |part, rows: &mut Rows| {
            let mut records = spool.read_all(part)?;
            records.sort_unstable_by(by_bytes);
            utxo_rows(&records, rows);
            Ok(())
        };
        let table = self.file.tables.utxos;
        let stage = self.write_stage(observer, BulkPhase::Utxos, spool.parts(), table, prepare)?;
        if let Ended::Done = stage {
            self.enter(Stage::Txids)?;
            self.spools.utxos.clear()?;
        }
        Ok(stage)
    }

    /// Writes `txid_buckets`, and says that the base is complete.
    pub(super) fn write_txids(
        &mut self,
        observer: &mut impl Observer,
    ) -> Result<Option<BlockId>, StoreError> {
        let chain = self.load_chain()?;
        let width = number_width(chain.tx_count());
        let buckets = Buckets::for_count(chain.tx_count(), width, self.prefix_len);
        let spool = &self.txids;
        let groups = txid_groups(buckets);
        let prepare = |group, rows: &mut Rows| txid_rows(spool, group, buckets, rows);
        let table = self.file.tables.txid_buckets;
        let stage = self.write_stage(observer, BulkPhase::Txids, groups, table, prepare)?;
        let (Ended::Done, Some(tip)) = (stage, chain.tip()) else { return Ok(None) };
        let (bucket_bits, outputs) = (buckets.bits, self.memory.outputs());
        let facts = BaseFacts { tip, bucket_bits, number_width: width, outputs };
        let mut appender = Appender::new(&self.file);
        appender.change(|txn| {
            Checkpoint::remove(txn, &self.file.tables)?;
            facts.write(txn, &self.file.tables)?;
            Ok(0)
        })?;
        appender.commit()?;
        Ok(Some(tip))
    }

    /// Appends the rows of the partitions that are left, and notes how far that is with every commit.
    fn write_stage(
        &self,
        observer: &mut impl Observer,
        phase: BulkPhase,
        parts: usize,
        table: Table,
        prepare: impl Fn(usize, &mut Rows) -> Result<(), StoreError> + Sync,
    ) -> Result<Ended, StoreError> {
        let mut appender = Appender::new(&self.file);
        let mut state = self.state(&self.memory, self.load_chain()?.len() as u64);
        let mut stopped = false;
        observer.bulk(&BulkProgress { phase, done: state.next, total: parts as u64 });
        append_ordered(&self.pool, self.next..parts, prepare, |part, rows| {
            stopped |= observer.should_stop();
            if stopped {
                return Ok(false);
            }
            appender.append(table, rows)?;
            state.next = part as u64 + 1;
            if appender.is_full() || state.next == parts as u64 {
                appender.change(|txn| {
                    state.write(txn, &self.file.tables)?;
                    Ok(0)
                })?;
                appender.commit()?;
            }
            observer.bulk(&BulkProgress { phase, done: state.next, total: parts as u64 });
            Ok(true)
        })?;
        Ok(if stopped { Ended::Stopped } else { Ended::Done })
    }

    /// Enters a stage, durably.
    pub(super) fn enter(&mut self, stage: Stage) -> Result<(), StoreError> {
        (self.stage, self.next) = (stage, 0);
        let state = self.state(&self.memory, self.load_chain()?.len() as u64);
        let mut appender = Appender::new(&self.file);
        appender.change(|txn| {
            state.write(txn, &self.file.tables)?;
            Ok(0)
        })?;
        appender.commit()
    }
}

/// What one thread sorts.
#[derive(Default)]
struct Scratch {
    records: Vec<[u8; ScriptRecord::LEN]>,
    sorted: Vec<OrderedScript>,
}
