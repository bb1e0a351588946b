//! What is known of the view: whether it may differ from the node's mempool, and when to list that.

use std::time::Duration;

use electrumx_core::BlockId;
use electrumx_daemon::MempoolInfo;
use tokio::time::Instant;

use super::listing::Listing;

/// The mempool is listed at least this often, whatever the node's counts say.
const FULL_LISTING: Duration = Duration::from_secs(30);

/// Nor is more than this share of the time spent on listings that nothing asks for: one part in so many.
const UNASKED: u32 = 1_000;

/// The same while every change is told by the feed, whose numbers prove that none is missing.
const FULL_LISTING_WITH_FEED: Duration = Duration::from_secs(300);

/// After a listing none is made for this many times as long as it took: a tenth of the time at most goes into them.
const REST: u32 = 9;

/// A difference that the feed may still explain must last so long before it counts.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether somebody waits for the view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Haste {
    /// The time to look again has come.
    Usual,
    /// Somebody asked: listing is not put off.
    Asked,
    /// The node has announced a block.
    Block,
}

/// What a round has to do.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Need {
    Nothing,
    Listing,
    /// Not before this moment.
    ListingAt(Instant),
}

/// What the view holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Held {
    pub(super) count: u64,
    /// Sum of the fees in satoshis.
    pub(super) fees: u64,
}

/// What is known of the view.
#[derive(Default, Debug)]
pub(super) struct Standing {
    last: Option<Listed>,
    feed_is_connected: bool,
    /// Since when the node's counts are others than the view's, although the feed lacks nothing.
    differs_since: Option<Instant>,
}

/// The last listing.
#[derive(Debug)]
struct Listed {
    tip: BlockId,
    /// What the node said of its mempool just before.
    info: MempoolInfo,
    /// The number of the first event of the feed that was not in the listing.
    sequence: u64,
    /// The number of the first event of the feed that is not in the view; `None` when the count is lost.
    next: Option<u64>,
    /// Whether all that was listed is in the view.
    complete: bool,
    ended: Instant,
    took: Duration,
}

impl Held {
    /// Tells whether the node's mempool has as many transactions with as much in fees, as far as the node tells.
    pub(super) fn agrees_with(self, info: &MempoolInfo) -> bool {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "money is below 2^53"
        )]
        let fees = info.total_fee.map(|btc| (btc * 1e8).round() as u64);
        info.size == self.count && fees.is_none_or(|fees| fees == self.fees)
    }
}

impl Standing {
    /// Tells whether to list the mempool, of which the node says `info` and the view holds `held`.
    pub(super) fn need(
        &mut self,
        tip: BlockId,
        info: &MempoolInfo,
        held: Held,
        haste: Haste,
        now: Instant,
    ) -> Need {
        let differs_since = self.differs_since.take();
        let Some(last) = self.last.as_ref().filter(|last| last.tip == tip) else {
            return Need::Listing;
        };
        let rest = last.took * REST;
        let follows = self.feed_is_connected && last.next.is_some();
        let longest = if follows { FULL_LISTING_WITH_FEED } else { FULL_LISTING };
        if now - last.ended >= longest.max(last.took * UNASKED) {
            return Need::Listing;
        }
        // The feed keeps the view up to date; counts and fees are a cheap proof.
        let equal = if follows { held.agrees_with(info) } else { *info == last.info };
        if last.complete && equal {
            return Need::Nothing;
        }
        let mut at = last.ended + rest;
        if follows && last.complete {
            // What the node has counted already may be on its way.
            let since = differs_since.unwrap_or(now);
            self.differs_since = Some(since);
            at = at.max(since + PATIENCE);
        }
        if haste == Haste::Asked || at <= now { Need::Listing } else { Need::ListingAt(at) }
    }

    /// Notes a listing on top of `tip` that has been taken over.
    pub(super) fn listed(&mut self, tip: BlockId, listing: &Listing, complete: bool, now: Instant) {
        let sequence = listing.mempool.sequence;
        self.differs_since = None;
        self.last = Some(Listed {
            tip,
            info: listing.info.clone(),
            sequence,
            next: Some(sequence),
            complete,
            ended: now,
            took: listing.took,
        });
    }

    /// Tells whether a listing with this number can come after the last one. One that cannot comes from another node, or
    /// from one that was restarted.
    pub(super) fn is_later(&self, next: u64) -> bool {
        self.last.as_ref().is_none_or(|last| last.sequence <= next)
    }

    /// Returns the number of the event to come; `None` when the view does not follow the feed on top of `tip`.
    pub(super) fn next_event(&self, tip: BlockId) -> Option<u64> {
        self.last.as_ref().filter(|last| last.tip == tip && self.feed_is_connected)?.next
    }

    /// Notes that the view has all events before `next`. Returns when a listing is due, if one is.
    pub(super) fn followed(&mut self, next: u64, complete: bool) -> Option<Instant> {
        let last = self.last.as_mut()?;
        last.next = Some(next);
        last.complete &= complete;
        (!last.complete).then(|| last.ended + last.took * REST)
    }

    /// Notes that events were missed. Returns when a listing is due.
    pub(super) fn lose_count(&mut self) -> Instant {
        let Some(last) = self.last.as_mut() else { return Instant::now() };
        (last.next, last.complete) = (None, false);
        last.ended + last.took * REST
    }

    pub(super) fn feed_is(&mut self, connected: bool) {
        self.feed_is_connected = connected;
        self.lose_count();
    }
}

