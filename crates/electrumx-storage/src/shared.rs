//! What a store and its views own together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use electrumx_core::StoreError;

use crate::base::Base;
use crate::chain::Chain;
use crate::chain_rows;
use crate::dir_lock::DirLock;
use crate::env::Env;
use crate::failure::backend;
use crate::meta::Meta;
use crate::published::Published;
use crate::tables::{Origin, Tables};

/// A tip tier and the base below it.
///
/// It lives as long as the store or any of its views use it; the lock goes last. A switch to another
/// base makes another one.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) tables: Tables,
    pub(crate) meta: Meta,
    pub(crate) base: Option<Arc<Base>>,
    pub(crate) published: Published,
    pub(crate) dir: PathBuf,
    /// See [`Options::patience`](crate::Options::patience).
    pub(crate) patience: Duration,
    pub(crate) lock: Arc<DirLock>,
}

impl Shared {
    /// Joins the parts, and reads what is kept in memory.
    pub(crate) fn new(
        env: Env,
        tables: Tables,
        meta: Meta,
        base: Option<Arc<Base>>,
        dir: &Path,
        patience: Duration,
        lock: Arc<DirLock>,
    ) -> Result<Self, StoreError> {
        let origin = base.as_ref().map(|base| base.end()).unwrap_or_default();
        let before = base.as_ref().map_or_else(Chain::default, |base| base.chain.clone());
        let txn = env.read_txn().map_err(backend("read"))?;
        let chain = chain_rows::load(&txn, &tables.chain, origin, &before)?;
        let published = Published::new(txn.id(), chain);
        drop(txn);
        Ok(Self { env, tables, meta, base, published, dir: dir.into(), patience, lock })
    }

    /// Where the tip tier begins.
    pub(crate) fn origin(&self) -> Origin {
        self.base.as_ref().map(|base| base.end()).unwrap_or_default()
    }
}
