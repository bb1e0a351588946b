//! The steps that all subscriptions have in common.

use crate::error::RpcError;
use crate::hub::Posted;
use crate::json;
use crate::node::Node;
use crate::session::Session;
use crate::subscribers::{Subscribers, Table};

/// A subscription whose state is yet to be read.
pub(super) struct Begun<'a, T: Table> {
    subscribers: &'a Subscribers<T>,
    key: T::Key,
    id: u64,
    is_new: bool,
}

/// Registers a session that does not have the subscription yet. That comes before the state is read that it is answered: see
/// [`Session`].
pub(super) fn begin<'a, N: Node, T: Table>(
    session: &Session<N>,
    subscribers: &'a Subscribers<T>,
    key: T::Key,
    is_new: bool,
) -> Result<Begun<'a, T>, RpcError> {
    if is_new {
        session.check_subscriptions()?;
        subscribers.add(key, &session.member);
    }
    Ok(Begun { subscribers, key, id: session.member.id, is_new })
}

impl<T: Table> Begun<'_, T> {
    /// Takes the state that was read; nothing is left of a new subscription if that failed.
    pub(super) fn with<S>(self, state: Result<Posted<S>, RpcError>) -> Result<Posted<S>, RpcError> {
        if self.is_new && state.is_err() {
            self.subscribers.remove(self.key, self.id);
        }
        state
    }
}

/// Takes a subscription out, and answers whether the session had it.
pub(super) fn end<N: Node, T: Table>(
    session: &Session<N>,
    subscribers: &Subscribers<T>,
    key: T::Key,
    was_subscribed: bool,
    out: &mut Vec<u8>,
) {
    subscribers.remove(key, session.member.id);
    session.count_subscriptions();
    json::boolean(out, was_subscribed);
}
