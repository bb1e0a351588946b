//! Asking a server what wallets ask, and what that costs it.

mod measure;
mod questions;
mod samples;
mod server;

pub use measure::measure;
pub use samples::Samples;
pub use server::ServerProcess;
