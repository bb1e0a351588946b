//! Progress of a sync: how far, how fast, how long still.

pub(crate) mod bar;
mod mainnet;
mod meter;
mod reporter;
mod step;
mod watch;

pub use meter::{Meter, SyncProgress};
pub use reporter::{LatestProgress, ProgressReporter};
pub use step::phase_name;
pub(crate) use watch::JobWatch;
