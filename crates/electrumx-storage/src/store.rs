//! The store.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use electrumx_core::{BlockDelta, BlockId, ChainView, HashXKey, Height, Index, Store, StoreError};
use heed::RwTxn;

use crate::append::{self, Buffers};
use crate::chain::Chain;
use crate::directory::tip_file;
use crate::env;
use crate::failure::{Failure, backend};
use crate::identity::Identity;
use crate::malformed;
use crate::open_error::OpenError;
use crate::options::Options;
use crate::shared::Shared;
use crate::unwind;
use crate::view::LmdbView;

/// An index in LMDB files.
///
/// Writes are serialised: the thread that calls [`append`](Store::append) does the work, in one
/// transaction a call, and others wait. In the server that is the block processor's thread alone.
/// Views are independent of it: they never wait for a write, nor a write for them, except when the
/// memory map must grow (see [`Options::map_size_bytes`]).
#[derive(Debug)]
pub struct LmdbStore {
    /// Replaced when the base is.
    shared: RwLock<Arc<Shared>>,
    writer: Mutex<Writer>,
    pub(crate) identity: Identity,
    pub(crate) options: Options,
}

#[derive(Default, Debug)]
pub(crate) struct Writer {
    buffers: Buffers,
    poisoned: bool,
}

impl LmdbStore {
    /// Opens the store in `dir`, and creates both as necessary.
    ///
    /// The directory belongs to the store alone, and to one process at a time: a file `LOCK` in it is
    /// locked until the store and all its views are dropped.
    ///
    /// # Errors
    /// [`OpenError`] when the directory cannot be used, is in use, or holds an index of another chain
    /// or schema. Nothing is changed then.
    pub fn open(dir: &Path, identity: &Identity, options: Options) -> Result<Self, OpenError> {
        let shared = Arc::new(crate::open::open(dir, identity, &options)?);
        let (chain, base) = (shared.published.chain(), shared.meta.base);
        tracing::debug!(dir = %dir.display(), blocks = chain.len(), ?base, "opened the index");
        let identity = identity.clone();
        Ok(Self { shared: RwLock::new(shared), writer: Mutex::default(), identity, options })
    }

    /// Closes the store after its views, for which it waits at most that long, and tells whether it
    /// did.
    ///
    /// Not to call it loses nothing: what was committed is on the disk.
    pub fn close(self, patience: Duration) -> bool {
        self.shared().published.wait_for_views(patience)
    }

    /// No invariant spans a panic, so a poisoned lock is as good as any.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows another state from now on; the writer's lock must be held.
    pub(crate) fn switch(&self, shared: Arc<Shared>) {
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = shared;
    }

    pub(crate) fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let writer = self.writer.lock().map_err(|_| StoreError::Poisoned)?;
        if writer.poisoned { Err(StoreError::Poisoned) } else { Ok(writer) }
    }
}

impl Writer {
    /// Appends checked blocks.
    pub(crate) fn append(
        &mut self,
        shared: &Shared,
        blocks: &[BlockDelta],
    ) -> Result<(), StoreError> {
        let Some(last) = blocks.last() else { return Ok(()) };
        let chain = shared.published.chain();
        let ends = malformed::ends(&chain, blocks)?;
        let next = chain.extended(ends, last.id);
        self.write(shared, "append blocks", next, |txn, buffers| {
            append::append(txn, shared, &chain, blocks, buffers)
        })
    }

    /// Removes all blocks but the first `len`, of which the base has no more. Returns the tip.
    pub(crate) fn unwind(
        &mut self,
        shared: &Shared,
        len: u32,
    ) -> Result<Option<BlockId>, StoreError> {
        let chain = shared.published.chain();
        let txn = shared.env.read_txn().map_err(backend("read"))?;
        let tip = unwind::tip_at(&txn, shared, len)?;
        drop(txn);
        let next = chain.truncated(len as usize, tip);
        self.write(shared, "unwind blocks", next, |txn, _| {
            unwind::unwind(txn, shared, &chain, len)
        })?;
        Ok(tip)
    }

    /// Runs one transaction that leads to `next`; a full map is enlarged and the transaction repeated.
    fn write(
        &mut self,
        shared: &Shared,
        action: &'static str,
        next: Chain,
        change: impl Fn(&mut RwTxn<'_>, &mut Buffers) -> Result<(), Failure>,
    ) -> Result<(), StoreError> {
        let (next, file) = (Arc::new(next), tip_file(&shared.dir));
        let Shared { env, published, dir, .. } = shared;
        loop {
            let begun = env.write_txn();
            let mut txn = begun.map_err(|e| Failure::from(e).into_store_error(action, dir))?;
            let failure = match change(&mut txn, &mut self.buffers) {
                Ok(()) => {
                    published.announce(txn.id(), Arc::clone(&next));
                    let committed = txn.commit();
                    published.conclude(committed.is_ok());
                    let Err(error) = committed else { return Ok(()) };
                    let failure = Failure::Engine(error).clarified(&file);
                    // Without room nothing was changed; after any other failure who knows what the
                    // disk holds, and LMDB must read it anew.
                    self.poisoned = !failure.leaves_the_file_intact();
                    failure
                }
                Err(failure) => {
                    drop(txn);
                    failure.clarified(&file)
                }
            };
            if !failure.is_map_full() {
                return Err(failure.into_store_error(action, dir));
            }
            grow(shared)?;
        }
    }
}

/// Doubles the memory map.
fn grow(shared: &Shared) -> Result<(), StoreError> {
    let Shared { env, published, patience, .. } = shared;
    let old = env.info().map_size;
    let Some(new) = old.checked_mul(2) else {
        return Err(backend("double the memory map")(heed::Error::Mdb(heed::MdbError::MapFull)));
    };
    tracing::info!(old, new, "enlarging the memory map of the index");
    let resized = published.without_views(*patience, || match env::resize(env, new) {
        Ok(()) => (Ok(()), true),
        // LMDB has unmapped the file by now; without a map every access would be a crash.
        Err(error) => (Err(error), env::resize(env, old).is_ok()),
    });
    match resized {
        Ok(result) => result.map_err(backend("enlarge the memory map")),
        Err(open) => {
            Err(StoreError::Backend { action: "enlarge the memory map", source: Box::new(open) })
        }
    }
}

impl Index for LmdbStore {
    fn view(&self) -> Result<Box<dyn ChainView>, StoreError> {
        Ok(Box::new(LmdbView::open(&self.shared())?))
    }

    fn hashx_key(&self) -> HashXKey {
        self.shared().meta.hashx_key
    }
}

impl Store for LmdbStore {
    fn append(&self, blocks: &[BlockDelta]) -> Result<(), StoreError> {
        self.writer()?.append(&self.shared(), blocks)
    }

    fn unwind_to(&self, height: Option<Height>) -> Result<Option<BlockId>, StoreError> {
        let mut writer = self.writer()?;
        let shared = self.shared();
        let chain = shared.published.chain();
        let len = height.map_or(0, |height| height.saturating_add(1));
        if len as usize >= chain.len() {
            return Ok(chain.tip());
        }
        if let Some(base) = &shared.base {
            if height.is_none() {
                drop(chain);
                self.install(&mut writer, None)?;
                return Ok(None);
            }
            if len < base.end().blocks {
                return Err(StoreError::BelowBase { base: base.tip });
            }
        }
        writer.unwind(&shared, len)
    }
}
