//! A thread of its own for what waits for the disk now and then, and is to cost little when it wakes.

use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime;
use tokio::sync::oneshot;

/// How long what it has started on further threads may go on when it has ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs a part of the server, with all the tasks that it starts, on a thread of this name.
pub(crate) async fn run(
    name: &str,
    part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<()> {
    let (sender, ended) = oneshot::channel();
    let work = move || {
        let result = block_on(part);
        // Nobody waits for it only when the server is gone.
        let _ = sender.send(result);
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.with_context(|| format!("cannot start the {name}'s thread"))?;
    ended.await.with_context(|| format!("the {name} panicked; this is a bug"))?
}

fn block_on(part: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(part);
    runtime.shutdown_timeout(PATIENCE);
    result
}
