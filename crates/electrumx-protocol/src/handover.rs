//! How parts of an answer get from the session that makes it to the connection that sends it.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Room for one part. Both sides run in one task; neither blocks.
#[derive(Default, Debug)]
pub(crate) struct Handover {
    part: Mutex<Vec<u8>>,
    given: Notify,
    taken: Notify,
}

impl Handover {
    /// Hands over a part, leaving `part` empty, and waits until there is room for more.
    pub(crate) async fn give(&self, part: &mut Vec<u8>) {
        *self.part.lock() = std::mem::take(part);
        self.given.notify_one();
        self.taken.notified().await;
    }

    /// Waits for a part; [`take`](Self::take) it then.
    pub(crate) async fn given(&self) {
        self.given.notified().await;
    }

    /// Takes the part and lets the other side go on.
    pub(crate) fn take(&self) -> Vec<u8> {
        let part = std::mem::take(&mut *self.part.lock());
        self.taken.notify_one();
        part
    }
}
