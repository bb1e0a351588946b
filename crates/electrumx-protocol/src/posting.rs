//! Handing states over to the sessions that are to tell them.

use std::mem;
use std::sync::Arc;

use electrumx_core::HashX;
use electrumx_core::bitcoin::{OutPoint, Txid};
use parking_lot::Mutex;

use crate::hub::{Member, Posted, PostedStatus};
use crate::outpoint::OutputFacts;
use crate::tx_height::TxHeight;

/// States on their way to sessions: handed over at once, or first held until the tip they belong to is published.
///
/// Waking and sending cost far more than what is told, so a session that hears of a block and of its script should hear
/// of both in one packet; and of the block first, also when it is awake for another reason.
#[derive(Debug)]
pub(crate) struct Posting(Mutex<State>);

#[derive(Debug)]
enum State {
    Held(Vec<(Arc<Member>, Post)>),
    AtOnce,
}

/// A state of something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Post {
    Script(HashX, PostedStatus),
    Outpoint(OutPoint, Posted<OutputFacts>),
    Tx(Txid, Posted<TxHeight>),
}

impl Posting {
    /// Holds what is posted until [`let_go`](Self::let_go).
    pub(crate) fn held() -> Self {
        Self(Mutex::new(State::Held(Vec::new())))
    }

    /// Posts a state to a session.
    pub(crate) fn post(&self, member: &Arc<Member>, post: Post) {
        match &mut *self.0.lock() {
            State::Held(held) => held.push((Arc::clone(member), post)),
            State::AtOnce => member.take_in(post),
        }
    }

    /// Hands over what is held, and from now on each at once.
    pub(crate) fn let_go(&self) {
        let state = mem::replace(&mut *self.0.lock(), State::AtOnce);
        if let State::Held(held) = state {
            held.into_iter().for_each(|(member, post)| member.take_in(post));
        }
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Stamp;

    #[test]
    fn what_is_held_is_seen_when_it_is_let_go_and_not_before() {
        let member = Member::unserved();
        let hashx = HashX::from_bytes([7; 12]);
        let status: PostedStatus = Posted { stamp: Stamp::default(), state: None };
        let taken = || member.take_posted().map_or(0, |posts| posts.scripts.len());

        let posting = Posting::held();
        posting.post(&member, Post::Script(hashx, status));
        assert_eq!(taken(), 0, "the session is awake and looks");
        posting.let_go();
        assert_eq!(taken(), 1);
        posting.post(&member, Post::Script(hashx, status));
        assert_eq!(taken(), 1, "from now on at once");

        // A round that fails leaves nothing behind.
        let posting = Posting::held();
        posting.post(&member, Post::Script(hashx, status));
        drop(posting);
        assert_eq!(taken(), 1);
    }
}
