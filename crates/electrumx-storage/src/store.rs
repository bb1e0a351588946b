//! The store.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
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

/// An index in an LMDB file.
///
/// Writes are serialised: the thread that calls [`append`](Store::append) does the work, in one
/// transaction a call, and others wait. In the server that is the block processor's thread alone.
/// Views are independent of it: they never wait for a write, nor a write for them, except when the
/// memory map must grow (see [`Options::map_size_bytes`]).
#[derive(Debug)]
pub struct LmdbStore {
    pub(crate) shared: Arc<Shared>,
    writer: Mutex<Writer>,
}

#[derive(Default, Debug)]
struct Writer {
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
        let chain = shared.published.chain();
        tracing::debug!(dir = %dir.display(), blocks = chain.len(), "opened the index");
        Ok(Self { shared, writer: Mutex::default() })
    }

    /// Closes the store after its views, for which it waits at most that long, and tells whether it
    /// did.
    ///
    /// Not to call it loses nothing: what was committed is on the disk.
    pub fn close(self, patience: Duration) -> bool {
        self.shared.published.wait_for_views(patience)
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let writer = self.writer.lock().map_err(|_| StoreError::Poisoned)?;
        if writer.poisoned { Err(StoreError::Poisoned) } else { Ok(writer) }
    }

    /// Runs one transaction that leads to `next`; a full map is enlarged and the transaction repeated.
    fn write(
        &self,
        writer: &mut Writer,
        action: &'static str,
        next: Chain,
        change: impl Fn(&mut RwTxn<'_>, &mut Buffers) -> Result<(), Failure>,
    ) -> Result<(), StoreError> {
        let (next, file) = (Arc::new(next), tip_file(&self.shared.dir));
        let Shared { env, published, dir, .. } = &*self.shared;
        loop {
            let begun = env.write_txn();
            let mut txn = begun.map_err(|e| Failure::from(e).into_store_error(action, dir))?;
            let failure = match change(&mut txn, &mut writer.buffers) {
                Ok(()) => {
                    published.announce(txn.id(), Arc::clone(&next));
                    let committed = txn.commit();
                    published.conclude(committed.is_ok());
                    let Err(error) = committed else { return Ok(()) };
                    let failure = Failure::Engine(error).clarified(&file);
                    // Without room nothing was changed; after any other failure who knows what the
                    // disk holds, and LMDB must read it anew.
                    writer.poisoned = !failure.leaves_the_file_intact();
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
            self.grow()?;
        }
    }

    /// Doubles the memory map.
    fn grow(&self) -> Result<(), StoreError> {
        let Shared { env, published, patience, .. } = &*self.shared;
        let old = env.info().map_size;
        let Some(new) = old.checked_mul(2) else {
            return Err(backend("double the memory map")(heed::Error::Mdb(
                heed::MdbError::MapFull,
            )));
        };
        tracing::info!(old, new, "enlarging the memory map of the index");
        let resized = published.without_views(*patience, || match env::resize(env, new) {
            Ok(()) => (Ok(()), true),
            // LMDB has unmapped the file by now; without a map every access would be a crash.
            Err(error) => (Err(error), env::resize(env, old).is_ok()),
        });
        match resized {
            Ok(result) => result.map_err(backend("enlarge the memory map")),
            Err(open) => Err(StoreError::Backend {
                action: "enlarge the memory map",
                source: Box::new(open),
            }),
        }
    }
}

impl Index for LmdbStore {
    fn view(&self) -> Result<Box<dyn ChainView>, StoreError> {
        Ok(Box::new(LmdbView::open(&self.shared)?))
    }

    fn hashx_key(&self) -> HashXKey {
        self.shared.meta.hashx_key
    }
}

impl Store for LmdbStore {
    fn append(&self, blocks: &[BlockDelta]) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        let Some(last) = blocks.last() else { return Ok(()) };
        let Shared { tables, meta, published, .. } = &*self.shared;
        let chain = published.chain();
        let ends = malformed::ends(&chain, blocks)?;
        let next = chain.extended(ends, last.id);
        self.write(&mut writer, "append blocks", next, |txn, buffers| {
            append::append(txn, tables, meta.prefix_len, &chain, blocks, buffers)
        })
    }

    fn unwind_to(&self, height: Option<Height>) -> Result<Option<BlockId>, StoreError> {
        let mut writer = self.writer()?;
        let Shared { tables, meta, published, .. } = &*self.shared;
        let chain = published.chain();
        let len = height.map_or(0, |height| height.saturating_add(1));
        if len as usize >= chain.len() {
            return Ok(chain.tip());
        }
        let txn = self.shared.env.read_txn().map_err(backend("read"))?;
        let tip = unwind::tip_at(&txn, tables, len)?;
        drop(txn);
        let next = chain.truncated(len as usize, tip);
        self.write(&mut writer, "unwind blocks", next, |txn, _| {
            unwind::unwind(txn, tables, meta.prefix_len, &chain, len)
        })?;
        Ok(tip)
    }
}
