//! End-to-end tests: a real bitcoind, the real server as a process, and the truth by a naive scan of the node.

#![expect(clippy::print_stderr, reason = "tests say which seed they use and how long things took")]

mod bad_input;
mod block_files;
mod bulk;
mod chain;
mod common;
mod compare;
mod kill9;
mod local_rpc;
mod mempool;
mod methods;
mod padding;
mod reorg;
mod restart;
mod tx_heights;
mod watcher;
mod zero_config;
