//! Stores in temporary directories.

use std::ops::Deref;
use std::path::Path;

use electrumx_core::HashXKey;
use electrumx_core::bitcoin::Network;
use electrumx_core::bitcoin::constants::genesis_block;
use electrumx_storage::{Identity, LmdbStore, Options};
use tempfile::TempDir;

/// A store and its directory.
pub(crate) struct Temp {
    pub(crate) store: LmdbStore,
    pub(crate) dir: TempDir,
}

impl Deref for Temp {
    type Target = LmdbStore;

    fn deref(&self) -> &LmdbStore {
        &self.store
    }
}

pub(crate) fn identity() -> Identity {
    Identity {
        coin: "Bitcoin".into(),
        net: "regtest".into(),
        genesis: genesis_block(Network::Regtest).block_hash(),
    }
}

/// Options that make stores comparable byte for byte.
pub(crate) fn options() -> Options {
    Options { hashx_key: Some(HashXKey::from_bytes([7; 16])), ..Options::default() }
}

pub(crate) fn open(dir: &Path) -> LmdbStore {
    LmdbStore::open(dir, &identity(), options()).unwrap()
}

pub(crate) fn temp_with(options: Options) -> Temp {
    let dir = tempfile::tempdir().unwrap();
    Temp { store: LmdbStore::open(dir.path(), &identity(), options).unwrap(), dir }
}

pub(crate) fn temp() -> Temp {
    temp_with(options())
}
