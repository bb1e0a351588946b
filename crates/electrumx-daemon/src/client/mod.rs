//! The client: call styles, retry and failover over several nodes.

mod daemon;
mod retry;
mod trouble;

pub use self::daemon::Daemon;
pub(crate) use self::retry::Style;
