#![doc = include_str!("../README.md")]

pub mod bind;
mod compactor;
pub mod controller;
pub mod env;
mod first_sync;
mod follower;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hold;
mod index_thread;
mod listener;
pub mod local_rpc;
mod mempool_view;
mod node;
mod operator;
mod own_thread;
pub mod progress;
pub mod rpc_client;
pub mod signals;
mod source;
pub mod tasks;
pub mod telemetry;
mod tx_files;
