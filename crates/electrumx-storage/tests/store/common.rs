//! Stores in temporary directories, and child processes that use them.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use electrumx_core::HashXKey;
use electrumx_core::bitcoin::Network;
use electrumx_core::bitcoin::constants::genesis_block;
use electrumx_storage::{Identity, LmdbStore, Options};
use tempfile::TempDir;

/// Tells a child process which directory to use.
pub(crate) const CHILD_DIR: &str = "ELECTRUMX_STORAGE_TEST_DIR";

/// A store and its directory, which goes last.
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

/// Prepares to run an ignored test of this binary as a process of its own, with a limit on the size of
/// files being an error instead of a signal.
pub(crate) fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"]);
    command.arg(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env(CHILD_DIR, dir);
    command
}

/// Returns the directory that [`child`] was given.
pub(crate) fn child_dir() -> std::path::PathBuf {
    std::env::var_os(CHILD_DIR).expect("this test is run by another one").into()
}
