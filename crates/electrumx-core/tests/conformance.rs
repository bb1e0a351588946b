//! The in-memory store passes the suite it is the specification of.

use electrumx_core::memory::MemoryStore;
use electrumx_core::{HashXKey, store_conformance};

store_conformance!(|| Box::new(MemoryStore::new(HashXKey::from_bytes([7; 16]))));
