//! The LMDB environment: the only unsafe code of the crate.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::Path;

use heed::{EnvFlags, EnvOpenOptions, WithoutTls};

use crate::create::slots_of;

/// An environment whose read transactions are owned, `Send` and independent of threads.
pub(crate) type Env = heed::Env<WithoutTls>;

/// Named tables the environment may hold; more than there are, so that a schema can grow.
const MAX_TABLES: u32 = 32;

/// Bytes of a reader slot; what comes before the slots takes the room of a few.
const SLOT: u64 = 64;
const SLOTS_OF_HEAD: u64 = 4;

/// Opens or creates a single-file environment.
///
/// The caller must hold the exclusive lock of the directory.
#[expect(unsafe_code, reason = "heed opens memory maps; see the SAFETY comment")]
pub(crate) fn open(path: &Path, map_bytes: usize, max_readers: u32) -> heed::Result<Env> {
    reserve_slots(path, max_readers)?;
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_bytes).max_readers(max_readers).max_dbs(MAX_TABLES);
    // SAFETY: the map is sound as long as nobody else changes the file. The directory's lock file is
    // held by this process alone, and heed refuses to open one file twice in a process. Neither flag
    // weakens LMDB's own safety: NO_SUB_DIR names the file itself, NO_READ_AHEAD is an madvise (a cold
    // random read fetches 7 kB instead of 1.6 MB).
    unsafe {
        options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_READ_AHEAD);
        options.open(path)
    }
}

/// Gives the file of the reader slots its room on the disk.
///
/// LMDB itself only sets its length and then writes through a memory map: on a full disk that is no error but a signal
/// that ends the process, when the file is opened or when more readers come than ever before.
fn reserve_slots(path: &Path, max_readers: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(slots_of(path))?;
    let wanted = (u64::from(max_readers) + SLOTS_OF_HEAD) * SLOT;
    let lacking = wanted.saturating_sub(file.metadata()?.len());
    io::copy(&mut io::repeat(0).take(lacking), &mut file).map(drop)
}

/// Opens a file that nobody writes any more: no locks, no reader slots.
#[expect(unsafe_code, reason = "heed opens memory maps; see the SAFETY comment")]
pub(crate) fn open_immutable(path: &Path) -> heed::Result<Env> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(MAX_TABLES);
    // SAFETY: as above. Without locks LMDB does not know of readers, which matters only to writers, and
    // a base has none: it is complete before it gets its name.
    unsafe {
        options.flags(
            EnvFlags::NO_SUB_DIR
                | EnvFlags::NO_READ_AHEAD
                | EnvFlags::READ_ONLY
                | EnvFlags::NO_LOCK,
        );
        options.open(path)
    }
}

/// Maps the file anew with another size.
///
/// The caller must make sure that no transaction is open in this process.
#[expect(unsafe_code, reason = "LMDB moves its map; see the SAFETY comment")]
pub(crate) fn resize(env: &Env, map_bytes: usize) -> heed::Result<()> {
    // SAFETY: `Published::without_views` calls this while no view exists and none can be opened, on the
    // thread that holds the writer's lock and has dropped its transaction.
    unsafe { env.resize(map_bytes) }
}
