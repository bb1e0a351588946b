//! Why a store cannot be opened.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use electrumx_core::bitcoin::BlockHash;

/// Why [`LmdbStore::open`](crate::LmdbStore::open) refused; every message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error("cannot {action} {}; check the path, its owner and its permissions", path.display())]
    Access {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The directory holds something else.
    #[error(
        "{} is not a database directory of this server: {found}; choose an empty or a new directory",
        dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// What was found there.
        found: String,
    },
    /// Another process has the store open.
    #[error(
        "{} is in use by {}; stop it, or give this server its own directory",
        dir.display(),
        pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Id of the process that holds the lock, where known.
        pid: Option<u32>,
    },
    /// The index is of another coin.
    #[error(
        "the database in {} is of coin {found}, not {wanted}; change the coin or the directory",
        dir.display()
    )]
    WrongCoin {
        /// The directory.
        dir: PathBuf,
        /// The coin of the index.
        found: String,
        /// The coin asked for.
        wanted: String,
    },
    /// The index is of another network.
    #[error(
        "the database in {} is of network {found}, not {wanted}; change the network or the directory",
        dir.display()
    )]
    WrongNet {
        /// The directory.
        dir: PathBuf,
        /// The network of the index.
        found: String,
        /// The network asked for.
        wanted: String,
    },
    /// The index starts with another block 0.
    #[error(
        "the database in {} begins with genesis block {found}, not {wanted}; it is of another chain: change the directory",
        dir.display()
    )]
    WrongGenesis {
        /// The directory.
        dir: PathBuf,
        /// Block 0 of the index.
        found: BlockHash,
        /// Block 0 of the chain asked for.
        wanted: BlockHash,
    },
    /// A newer server wrote the index.
    #[error(
        "the database in {} has schema {found}, newer than {supported}; run the server version that wrote it, or remove the directory to index anew",
        dir.display()
    )]
    NewerSchema {
        /// The directory.
        dir: PathBuf,
        /// Schema of the index.
        found: u32,
        /// Newest schema this version reads.
        supported: u32,
    },
    /// An older server wrote the index, and this one cannot convert it.
    #[error(
        "the database in {} has schema {found}, older than {supported} and not supported any more; remove the directory to index anew",
        dir.display()
    )]
    OlderSchema {
        /// The directory.
        dir: PathBuf,
        /// Schema of the index.
        found: u32,
        /// Oldest schema this version reads.
        supported: u32,
    },
    /// The system gives no map of that size.
    #[error(
        "cannot map {bytes} bytes of address space; lower the map size or raise the limit (ulimit -v)"
    )]
    Map {
        /// Size asked for in bytes.
        bytes: usize,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; make room and start again", dir.display())]
    Full {
        /// The directory.
        dir: PathBuf,
    },
    /// Stored bytes make no sense.
    #[error("the database in {} is damaged: {what}; remove the directory to index anew", dir.display())]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// The system gives no random bytes.
    #[error("cannot draw the secret of a new database")]
    Random(#[source] Box<dyn Error + Send + Sync>),
    /// The storage engine failed.
    #[error("cannot {action} the database in {}", dir.display())]
    Engine {
        /// What was attempted.
        action: &'static str,
        /// The directory.
        dir: PathBuf,
        /// The engine's error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
