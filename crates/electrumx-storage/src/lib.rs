#![doc = include_str!("../README.md")]

mod append;
mod base;
mod build;
mod bulk;
mod chain;
mod chain_rows;
mod check;
mod codec;
mod compact;
mod create;
mod dir_lock;
mod directory;
mod dump;
mod env;
mod failure;
mod fixed_rows;
mod identity;
mod install;
mod malformed;
mod meta;
mod open;
mod open_error;
mod options;
mod published;
mod read;
mod read_ahead;
mod room;
mod shared;
mod snapshot;
mod stats;
mod store;
mod tables;
mod unwind;
mod view;
mod walk;

pub use bulk::{BulkOptions, FirstSync, first_sync};
pub use check::CheckReport;
pub use compact::Compaction;
#[doc(hidden)]
pub use dump::TableDump;
pub use identity::Identity;
pub use open_error::OpenError;
pub use options::Options;
pub use stats::{TableStats, Tier};
pub use store::LmdbStore;
