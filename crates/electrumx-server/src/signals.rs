//! SIGINT and SIGTERM: the first asks for a clean stop, the second ends the process at once. SIGUSR1 asks for a look
//! at the node now, as electrs understands it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first signal, and makes SIGUSR1 harmless. Must be called within the runtime.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn watch(stop: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    // A handler stays for good; without one the signal would end the process.
    drop(LookNow::watch()?);
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

/// Set by the signal's handler itself: whoever sent the signal and then a request finds the former first, however
/// long the runtime takes to deliver it.
static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// SIGUSR1: look at the node now.
pub(crate) struct LookNow(Signal);

impl LookNow {
    /// Watches from now on. Must be called within the runtime.
    pub(crate) fn watch() -> anyhow::Result<Self> {
        let cannot = "cannot watch SIGUSR1";
        // Handlers run in the order of their registration: when the one below is heard, the flag is set.
        let asked = Arc::new(AtomicBool::new(false));
        if ASKED.set(Arc::clone(&asked)).is_ok() {
            signal_hook::flag::register(signal_hook::consts::SIGUSR1, asked).context(cannot)?;
        }
        Ok(Self(signal(SignalKind::user_defined1()).context(cannot)?))
    }

    /// Waits for the signal. Cancel-safe; several at once count as one.
    pub(crate) async fn asked(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells whether the signal came since the last [`forget`](Self::forget).
    pub(crate) fn is_pending() -> bool {
        ASKED.get().is_some_and(|asked| asked.load(SeqCst))
    }

    /// Counts it as answered.
    pub(crate) fn forget() {
        if let Some(asked) = ASKED.get() {
            asked.store(false, SeqCst);
        }
    }
}
