//! Why block files could not be read.

use std::io;
use std::path::PathBuf;

use bitcoin::BlockHash;
use electrumx_core::SourceError;

/// Why block files could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFilesError {
    /// A file or the directory cannot be read.
    #[error(
        "cannot read {path}; BLOCKS_DIR is to name a node's blocks directory that this user may read"
    )]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The key file is not one of those that are known.
    #[error("{path} does not hold a key of 8 bytes")]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A file does not hold any more what it did.
    #[error("{path} has changed: block {hash} is not there any more")]
    Changed {
        /// The file.
        path: PathBuf,
        /// The block it held.
        hash: BlockHash,
    },
    /// What was asked for is not within the block.
    #[error("block {hash} has {size} bytes, and nothing from {from} to {to}")]
    Outside {
        /// The block.
        hash: BlockHash,
        /// Its length.
        size: u32,
        /// First byte asked for.
        from: u64,
        /// The byte after the last one.
        to: u64,
    },
    /// The work was cancelled: the server is stopping.
    #[error("cancelled")]
    Cancelled,
}

impl From<BlockFilesError> for SourceError {
    fn from(error: BlockFilesError) -> Self {
        match error {
            BlockFilesError::Cancelled => Self::Cancelled,
            error => {
                let what = error.to_string();
                let source = match error {
                    BlockFilesError::Read { source, .. } => Some(source.into()),
                    _ => None,
                };
                Self::Files { what, source }
            }
        }
    }
}
