//! The steps that all subscriptions have in common.

use crate::error::RpcError;
use crate::hub::Posted;
use crate::json;
use crate::node::Node;
use crate::session::Session;
use crate::subscribers::{Subscribers, Table};

/// A subscription whose state is yet to be read. Nothing is left of a new one that comes to nothing: because the read fails, or
/// because the session ends meanwhile.
pub(super) struct Begun<'a, T: Table> {
    subscribers: &'a Subscribers<T>,
    key: T::Key,
    id: u64,
    /// Whether it is new, and the session does not have it yet.
    is_pending: bool,
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
    Ok(Begun { subscribers, key, id: session.member.id, is_pending: is_new })
}

impl<T: Table> Begun<'_, T> {
    /// Takes the state that was read. If there is one the session is to have the subscription from now on.
    pub(super) fn with<S>(
        mut self,
        state: Result<Posted<S>, RpcError>,
    ) -> Result<Posted<S>, RpcError> {
        self.is_pending &= state.is_err();
        state
    }
}

impl<T: Table> Drop for Begun<'_, T> {
    fn drop(&mut self) {
        if self.is_pending {
            self.subscribers.remove(self.key, self.id);
        }
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

#[cfg(test)]
mod tests {
    use electrumx_core::HashX;
    use rustc_hash::FxHashMap;

    use super::*;
    use crate::hub::Member;
    use crate::subscribers::Members;

    #[test]
    fn nothing_is_left_of_a_new_subscription_that_comes_to_nothing() {
        let member = Member::unserved();
        let subscribers = Subscribers::<FxHashMap<HashX, Members>>::default();
        let key = HashX::from_bytes([7; 12]);
        let begun = |is_pending| {
            if is_pending {
                subscribers.add(key, &member);
            }
            Begun { subscribers: &subscribers, key, id: member.id, is_pending }
        };
        let count = || subscribers.lock().get(&key).map_or(0, Vec::len);

        drop(begun(true));
        assert_eq!(count(), 0, "the session ended");
        assert!(begun(true).with::<()>(Err(RpcError::Timeout)).is_err());
        assert_eq!(count(), 0, "the read failed");
        assert!(begun(true).with(Ok(Posted::<()>::default())).is_ok());
        assert_eq!(count(), 1);
        assert!(begun(false).with::<()>(Err(RpcError::Timeout)).is_err());
        drop(begun(false));
        assert_eq!(count(), 1, "what it had before stays");
    }
}
