//! The tip tier: its tables say the same.

use electrumx_core::processor::Observer;
use electrumx_core::{ChainView as _, OutputState, StoreError};

use super::Check;
use crate::shared::Shared;

impl<C, O: Observer> Check<'_, C, O> {
    /// Checks the blocks above the base one by one, and that there is nothing besides.
    pub(super) fn tip_tier(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let blocks = self.report.tip.map_or(0, |tip| tip.height + 1);
        let (mut outputs, mut spends, mut base_spends) = (0, 0, 0);
        for height in shared.origin().blocks..blocks {
            if self.report.stopped {
                return Ok(());
            }
            let delta = self.view.delta(height);
            let Some(delta) = self.report.take(delta)? else { continue };
            let numbers = self.view.block_txs(height);
            for (output, row) in &delta.outputs {
                let state = self.view.output_state(&row.hashx, *output)?;
                let agrees = match state {
                    Some(OutputState::Unspent(value)) => value == row.value,
                    Some(OutputState::SpentBy(_)) => true,
                    None => false,
                };
                self.report
                    .ensure(agrees, || format!("{output:?} is not in the list of its script"));
            }
            for spend in &delta.spends {
                let by = spend.by.0;
                self.report.ensure(numbers.contains(&by), || {
                    format!("{:?} is spent in block {height}, but by {by}", spend.output)
                });
            }
            outputs += delta.outputs.len() as u64;
            spends += delta.spends.len() as u64;
            let base_txs = shared.origin().txs;
            base_spends +=
                delta.spends.iter().filter(|spend| spend.output.tx_num.0 < base_txs).count() as u64;
        }
        let tables = &shared.tables;
        let expected = [
            (tables.outputs, outputs),
            (tables.scripts, outputs + base_spends),
            (tables.spends, spends),
            (tables.txid_index, self.report.txs.saturating_sub(shared.origin().txs)),
        ];
        for (table, expected) in expected {
            let found = table.db.len(self.view.txn()).map_err(crate::failure::backend("read"))?;
            self.report.ensure(found == expected, || {
                format!("table {} has {found} rows, its blocks make {expected}", table.name)
            });
        }
        Ok(())
    }
}
