//! Checking an index: whether its tables agree with each other and with what blocks commit to.

mod chain;
mod outputs;
mod tip;

use electrumx_core::coin::Coin;
use electrumx_core::processor::{BulkPhase, BulkProgress, Observer};
use electrumx_core::{BlockId, ChainView as _, StoreError};

use crate::store::LmdbStore;
use crate::view::LmdbView;

/// Most problems that are described; more are only counted.
const DESCRIBED: usize = 20;

/// What a check has found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CheckReport {
    /// The last block.
    pub tip: Option<BlockId>,
    /// Transactions.
    pub txs: u64,
    /// Outputs by script, spent or not.
    pub outputs: u64,
    /// Outputs that are unspent: `txouts` of the node's `gettxoutsetinfo`.
    pub utxos: u64,
    /// Their sum in satoshis: `total_amount` there.
    pub amount: u64,
    /// How many things are wrong.
    pub problems: u64,
    /// The first of them, in words.
    pub descriptions: Vec<String>,
    /// Whether the observer has stopped it before the end.
    pub stopped: bool,
}

impl CheckReport {
    /// Tells whether the whole index was checked and nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems == 0 && !self.stopped
    }

    fn problem(&mut self, what: impl FnOnce() -> String) {
        self.problems += 1;
        if self.descriptions.len() < DESCRIBED {
            self.descriptions.push(what());
        }
    }

    /// Notes a problem unless something holds.
    fn ensure(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.problem(what);
        }
    }

    /// Takes damage for a problem; other errors end the check.
    fn take<T>(&mut self, result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ StoreError::Corrupt { .. }) => {
                self.problem(|| error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// A check under way.
struct Check<'a, C, O> {
    coin: &'a C,
    view: &'a LmdbView,
    observer: &'a mut O,
    report: CheckReport,
}

impl LmdbStore {
    /// Reads the whole index and checks that all of it fits together.
    ///
    /// Checked are: headers, hashes and links; each block's transaction ids against its header's merkle
    /// root; positions; that every transaction is found by its id; order and ranges of all outputs by script; that
    /// spenders exist; that the unspent outputs by script are those by number, in count, amount and content; and
    /// in the tip tier that outputs, scripts, spends and inputs are the same facts.
    ///
    /// # Errors
    /// When the storage engine fails. Damage is no error but in the report.
    pub fn check<C: Coin>(
        &self,
        coin: &C,
        observer: &mut impl Observer,
    ) -> Result<CheckReport, StoreError> {
        let shared = self.shared();
        let view = LmdbView::open(&shared)?;
        let report =
            CheckReport { tip: view.tip(), txs: view.tx_count(), ..CheckReport::default() };
        let mut check = Check { coin, view: &view, observer, report };
        // What a part cannot get past is one problem; the others are checked all the same.
        for part in [Check::chain, Check::txid_index, Check::outputs, Check::tip_tier] {
            let done = part(&mut check, &shared);
            check.report.take(done)?;
        }
        Ok(check.report)
    }
}

impl<C, O: Observer> Check<'_, C, O> {
    /// Tells of progress now and then, and whether to go on.
    fn step(&mut self, phase: BulkPhase, done: u64, total: u64) -> bool {
        if done.is_multiple_of(1 << 14) || done == total {
            self.observer.bulk(&BulkProgress { phase, done, total });
            self.report.stopped |= self.observer.should_stop();
        }
        !self.report.stopped
    }
}
