//! What leaves memory for the temporary files, gathered in buffers.

use electrumx_core::{StoreError, TxNum};
use parking_lot::Mutex;

use super::plan::{Plan, spill_part};
use super::slot::Slot;
use crate::build::{Buffers, OrderedScript, ScriptRecord, Spool, UtxoRecord};

/// A spend whose output was not in memory: the outpoint's name, and who spends it.
pub(super) const SPEND: usize = 12 + TxNum::LEN;

/// Bytes of a buffer of a partition of what was spilled.
const SPILL_BUFFER: usize = 32 << 10;

/// Bytes of a buffer of a partition of the unspent outputs.
const UTXO_BUFFER: usize = 8 << 10;

/// The temporary files but for those of the transaction ids, which come in the blocks' order.
#[derive(Debug)]
pub(super) struct Spools {
    /// Finished entries, by script.
    pub(super) scripts: Spool<{ ScriptRecord::LEN }>,
    /// Outputs that had to leave memory, by outpoint.
    pub(super) evicted: Spool<{ Slot::LEN }>,
    /// Spends whose outputs were not in memory, by outpoint.
    pub(super) spends: Spool<SPEND>,
    /// Unspent outputs, by number.
    pub(super) utxos: Spool<{ UtxoRecord::LEN }>,
}

impl Spools {
    /// Makes durable what was written.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.scripts.sync()?;
        self.evicted.sync()?;
        self.spends.sync()?;
        self.utxos.sync()
    }
}

/// What one thread has to write.
#[derive(Debug)]
pub(super) struct Outlet {
    scripts: Buffers<{ ScriptRecord::LEN }>,
    evicted: Buffers<{ Slot::LEN }>,
    spends: Buffers<SPEND>,
    utxos: Buffers<{ UtxoRecord::LEN }>,
}

impl Outlet {
    fn new(plan: &Plan, spools: &Spools) -> Self {
        Self {
            scripts: Buffers::new(spools.scripts.parts(), plan.buffer_bytes),
            evicted: Buffers::new(spools.evicted.parts(), SPILL_BUFFER),
            spends: Buffers::new(spools.spends.parts(), SPILL_BUFFER),
            utxos: Buffers::new(spools.utxos.parts(), UTXO_BUFFER),
        }
    }

    /// Hands over a finished entry of a script.
    #[inline]
    pub(super) fn script(
        &mut self,
        spools: &Spools,
        script: OrderedScript,
    ) -> Result<(), StoreError> {
        self.scripts.push_script(&spools.scripts, script)
    }

    /// Hands over an output that has no room in memory.
    pub(super) fn evicted(&mut self, spools: &Spools, slot: &Slot) -> Result<(), StoreError> {
        self.evicted.push(&spools.evicted, spill_part(slot.0[0]), &slot.0)
    }

    /// Hands over a spend of an output that is not in memory.
    pub(super) fn spend(
        &mut self,
        spools: &Spools,
        name: &[u8; 12],
        by: TxNum,
    ) -> Result<(), StoreError> {
        let mut record = [0; SPEND];
        record[..12].copy_from_slice(name);
        record[12..].copy_from_slice(&by.to_be_bytes());
        self.spends.push(&spools.spends, spill_part(name[0]), &record)
    }

    /// Hands over an output that is unspent at the end, of a chain with so many transactions.
    pub(super) fn unspent(
        &mut self,
        spools: &Spools,
        slot: &Slot,
        tx_count: u64,
    ) -> Result<(), StoreError> {
        self.script(spools, slot.script(None))?;
        let part = slot.tx_num().0 * spools.utxos.parts() as u64 / tx_count.max(1);
        let part = usize::try_from(part).unwrap_or(0);
        self.utxos.push(&spools.utxos, part, &slot.utxo().0)
    }

    fn flush(&mut self, spools: &Spools) -> Result<(), StoreError> {
        self.scripts.flush(&spools.scripts)?;
        self.evicted.flush(&spools.evicted)?;
        self.spends.flush(&spools.spends)?;
        self.utxos.flush(&spools.utxos)
    }
}

/// The outlets that no thread is using: there are as many as threads at most.
#[derive(Default, Debug)]
pub(super) struct Outlets(Mutex<Vec<Outlet>>);

impl Outlets {
    /// Lends an outlet to a task.
    pub(super) fn with<T>(
        &self,
        plan: &Plan,
        spools: &Spools,
        task: impl FnOnce(&mut Outlet) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let taken = self.0.lock().pop();
        let mut outlet = taken.unwrap_or_else(|| Outlet::new(plan, spools));
        let done = task(&mut outlet);
        self.0.lock().push(outlet);
        done
    }

    /// Writes what is in them.
    pub(super) fn flush(&mut self, spools: &Spools) -> Result<(), StoreError> {
        self.0.get_mut().iter_mut().try_for_each(|outlet| outlet.flush(spools))
    }
}
