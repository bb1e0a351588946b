#![doc = include_str!("../README.md")]

pub mod block;
mod changes;
pub mod coin;
#[cfg(feature = "conformance")]
pub mod conformance;
mod delta;
mod hash;
pub mod history;
#[cfg(feature = "memory")]
pub mod memory;
pub mod mempool;
pub mod merkle;
mod position;
pub mod processor;
pub mod sha256;
mod source;
mod store;

pub use bitcoin;
pub use changes::{BlockTouches, Changes, Touch, Touched, TouchedScripts};
pub use delta::{BlockDelta, Spend};
pub use hash::{HashX, HashXKey, ParseScriptHashError, ScriptHash};
pub use position::{BlockId, Height, OutputNum, TxNum};
pub use source::{BlockSource, RawBlock, SourceError, SourceTip};
pub use store::{
    ChainView, Index, OutputRow, OutputState, ScriptOutput, Store, StoreError, TxPosition,
};
