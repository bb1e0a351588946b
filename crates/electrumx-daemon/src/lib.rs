#![doc = include_str!("../README.md")]

mod auth;
mod backoff;
mod block_files;
mod check;
mod client;
mod config;
mod error;
mod node_url;
mod prefetcher;
mod rpc;
mod transport;
mod zmq;

pub use auth::Auth;
pub use block_files::{BlockFiles, BlockFilesError, FilesAlone, FilesWithNode, ScanProgress};
pub use check::NodeCheck;
pub use client::Daemon;
pub use config::DaemonConfig;
pub use error::DaemonError;
pub use node_url::{NodeUrl, ParseNodeUrlError};
pub use prefetcher::{PrefetchConfig, Prefetcher};
pub use rpc::{
    BlockchainInfo, EstimateMode, MempoolAccept, MempoolInfo, NetworkInfo, PackageResult,
    RejectedTx, SequencedMempool, ZmqNotification,
};
pub use zmq::{RecentTxs, ZmqConfig, ZmqEvent, ZmqFeed};
