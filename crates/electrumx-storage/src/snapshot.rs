//! What both tiers hold at a moment.

use electrumx_core::StoreError;
use heed::{RoTxn, WithoutTls};

use crate::base::{Base, BaseTxn};
use crate::env::Env;
use crate::failure::backend;

/// A read transaction on the tip tier, and one on the base below it if there is one.
pub(crate) struct Snapshot {
    pub(crate) tip: RoTxn<'static, WithoutTls>,
    pub(crate) base: Option<BaseTxn>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Begins to read.
    pub(crate) fn open(env: &Env, base: Option<&Base>) -> Result<Self, StoreError> {
        Ok(Self {
            base: base.map(Base::txn).transpose()?,
            tip: env.clone().static_read_txn().map_err(backend("open a snapshot"))?,
        })
    }

    /// Returns the number of the commit that the tip tier is shown after.
    pub(crate) fn id(&self) -> usize {
        self.tip.id()
    }
}
