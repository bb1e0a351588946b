//! The test suite that every [`Store`](crate::Store) must pass.
//!
//! [`store_conformance!`](crate::store_conformance) makes a test of each check, [`run`] calls them all.
//! A check gets a function that makes a new, empty store, behind anything that dereferences to it (so
//! that a store can bring its temporary directory along):
//!
//! ```
//! use electrumx_core::HashXKey;
//! use electrumx_core::memory::MemoryStore;
//!
//! electrumx_core::conformance::run(|| Box::new(MemoryStore::new(HashXKey::from_bytes([7; 16]))));
//! ```
//!
//! The chains come from [`TestChain`] and the expected answers from [`Model`]; a store's own tests can
//! use both.
//!
//! # Panics
//!
//! Every check panics when the store does not behave.
#![expect(clippy::missing_panics_doc, reason = "checks are there to panic")]

mod chain;
mod checks;
mod compare;
mod concurrency;
mod model;
mod rng;
mod run;

pub use chain::TestChain;
pub use checks::{
    a_fork_replaces_blocks, a_later_duplicate_txid_hides_the_earlier, an_empty_store_has_nothing,
    any_split_gives_the_same_index, appended_blocks_are_shown,
    blocks_that_do_not_extend_are_refused, limits_are_errors, numbers_out_of_range_are_no_errors,
    unwinding_is_truncation, views_are_snapshots,
};
pub use compare::assert_shows;
pub use concurrency::views_are_consistent_during_writes;
pub use model::Model;
pub use rng::Rng;
pub use run::run;
