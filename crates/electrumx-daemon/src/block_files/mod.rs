//! The node's own block files (`blk*.dat`) as a source of blocks: several times cheaper than asking the node.
//!
//! # Correctness
//!
//! - Nothing is ever written. Files may grow, vanish, get shorter or be overwritten at any time.
//! - A block is named by its hash, and what is read for it is held against that.
//! - The files hold blocks in the order they arrived, stale ones included. Which of them are the best chain is said by the node
//!   ([`FilesWithNode`]), or by the work in their headers ([`FilesAlone`]).

mod alone;
mod best_chain;
mod cabinet;
mod directory;
mod error;
mod files;
mod index;
mod queue;
mod read_ahead;
mod refresh;
mod walk;
mod with_node;
mod xor;

pub use alone::FilesAlone;
pub use error::BlockFilesError;
pub use files::BlockFiles;
pub use refresh::ScanProgress;
pub use with_node::FilesWithNode;
