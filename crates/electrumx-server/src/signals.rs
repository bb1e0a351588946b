//! SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process at once.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first signal. Must be called within the runtime.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn watch(stop: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    tokio::spawn(async move {
        for asked_before in [false, true] {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            if asked_before {
                tracing::warn!("{name} again: exiting at once; the index is safe");
                std::process::exit(130);
            }
            tracing::info!("{name}: stopping; once more exits at once");
            stop.cancel();
        }
    });
    Ok(())
}
