//! Test equipment: a real regtest node, a naive chain scan, an Electrum client.
//!
//! Everything blocks and stands apart from the other crates, so that what it says about the chain can be
//! held against them. See the crate's README for the API at a glance.

mod client;
mod exe;
mod http;
mod mine;
mod node;
mod node_builder;
mod ports;
mod purse;
mod reorg;
mod rpc;
mod rpc_error;
mod server;
mod wait;

pub use client::{ElectrumClient, Notification};
pub use exe::{bitcoind_exe, electrum_exe, repo_root};
pub use mine::{Content, fresh_script, kit_script};
pub use node::Regtest;
pub use node_builder::{Auth, Chain, RegtestBuilder};
pub use ports::ReservedPort;
pub use reorg::Replacement;
pub use rpc::{NodeClient, NodeError};
pub use rpc_error::RpcError;
pub use rustix::process::Signal;
pub use server::{ServerProcess, node_env};
pub use wait::wait_until;
