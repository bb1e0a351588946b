#![doc = include_str!("../README.md")]

mod block_tree;
mod close;
mod config;
mod costs;
mod error;
mod fees;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod generations;
mod handlers;
mod handover;
mod header_chunk;
mod header_file;
mod header_merkle;
mod height_range;
mod hub;
mod json;
mod jsonrpc;
mod long;
mod look_ahead;
mod methods;
mod node;
mod outlet;
mod outpoint;
mod pace;
mod padding;
mod params;
mod peer;
mod plain;
mod posting;
mod reader;
mod script;
mod script_cache;
mod serve;
mod service;
mod session;
mod stats;
mod subscribers;
mod tx_height;
mod varints;
mod version;

pub use close::CloseReason;
pub use config::{CacheSizes, CostLimits, HostPorts, Limits, ServiceConfig};
pub use methods::{EXTENSIONS, METHODS, MethodInfo, Offered, Param, ParamKind};
pub use node::{FeeMode, MempoolInfo, Node, NodeError, NodeVersion};
pub use padding::Padding;
pub use peer::{PeerInfo, Transport};
pub use regex::Regex;
pub use serde_json::value::RawValue;
pub use serve::serve;
pub use service::Service;
pub use stats::{CacheStats, GroupInfo, SessionInfo, Totals};
pub use tokio_util::sync::CancellationToken;
pub use version::{ParseVersionError, ProtocolVersion};
