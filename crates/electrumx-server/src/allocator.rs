//! The allocator of the program, and giving back what it keeps.

use std::time::Duration;

use mimalloc::MiMalloc;
use tokio::time::{MissedTickBehavior, interval};

/// See ADR 0013: a long history took three times as long with the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Time between two looks at what is free.
const INTERVAL: Duration = Duration::from_secs(10);

/// Gives back to the system what has been free for a while, as long as the program runs.
///
/// mimalloc does so by itself only while memory is asked for and freed: what a large mempool took to be read would stay
/// with a server that has little to do afterwards.
pub(crate) async fn give_back() {
    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        // SAFETY: it takes no pointer, and any thread may call it at any time.
        #[expect(unsafe_code, reason = "there is no safe name for it")]
        unsafe {
            libmimalloc_sys::mi_collect(false);
        }
    }
}
