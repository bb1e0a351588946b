//! Configuration: flags, environment and file become one validated [`Env`].
//!
//! Values are checked here and only here, all of them before anything is opened; what is wrong is reported at once, with the
//! place it came from. Nothing else reads the environment.

mod blocks_dir;
mod certificate_files;
mod coin;
mod command;
#[cfg(test)]
mod docs;
mod electrs;
mod env_file;
mod error;
mod limits;
mod load;
mod log;
mod node;
mod note;
mod open_files;
mod passthrough;
mod proxies;
mod service;
mod services;
mod settings;
mod surroundings;
mod variable;
mod variables;

pub use certificate_files::CertificateFiles;
pub use error::{EnvError, Problem};
pub use limits::SessionLimits;
pub use log::{LogConfig, LogFormat};
pub use note::Note;
pub use open_files::raise_open_files;
pub use service::{Protocol, Service};
pub use surroundings::Surroundings;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use electrumx_core::Height;
use electrumx_core::coin::Bitcoin;
use electrumx_daemon::{NodeUrl, ZmqConfig};
use ipnet::IpNet;

use crate::tasks::Task;

/// The configuration of a server.
///
/// Built by [`Env::of_process`] or [`Env::load`]; `docs/configuration.md` describes every variable.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Env {
    /// `COIN` and `NET`: the chain to index. Default: Bitcoin on the main network, or on the one of the local node.
    pub coin: Bitcoin,
    /// `DAEMON_URL`: the nodes with their logins, empty only if [`Self::offline`]; the first one is preferred. Default: the
    /// local node.
    pub nodes: Vec<NodeUrl>,
    /// `BLOCKS_DIR`: the node's block files, a directory that can be read; always there if [`Self::offline`]. Default: those of a
    /// node on this machine.
    pub blocks_dir: Option<PathBuf>,
    /// `OFFLINE`: whether no node is asked at all. Default: false.
    pub offline: bool,
    /// `DAEMON_POLL_INTERVAL_BLOCKS`: time between two questions for new blocks. Default 1 s (ElectrumX: 5 s): asking
    /// for a block hash is nothing to a node, and wallets see a new block that much sooner.
    pub poll_blocks: Duration,
    /// `DAEMON_POLL_INTERVAL_MEMPOOL`: the same for the mempool. Default 2 s (ElectrumX: 5 s): the answer is some megabytes
    /// when the mempool is full.
    pub poll_mempool: Duration,
    /// `ZMQ`: where the node tells of news at once. Default: where it says. Polling goes on in any case.
    pub zmq: ZmqConfig,
    /// `DB_DIRECTORY`: where the index is; absolute or relative to the working directory. It need not exist.
    pub db_directory: PathBuf,
    /// `CACHE_MB`: memory for indexing, in bytes. Default: a quarter of the memory, at most ElectrumX's 1,200 MB, at least
    /// 64 MB.
    pub cache_bytes: usize,
    /// `TEMP_DIR`: where the first sync keeps its temporary files. Default: in the database directory.
    pub temp_dir: Option<PathBuf>,
    /// `BULK_BLOCKS`: length of a chain from which on the first sync is done in bulk. Default: 5,000.
    pub bulk_blocks: Height,
    /// `COMPACT_MB`: growth of the tip of the index after which it is folded into the base, in bytes; `None`: never. Default: 2 GB.
    pub compact_bytes: Option<u64>,
    /// `REORG_LIMIT`: depth in blocks from which on a block counts as final. Default: the chain's.
    pub reorg_limit: Height,
    /// `SERVICES`: where to listen, `LocalRPC` included. No two share host and port.
    pub services: Vec<Service>,
    /// The Unix sockets among `SERVICES`: absolute paths.
    pub unix_sockets: Vec<PathBuf>,
    /// `SSL_CERTFILE` and `SSL_KEYFILE`. Default: a certificate of the server's own.
    pub certificate: Option<CertificateFiles>,
    /// `PROXY_PROTOCOL_FROM`: whose connections begin with a PROXY header. Default: nobody's.
    pub proxies: Vec<IpNet>,
    /// `REPORT_SERVICES`: where clients are told that this server is. Default: none.
    pub report_services: Vec<Service>,
    /// `PEER_DISCOVERY=self`: whether those are what clients are told that ask for servers. Default: no.
    pub lists_itself: bool,
    /// `BANNER_FILE`: the text for clients; relative names are below [`Self::db_directory`], as in ElectrumX.
    pub banner_file: Option<PathBuf>,
    /// `DONATION_ADDRESS`; empty by default.
    pub donation_address: String,
    /// `DAEMON_PASSTHROUGH`: methods of the node's that clients may call. Default: none.
    pub passthrough: BTreeSet<String>,
    /// What sessions may use up.
    pub sessions: SessionLimits,
    /// `ANON_LOGS`: whether client addresses must not be logged, whatever the level. Default: false.
    pub anon_logs: bool,
    /// How to log.
    pub log: LogConfig,
    /// What to do instead of serving.
    pub task: Option<Task>,
    notes: Vec<Note>,
}

impl Env {
    /// Reads the configuration of this process.
    ///
    /// ```no_run
    /// let env = electrumx_server::env::Env::of_process().unwrap_or_else(|error| error.exit());
    /// ```
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn of_process() -> Result<Self, EnvError> {
        Self::load(std::env::args_os(), &Surroundings::of_process())
    }

    /// Returns what was chosen and why, and what is set in vain. No password is in it.
    #[must_use]
    pub fn report(&self) -> &[Note] {
        &self.notes
    }

    /// Writes [`Self::report`] to the log.
    pub fn log_report(&self) {
        for note in &self.notes {
            if note.warning {
                tracing::warn!("{}", note.text);
            } else {
                tracing::info!("{}", note.text);
            }
        }
    }

    /// Returns the services that speak a protocol.
    pub fn services_of(&self, protocol: Protocol) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |service| service.protocol == protocol)
    }
}
