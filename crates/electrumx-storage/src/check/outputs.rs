//! Outputs by script against unspent outputs by number.

use std::hash::Hasher as _;

use electrumx_core::processor::{BulkPhase, Observer};
use electrumx_core::{HashX, OutputNum, OutputRow, OutputState, StoreError};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::Check;
use crate::base::ScriptEntry;
use crate::shared::Shared;
use crate::walk::{Merged, Scripts};

/// A set of unspent outputs: how many, how much, and a sum of hashes that tells sets apart.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct UtxoSet {
    count: u64,
    amount: u64,
    sum: u128,
}

impl UtxoSet {
    fn add(&mut self, output: OutputNum, row: &OutputRow) {
        let mut hasher = SipHasher13::new();
        hasher.write(&output.tx_num.to_be_bytes());
        hasher.write(&output.vout.to_be_bytes());
        hasher.write(row.hashx.as_bytes());
        hasher.write(&row.value.to_be_bytes());
        self.count += 1;
        self.amount = self.amount.saturating_add(row.value);
        self.sum = self.sum.wrapping_add(hasher.finish128().as_u128());
    }
}

impl<C, O: Observer> Check<'_, C, O> {
    /// Walks the outputs by script in both tiers at once, and then the unspent ones by number.
    pub(super) fn outputs(&mut self, shared: &Shared) -> Result<(), StoreError> {
        if self.report.stopped {
            return Ok(());
        }
        let (mut by_script, mut base_by_script) = (UtxoSet::default(), UtxoSet::default());
        let mut scripts = Scripts::new(shared, self.view, self.report.txs)?;
        let (mut last, mut count) = (None, 0);
        while let Some(Merged { entry, in_base }) = scripts.next()? {
            let output = entry.output;
            match in_base {
                Some(OutputState::Unspent(value)) => {
                    base_by_script.add(output, &OutputRow { hashx: entry.hashx, value });
                }
                Some(spent) => {
                    let once = spent == entry.state;
                    self.report.ensure(once, || format!("{output:?} is spent twice"));
                }
                None => {}
            }
            count += u64::from(in_base.is_some());
            self.entry(&entry, &mut last, &mut by_script);
            if !self.step(BulkPhase::Scripts, self.report.outputs, self.report.txs * 3) {
                return Ok(());
            }
        }
        let wanted = shared.base.as_ref().map_or(0, |base| base.outputs);
        self.report.ensure(count == wanted, || format!("{count} of {wanted} outputs in the base"));
        let (by_number, base_by_number) = self.by_number(shared)?;
        self.report.ensure(base_by_script == base_by_number || self.report.stopped, || {
            let (one, two) = (base_by_script.count, base_by_number.count);
            format!("unspent outputs in the base: {one} by script, {two} by number, or others")
        });
        self.report.ensure(by_script == by_number || self.report.stopped, || {
            format!(
                "unspent outputs by script are {} of {} satoshis, by number {} of {}, or differ in content",
                by_script.count, by_script.amount, by_number.count, by_number.amount
            )
        });
        (self.report.utxos, self.report.amount) = (by_script.count, by_script.amount);
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &ScriptEntry,
        last: &mut Option<(HashX, OutputNum)>,
        unspent: &mut UtxoSet,
    ) {
        let txs = self.report.txs;
        self.report.outputs += 1;
        let output = entry.output;
        self.report.ensure(output.tx_num.0 < txs, || format!("{output:?} is of no transaction"));
        let ascends = last.is_none_or(|last| last < entry.place());
        self.report.ensure(ascends, || format!("{output:?} is out of order"));
        *last = Some(entry.place());
        match entry.state {
            OutputState::Unspent(value) => {
                unspent.add(output, &OutputRow { hashx: entry.hashx, value });
            }
            OutputState::SpentBy(by) => {
                self.report.ensure(by.0 < txs, || format!("{output:?} is spent by no transaction"));
            }
        }
    }

    /// Walks the unspent outputs by number: returns those of both tiers, and those of the base as it is.
    fn by_number(&mut self, shared: &Shared) -> Result<(UtxoSet, UtxoSet), StoreError> {
        let (mut found, mut in_base) = (UtxoSet::default(), UtxoSet::default());
        let (view, txs, base_txs) = (self.view, self.report.txs, shared.origin().txs);
        let mut last = None;
        view.each_output(0..txs, |output, row| {
            let ascends = last.is_none_or(|last| last < output);
            self.report.ensure(ascends, || format!("{output:?} is out of order by number"));
            last = Some(output);
            if output.tx_num.0 < base_txs {
                in_base.add(output, &row);
            }
            if view.spender(output)?.is_none() {
                found.add(output, &row);
                self.step(BulkPhase::Utxos, found.count, txs);
            }
            Ok(())
        })?;
        Ok((found, in_base))
    }
}
