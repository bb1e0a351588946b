//! Holds clients' requests while a look at the node that SIGUSR1 asked for is under way.
//!
//! electrs does all its work in one loop, so that a client which is answered after the signal hears of what the node
//! had before it. Test suites made for electrs rely on that: they send the signal, ping, and look at what they were
//! told.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::signals::LookNow;

/// Longest time requests are held for a look.
const LONGEST: Duration = Duration::from_secs(2);

/// Whether requests are held. From the signal on until the look that began after it is told.
#[derive(Default, Debug)]
pub(crate) struct Hold {
    is_looking: AtomicBool,
    released: Notify,
}

impl Hold {
    /// Tells whether requests are held.
    pub(crate) fn is_on(&self) -> bool {
        LookNow::is_pending() || self.is_looking.load(SeqCst)
    }

    /// To be called when a look begins. Tells whether it is one that was asked for.
    pub(crate) fn begin(&self) -> bool {
        let is_asked = LookNow::is_pending();
        if is_asked {
            // In this order, or it would be off for a moment.
            self.is_looking.store(true, SeqCst);
            LookNow::forget();
        }
        is_asked
    }

    /// To be called when a look is told, or failed. A signal that came after its begin goes on holding.
    pub(crate) fn end(&self) {
        if self.is_looking.swap(false, SeqCst) {
            self.released.notify_waiters();
        }
    }

    /// Waits until requests are not held. After two seconds they are answered regardless.
    pub(crate) async fn released(&self) {
        let released = async {
            loop {
                let next = self.released.notified();
                if !self.is_on() {
                    break;
                }
                next.await;
            }
        };
        if timeout(LONGEST, released).await.is_err() {
            LookNow::forget();
            self.end();
        }
    }
}
