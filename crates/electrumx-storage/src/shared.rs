//! What a store and its views own together.

use std::path::PathBuf;
use std::time::Duration;

use crate::dir_lock::DirLock;
use crate::env::Env;
use crate::meta::Meta;
use crate::published::Published;
use crate::tables::Tables;

/// Lives as long as the store or any of its views; the lock goes last.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) tables: Tables,
    pub(crate) meta: Meta,
    pub(crate) published: Published,
    pub(crate) dir: PathBuf,
    /// See [`Options::patience`](crate::Options::patience).
    pub(crate) patience: Duration,
    #[expect(dead_code, reason = "held for its lock")]
    pub(crate) lock: DirLock,
}
