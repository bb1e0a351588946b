//! Joining what left memory: outputs with the spends that came later.

use electrumx_core::processor::{BulkPhase, BulkProgress, Observer, ProcessError};
use electrumx_core::{StoreError, TxNum};
use rayon::prelude::*;

use super::Ended;
use super::build::{Build, Memory};
use super::checkpoint::Stage;
use super::outlets::{Outlet, Outlets, SPEND};
use super::shard::Shard;
use super::slot::Slot;
use crate::build::{UtxoRecord, by_bytes, part};

/// Spends without an output, which there must not be: how many, and who spends one of them.
type Missing = Option<(u64, u64)>;

impl Build<'_> {
    /// Enters the stage: what is in memory leaves it. If nothing had to before, there is nothing to join.
    pub(super) fn begin_join(&mut self) -> Result<(), StoreError> {
        self.memory.outlets.flush(&self.spools)?;
        let spilled = self.spools.evicted.records() + self.spools.spends.records();
        let kept = self.memory.shards.iter().map(Shard::len).sum::<usize>() as u64;
        // How much was spilled depends on how often the scan was interrupted; where pages begin must not.
        let most = if spilled == 0 { kept } else { self.memory.outputs() };
        let bytes = most * UtxoRecord::LEN as u64;
        let parts = bytes / (self.plan.sort_bytes as u64 / 2).max(1) + 1;
        self.open_utxos(usize::try_from(parts).unwrap_or(1024).min(1024))?;
        let tx_count = self.load_chain()?.tx_count();
        let (plan, spools) = (&self.plan, &self.spools);
        let Memory { shards, outlets, .. } = &mut self.memory;
        self.pool.install(|| {
            shards.par_iter_mut().try_for_each(|shard| {
                outlets.with(plan, spools, |outlet| {
                    shard.drain(|slot| match spilled {
                        0 => outlet.unspent(spools, slot, tx_count),
                        _ => outlet.evicted(spools, slot),
                    })
                })
            })
        })?;
        outlets.flush(spools)?;
        spools.sync()?;
        self.enter(if spilled == 0 { Stage::Scripts } else { Stage::Join })?;
        self.snapshot_is_gone()
    }

    /// Joins all partitions.
    pub(super) fn join(&mut self, observer: &mut impl Observer) -> Result<Ended, ProcessError> {
        let mut outlets = Outlets::default();
        let parts = self.spools.evicted.parts();
        let tx_count = self.load_chain()?.tx_count();
        let mut missing: Missing = None;
        observer.bulk(&BulkProgress { phase: BulkPhase::Join, done: 0, total: parts as u64 });
        for start in (0..parts).step_by(self.plan.threads) {
            if observer.should_stop() {
                return Ok(Ended::Stopped);
            }
            let window = start..parts.min(start + self.plan.threads);
            let (build, outlets) = (&*self, &outlets);
            let joined: Result<Vec<Missing>, StoreError> = self.pool.install(|| {
                window
                    .clone()
                    .into_par_iter()
                    .map(|part| {
                        outlets.with(&build.plan, &build.spools, |outlet| {
                            build.join_part(part, tx_count, outlet)
                        })
                    })
                    .collect()
            });
            missing = joined?.into_iter().fold(missing, add);
            let (done, total) = (window.end as u64, parts as u64);
            observer.bulk(&BulkProgress { phase: BulkPhase::Join, done, total });
        }
        if let Some((count, by)) = missing {
            return Err(ProcessError::MissingOutputs { count, by });
        }
        outlets.flush(&self.spools)?;
        self.spools.sync()?;
        self.enter(Stage::Scripts)?;
        self.spools.evicted.clear()?;
        self.spools.spends.clear()?;
        Ok(Ended::Done)
    }

    fn join_part(
        &self,
        part: usize,
        tx_count: u64,
        outlet: &mut Outlet,
    ) -> Result<Missing, StoreError> {
        let bytes = self.spools.evicted.records_of(part) * Slot::LEN as u64
            + self.spools.spends.records_of(part) * SPEND as u64;
        // What is too much at once is read several times, a part of the names each.
        let passes = bytes.div_ceil(self.plan.sort_bytes as u64).clamp(1, 256);
        let mut missing = None;
        for pass in 0..passes {
            let wanted = |name: &[u8]| (u64::from(name[1]) * passes) >> 8 == pass;
            let mut outputs = self.spools.evicted.read(part, |slot| wanted(slot))?;
            let mut spends = self.spools.spends.read(part, |spend| wanted(spend))?;
            outputs.sort_unstable_by(by_bytes);
            spends.sort_unstable_by(by_bytes);
            missing = add(missing, self.join_sorted(&outputs, &spends, tx_count, outlet)?);
        }
        Ok(missing)
    }

    /// Outputs and spends ascend by name; of outputs with one name the last is the one that counts.
    fn join_sorted(
        &self,
        outputs: &[[u8; Slot::LEN]],
        spends: &[[u8; SPEND]],
        tx_count: u64,
        outlet: &mut Outlet,
    ) -> Result<Missing, StoreError> {
        let mut spends = spends.iter().peekable();
        let mut missing = None;
        for (place, bytes) in outputs.iter().enumerate() {
            let slot = Slot(*bytes);
            let name = slot.name();
            while let Some(spend) = spends.next_if(|spend| spend[..12] < name[..]) {
                missing = add(missing, Some((1, spender(spend).0)));
            }
            let next = outputs.get(place + 1).map(|next| Slot(*next));
            let by = match next.filter(|next| next.name() == name) {
                Some(overwriting) => Some(overwriting.tx_num()),
                None => spends.next_if(|spend| spend[..12] == name[..]).map(spender),
            };
            match by {
                Some(_) => outlet.script(&self.spools, slot.script(by))?,
                None => outlet.unspent(&self.spools, &slot, tx_count)?,
            }
        }
        Ok(spends.fold(missing, |missing, spend| add(missing, Some((1, spender(spend).0)))))
    }
}

fn spender(spend: &[u8; SPEND]) -> TxNum {
    TxNum::from_be_bytes(part(spend, 12))
}

fn add(one: Missing, two: Missing) -> Missing {
    match (one, two) {
        (Some((count, by)), Some((more, _))) => Some((count + more, by)),
        (one, two) => one.or(two),
    }
}
