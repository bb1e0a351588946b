#![doc = include_str!("../README.md")]

mod append;
mod chain;
mod codec;
mod create;
mod dir_lock;
mod directory;
mod dump;
mod env;
mod failure;
mod fixed_rows;
mod identity;
mod malformed;
mod meta;
mod open;
mod open_error;
mod options;
mod published;
mod read;
mod room;
mod shared;
mod stats;
mod store;
mod tables;
mod unwind;
mod view;

#[doc(hidden)]
pub use dump::TableDump;
pub use identity::Identity;
pub use open_error::OpenError;
pub use options::Options;
pub use stats::TableStats;
pub use store::LmdbStore;
