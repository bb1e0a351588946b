//! What the benches share: a deterministic chain with a realistic mix of transactions, its block files, the floor
//! under any first sync, what a process costs, and what killing it does.

mod block_dir;
mod chain;
mod chain_args;
mod connection;
mod durability;
mod fake_node;
mod floor;
mod indexed;
mod load;
mod meter;
mod projection;
mod report;
mod usage;

use mimalloc::MiMalloc;

/// The server's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

pub use block_dir::{BlockDir, BlockReader, DirSource};
pub use chain::{GeneratedChain, Shape, Totals};
pub use chain_args::ChainArgs;
pub use connection::Connection;
pub use durability::{Kill, KillReport, Killer, Making, Stage, make};
pub use fake_node::FakeNode;
pub use floor::floor;
pub use indexed::Indexed;
pub use load::{Samples, ServerProcess, measure};
pub use meter::{Cost, Meter};
pub use projection::{CORES, DISKS, Disk, Projection, Target};
pub use report::Report;
pub use usage::{cpu_of, micros};
