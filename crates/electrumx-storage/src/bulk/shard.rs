//! A shard of the outpoints: its table of unspent outputs, and what leaves it.

use electrumx_core::{OutputNum, StoreError, TxNum};

use super::parse::{Funded, ParsedBlock, Spent};
use super::plan::{Plan, spill_part};
use super::slot::Slot;
use super::table::OutputTable;
use crate::build::{Buffers, ScriptRecord, Spool, output_bytes};

/// A spend whose output was not in memory: the outpoint's name, and who spends it.
pub(super) const SPEND: usize = 12 + TxNum::LEN;

/// How many outputs or spends ahead memory is asked for what they will need: the index of the table, and when that
/// has come, half as far ahead, the output.
const AHEAD: usize = 16;

/// The files that the scan writes.
#[derive(Debug)]
pub(super) struct Spools {
    /// Finished entries, by script.
    pub(super) scripts: Spool<{ ScriptRecord::LEN }>,
    /// Outputs that had to leave memory, by outpoint.
    pub(super) evicted: Spool<{ Slot::LEN }>,
    /// Spends whose outputs were not in memory, by outpoint.
    pub(super) spends: Spool<SPEND>,
}

/// One shard.
#[derive(Debug)]
pub(super) struct Shard {
    index: usize,
    table: OutputTable,
    scripts: Buffers<{ ScriptRecord::LEN }>,
    evicted: Buffers<{ Slot::LEN }>,
    spends: Buffers<SPEND>,
    /// Outputs that came in.
    pub(super) outputs: u64,
}

impl Shard {
    pub(super) fn new(index: usize, plan: &Plan) -> Result<Self, StoreError> {
        Ok(Self {
            index,
            table: OutputTable::new(plan.shard_bits, plan.shard_bytes())?,
            scripts: plan.script_buffers(),
            evicted: Plan::spill_buffers(),
            spends: Plan::spill_buffers(),
            outputs: 0,
        })
    }

    /// Works through this shard's part of a batch of blocks.
    ///
    /// All outputs go in before any is taken out, since a block may spend an output of its own that comes
    /// later in it (canonical order).
    pub(super) fn resolve(
        &mut self,
        blocks: &[ParsedBlock],
        spools: &Spools,
    ) -> Result<(), StoreError> {
        for block in blocks {
            let funded = &block.shards[self.index].funded;
            for (place, output) in funded.iter().enumerate() {
                if let Some(ahead) = funded.get(place + AHEAD) {
                    self.table.prefetch(&ahead.name);
                    self.table.prefetch_free(AHEAD);
                }
                self.fund(block.delta.first_tx_num, output, spools)?;
            }
            self.outputs += funded.len() as u64;
        }
        for block in blocks {
            let spent = &block.shards[self.index].spent;
            for (place, spend) in spent.iter().enumerate() {
                if let Some(ahead) = spent.get(place + AHEAD) {
                    self.table.prefetch(&ahead.name);
                }
                if let Some(ahead) = spent.get(place + AHEAD / 2) {
                    self.table.prefetch_output(&ahead.name);
                }
                self.spend(block.delta.first_tx_num, spend, spools)?;
            }
        }
        Ok(())
    }

    fn fund(&mut self, first: TxNum, funded: &Funded, spools: &Spools) -> Result<(), StoreError> {
        if self.table.is_full() {
            self.evict(spools)?;
        }
        let tx_num = TxNum(first.0 + u64::from(funded.tx));
        let output = output_bytes(OutputNum { tx_num, vout: funded.vout });
        let slot = Slot::new(funded.name, output, &funded.hashx, funded.value);
        if let Some(overwritten) = self.table.insert(slot)? {
            // The coinbases that BIP 30 is about: the earlier one can never be spent.
            self.scripts.push_script(&spools.scripts, overwritten.script(Some(tx_num)))?;
        }
        Ok(())
    }

    fn spend(&mut self, first: TxNum, spent: &Spent, spools: &Spools) -> Result<(), StoreError> {
        let by = TxNum(first.0 + u64::from(spent.tx));
        if let Some(record) = self.table.remove(&spent.name, |slot| slot.script(Some(by))) {
            return self.scripts.push_script(&spools.scripts, record);
        }
        let mut record = [0; SPEND];
        record[..12].copy_from_slice(&spent.name);
        record[12..].copy_from_slice(&by.to_be_bytes());
        self.spends.push(&spools.spends, spill_part(spent.name[0]), &record)
    }

    fn evict(&mut self, spools: &Spools) -> Result<(), StoreError> {
        let mut result = Ok(());
        let Self { table, evicted, .. } = self;
        table.take_older_half(|slot| {
            if result.is_ok() {
                result = evicted.push(&spools.evicted, spill_part(slot.0[0]), &slot.0);
            }
        })?;
        result
    }

    /// Hands all outputs that are left to the spill.
    pub(super) fn drain(&mut self, spools: &Spools) -> Result<(), StoreError> {
        for slot in self.table.iter() {
            self.evicted.push(&spools.evicted, spill_part(slot.0[0]), &slot.0)?;
        }
        self.table = OutputTable::new(0, 0)?;
        self.flush(spools)
    }

    /// Writes what is in buffers.
    pub(super) fn flush(&mut self, spools: &Spools) -> Result<(), StoreError> {
        self.scripts.flush(&spools.scripts)?;
        self.evicted.flush(&spools.evicted)?;
        self.spends.flush(&spools.spends)
    }

    /// Iterates over the outputs in memory.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.table.iter()
    }

    /// Puts an output back that was in memory at a checkpoint.
    pub(super) fn restore(&mut self, slot: Slot, spools: &Spools) -> Result<(), StoreError> {
        // The budget may be smaller than it was.
        if self.table.is_full() {
            self.evict(spools)?;
        }
        self.table.insert(slot).map(drop)
    }
}
