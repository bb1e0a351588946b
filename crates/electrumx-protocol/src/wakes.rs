//! Waking the sessions that something was posted to.

use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::hub::Member;

/// Sessions that something was posted to: woken at once, or first held until there is more to tell them.
///
/// Waking and sending cost far more than what is told, so a session that hears of a block and of its script should hear
/// of both in one packet.
#[derive(Debug)]
pub(crate) struct Wakes(Mutex<State>);

#[derive(Debug)]
enum State {
    Held(Vec<Arc<Member>>),
    AtOnce,
}

impl Wakes {
    /// Holds sessions until [`let_go`](Self::let_go).
    pub(crate) fn held() -> Self {
        Self(Mutex::new(State::Held(Vec::new())))
    }

    /// Notes that something was posted to a session.
    pub(crate) fn posted(&self, member: &Arc<Member>) {
        match &mut *self.0.lock() {
            State::Held(members) => members.push(Arc::clone(member)),
            State::AtOnce => member.wake.notify_one(),
        }
    }

    /// Wakes those held, and from now on each at once.
    pub(crate) fn let_go(&self) {
        let state = mem::replace(&mut *self.0.lock(), State::AtOnce);
        if let State::Held(members) = state {
            members.iter().for_each(|member| member.wake.notify_one());
        }
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.let_go();
    }
}
