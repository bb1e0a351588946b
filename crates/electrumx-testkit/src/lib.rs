//! Test equipment: a real regtest node, a naive chain scan, an Electrum client.
//!
//! Everything blocks and stands apart from the other crates, so that what it says about the chain can be
//! held against them. See the crate's README for the API at a glance.

mod client;
mod coins;
mod exe;
mod http;
mod life;
mod made_up;
mod merkle;
mod mine;
mod node;
mod node_builder;
mod pool;
mod ports;
mod purse;
mod real_data;
mod reorg;
mod rpc;
mod rpc_error;
mod scripts;
mod server;
mod sign;
mod traffic;
mod truth;
mod wait;

pub use client::{ElectrumClient, Notification};
pub use coins::Coins;
pub use exe::{
    bitcoind_exe, electrum_backports_exe, electrum_exe, python_with_websockets, repo_root,
};
pub use life::{Life, life};
pub use made_up::{MadeUpAnswer, serve_rpc};
pub use merkle::merkle_branch;
pub use mine::{Content, fresh_script, kit_script};
pub use node::Regtest;
pub use node_builder::{Auth, Chain, RegtestBuilder};
pub use pool::{Unconfirmed, electrum_status};
pub use ports::ReservedPort;
pub use real_data::{
    BlockFile, CoinBlock, RealChain, SingleBlock, TruthLine, coin_blocks, data_dir,
    real_data_or_note, single_blocks,
};
pub use reorg::Replacement;
pub use rpc::{NodeClient, NodeError};
pub use rpc_error::RpcError;
pub use rustix::process::Signal;
pub use scripts::ScriptKind;
pub use server::{ServerProcess, node_env};
pub use traffic::Traffic;
pub use truth::{Place, Truth, Utxo, is_indexed, scripthash_hex};
pub use wait::wait_until;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