#[cfg(test)]
mod tests {
    use electrumx_core::bitcoin::BlockHash;
    use electrumx_core::bitcoin::hashes::Hash as _;
    use electrumx_daemon::SequencedMempool;

    use super::*;

    const TOOK: Duration = Duration::from_secs(1);

    fn tip(id: u8) -> BlockId {
        BlockId { height: 7, hash: BlockHash::from_byte_array([id; 32]) }
    }

    fn info(size: u64) -> MempoolInfo {
        let text = format!(r#"{{"size":{size},"bytes":0,"mempoolminfee":0}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn held(count: u64) -> Held {
        Held { count, fees: 7 }
    }

    fn list(standing: &mut Standing, complete: bool, now: Instant) {
        let mut mempool = SequencedMempool::default();
        mempool.sequence = 40;
        let listing = Listing { tip: tip(1).hash, info: info(5), mempool, took: TOOK };
        standing.listed(tip(1), &listing, complete, now);
    }

    #[test]
    fn without_a_feed_the_counts_decide() {
        let (start, mut standing) = (Instant::now(), Standing::default());
        assert_eq!(standing.need(tip(1), &info(0), held(0), Haste::Usual, start), Need::Listing);
        list(&mut standing, true, start);
        assert_eq!(standing.next_event(tip(1)), None);
        let mut need =
            |size, haste, after| standing.need(tip(1), &info(size), held(5), haste, start + after);
        assert_eq!(need(5, Haste::Asked, TOOK), Need::Nothing);
        assert_eq!(need(6, Haste::Usual, TOOK), Need::ListingAt(start + 9 * TOOK));
        assert_eq!(need(6, Haste::Asked, TOOK), Need::Listing);
        assert_eq!(need(6, Haste::Usual, 9 * TOOK), Need::Listing);
        assert_eq!(need(5, Haste::Usual, 9 * TOOK), Need::Nothing);
        assert_eq!(need(5, Haste::Usual, FULL_LISTING), Need::Nothing);
        assert_eq!(need(5, Haste::Usual, UNASKED * TOOK), Need::Listing);
        assert_eq!(standing.need(tip(2), &info(5), held(5), Haste::Usual, start), Need::Listing);
    }

    #[test]
    fn with_a_feed_the_number_of_transactions_decides() {
        let (start, mut standing) = (Instant::now(), Standing::default());
        let due = start + 9 * TOOK;
        let need = |standing: &mut Standing, size, count| {
            standing.need(tip(1), &info(size), held(count), Haste::Usual, start)
        };
        list(&mut standing, true, start);
        standing.feed_is(true);
        assert_eq!(standing.next_event(tip(1)), None, "what was before it counts as missed");
        assert_eq!(need(&mut standing, 5, 5), Need::ListingAt(due));
        list(&mut standing, true, start);
        assert_eq!(standing.next_event(tip(1)), Some(40));
        assert_eq!(standing.next_event(tip(2)), None);
        assert_eq!(standing.followed(42, true), None);
        assert_eq!(standing.next_event(tip(1)), Some(42));
        assert_eq!(need(&mut standing, 7, 7), Need::Nothing);
        let mut later =
            |size, after| standing.need(tip(1), &info(size), held(7), Haste::Usual, start + after);
        assert_eq!(later(7, FULL_LISTING), Need::Nothing);
        assert_eq!(later(7, FULL_LISTING_WITH_FEED), Need::Nothing);
        assert_eq!(later(7, UNASKED * TOOK), Need::Listing);
        let (late, soon) = (10 * TOOK, PATIENCE / 2);
        assert_eq!(later(8, late), Need::ListingAt(start + late + PATIENCE));
        assert_eq!(later(8, late + soon), Need::ListingAt(start + late + PATIENCE));
        assert_eq!(later(8, late + PATIENCE), Need::Listing);
        assert_eq!(later(7, late + soon), Need::Nothing);
        assert_eq!(later(8, late + PATIENCE), Need::ListingAt(start + late + 2 * PATIENCE));
        let paying = |fee| {
            let text = format!(r#"{{"size":7,"bytes":0,"total_fee":{fee},"mempoolminfee":0}}"#);
            serde_json::from_str::<MempoolInfo>(&text).unwrap()
        };
        let agrees = |fee| held(7).agrees_with(&paying(fee));
        assert!(agrees("0.00000007") && !agrees("0.00000008"));
        assert_eq!(need(&mut standing, 7, 7), Need::Nothing);
        assert_eq!(need(&mut standing, 8, 7), Need::ListingAt(due));
        assert_eq!(standing.followed(43, false), Some(due));
        assert_eq!(need(&mut standing, 7, 7), Need::ListingAt(due));
        list(&mut standing, true, start);
        assert_eq!(standing.lose_count(), due);
        assert_eq!(standing.next_event(tip(1)), None);
        list(&mut standing, true, start);
        standing.feed_is(false);
        assert_eq!(standing.next_event(tip(1)), None);
    }

    #[test]
    fn a_number_that_falls_is_of_another_node() {
        let mut standing = Standing::default();
        assert!(standing.is_later(0));
        list(&mut standing, true, Instant::now());
        standing.lose_count();
        assert!(!standing.is_later(39) && standing.is_later(40));
    }

    #[test]
    fn what_is_incomplete_is_listed_again() {
        let (start, mut standing) = (Instant::now(), Standing::default());
        list(&mut standing, false, start);
        let need = standing.need(tip(1), &info(5), held(5), Haste::Usual, start);
        assert_eq!(need, Need::ListingAt(start + 9 * TOOK));
    }
}
