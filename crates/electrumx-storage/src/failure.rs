//! From the engine's errors to the port's.

use std::path::Path;

use electrumx_core::StoreError;
use heed::MdbError;

use crate::room::{clarify, is_no_room};

/// Why a write transaction was given up.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine's error; which kind decides what happens next.
    Engine(heed::Error),
    /// An error that goes to the caller as it is.
    Store(StoreError),
}

impl From<heed::Error> for Failure {
    fn from(error: heed::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    pub(crate) fn is_map_full(&self) -> bool {
        matches!(self, Self::Engine(heed::Error::Mdb(MdbError::MapFull)))
    }

    /// Finds out more about a failure to write `file`, once its transaction is over.
    pub(crate) fn clarified(self, file: &Path) -> Self {
        match self {
            Self::Engine(error) => Self::Engine(clarify(error, file)),
            failure => failure,
        }
    }

    /// Tells whether a commit that failed so has left the file as it was.
    pub(crate) fn leaves_the_file_intact(&self) -> bool {
        self.is_map_full() || matches!(self, Self::Engine(error) if is_no_room(error))
    }

    /// Turns the failure into the port's error; `dir` is for the message about a full disk.
    pub(crate) fn into_store_error(self, action: &'static str, dir: &Path) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Engine(error) if is_no_room(&error) => {
                StoreError::Full { path: dir.display().to_string() }
            }
            Self::Engine(error) => backend(action)(error),
        }
    }
}

/// Wraps an engine error.
pub(crate) fn backend(action: &'static str) -> impl FnOnce(heed::Error) -> StoreError {
    move |source| StoreError::Backend { action, source: Box::new(source) }
}
