//! A shard of the outpoints: its table of unspent outputs, and what leaves it.

use electrumx_core::{OutputNum, StoreError, TxNum};

use super::outlets::{Outlet, Spools};
use super::parse::{Funded, ParsedBlock, Spent};
use super::plan::Plan;
use super::slot::Slot;
use super::table::OutputTable;
use crate::build::output_bytes;

/// How many outputs or spends ahead memory is asked for what they will need: the index of the table, and when that
/// has come, half as far ahead, the output.
const AHEAD: usize = 16;

/// One shard.
#[derive(Debug)]
pub(super) struct Shard {
    index: usize,
    table: OutputTable,
    /// Outputs that came in.
    pub(super) outputs: u64,
}

impl Shard {
    pub(super) fn new(index: usize, plan: &Plan) -> Result<Self, StoreError> {
        Ok(Self {
            index,
            table: OutputTable::new(plan.shard_bits, plan.shard_bytes())?,
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
        outlet: &mut Outlet,
    ) -> Result<(), StoreError> {
        for block in blocks {
            let funded = &block.shards[self.index].funded;
            for (place, output) in funded.iter().enumerate() {
                if let Some(ahead) = funded.get(place + AHEAD) {
                    self.table.prefetch(&ahead.name);
                    self.table.prefetch_free(AHEAD);
                }
                self.fund(block.delta.first_tx_num, output, spools, outlet)?;
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
                self.spend(block.delta.first_tx_num, spend, spools, outlet)?;
            }
        }
        Ok(())
    }

    fn fund(
        &mut self,
        first: TxNum,
        funded: &Funded,
        spools: &Spools,
        outlet: &mut Outlet,
    ) -> Result<(), StoreError> {
        if self.table.is_full() {
            self.evict(spools, outlet)?;
        }
        let tx_num = TxNum(first.0 + u64::from(funded.tx));
        let output = output_bytes(OutputNum { tx_num, vout: funded.vout });
        let slot = Slot::new(funded.name, output, &funded.hashx, funded.value);
        if let Some(overwritten) = self.table.insert(slot)? {
            // The coinbases that BIP 30 is about: the earlier one can never be spent.
            outlet.script(spools, overwritten.script(Some(tx_num)))?;
        }
        Ok(())
    }

    fn spend(
        &mut self,
        first: TxNum,
        spent: &Spent,
        spools: &Spools,
        outlet: &mut Outlet,
    ) -> Result<(), StoreError> {
        let by = TxNum(first.0 + u64::from(spent.tx));
        match self.table.remove(&spent.name, |slot| slot.script(Some(by))) {
            Some(script) => outlet.script(spools, script),
            None => outlet.spend(spools, &spent.name, by),
        }
    }

    fn evict(&mut self, spools: &Spools, outlet: &mut Outlet) -> Result<(), StoreError> {
        let mut result = Ok(());
        self.table.take_older_half(|slot| {
            if result.is_ok() {
                result = outlet.evicted(spools, &slot);
            }
        })?;
        result
    }

    /// Gives up the table, and hands out what is in it.
    pub(super) fn drain(
        &mut self,
        mut take: impl FnMut(&Slot) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.table.iter().try_for_each(|slot| take(&slot))?;
        self.table = OutputTable::new(0, 0)?;
        Ok(())
    }

    /// Returns how many outputs are in memory.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Iterates over the outputs in memory.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.table.iter()
    }

    /// Puts an output back that was in memory at a checkpoint.
    pub(super) fn restore(
        &mut self,
        slot: Slot,
        spools: &Spools,
        outlet: &mut Outlet,
    ) -> Result<(), StoreError> {
        // The budget may be smaller than it was.
        if self.table.is_full() {
            self.evict(spools, outlet)?;
        }
        self.table.insert(slot).map(drop)
    }
}
