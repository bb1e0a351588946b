#![doc = include_str!("../README.md")]

mod block_tree;
mod close;
mod config;
mod error;
mod fees;
mod frame;
mod generations;
mod handlers;
mod header_merkle;
mod hub;
mod json;
mod jsonrpc;
mod node;
mod outlet;
mod outpoint;
mod pace;
mod params;
mod peer;
mod reader;
mod script;
mod script_cache;
mod serve;
mod service;
mod session;
mod stats;
mod version;

pub use close::CloseReason;
pub use config::{CacheSizes, HostPorts, Limits, ServiceConfig};
pub use node::{FeeMode, MempoolInfo, Node, NodeError, NodeVersion};
pub use peer::{PeerInfo, Transport};
pub use serde_json::value::RawValue;
pub use serve::serve;
pub use service::Service;
pub use stats::{CacheStats, SessionInfo, Totals};
pub use tokio_util::sync::CancellationToken;
pub use version::{ParseVersionError, ProtocolVersion};
