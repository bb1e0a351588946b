//! What the node's feed says of the mempool.

use electrumx_core::bitcoin::Txid;

/// A change of the node's mempool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PoolEvent {
    pub(crate) txid: Txid,
    /// Whether it came in, or left otherwise than in a block.
    pub(crate) added: bool,
    /// Its number: they are consecutive but for transactions that left in a block.
    pub(crate) sequence: u64,
}

/// Several changes as one.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct News {
    /// Transactions that came in and are still there, in their order.
    pub(super) added: Vec<Txid>,
    /// Transactions that left and did not come back.
    pub(super) removed: Vec<Txid>,
    /// The number of the event to come.
    pub(super) next: u64,
}

impl News {
    /// Sums up the events from number `next` on; `None` when one is missing.
    pub(super) fn read(next: u64, events: &[PoolEvent]) -> Option<Self> {
        let mut news = Self { added: Vec::new(), removed: Vec::new(), next };
        for event in events {
            if event.sequence < news.next {
                continue; // The listing had it.
            }
            if event.sequence > news.next {
                return None;
            }
            news.next += 1;
            news.added.retain(|txid| *txid != event.txid);
            news.removed.retain(|txid| *txid != event.txid);
            let list = if event.added { &mut news.added } else { &mut news.removed };
            list.push(event.txid);
        }
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use electrumx_core::bitcoin::hashes::Hash as _;

    use super::*;

    fn event(sequence: u64, id: u8, added: bool) -> PoolEvent {
        PoolEvent { txid: Txid::from_byte_array([id; 32]), added, sequence }
    }

    fn ids(txids: &[Txid]) -> Vec<u8> {
        txids.iter().map(|txid| txid.to_byte_array()[0]).collect()
    }

    #[test]
    fn the_last_word_on_a_transaction_counts() {
        let events = [
            event(3, 9, true), // listed
            event(4, 1, true),
            event(5, 2, true),
            event(6, 1, false),
            event(7, 3, false),
            event(8, 3, true),
            event(9, 4, false),
        ];
        let news = News::read(4, &events).unwrap();
        assert_eq!((ids(&news.added), ids(&news.removed), news.next), (vec![2, 3], vec![1, 4], 10));
    }

    #[test]
    fn a_gap_is_seen_and_old_news_is_none() {
        assert_eq!(News::read(4, &[event(4, 1, true), event(6, 2, true)]), None);
        let news = News::read(4, &[event(1, 1, true), event(3, 1, false)]).unwrap();
        assert_eq!(news, News { added: vec![], removed: vec![], next: 4 });
    }
}
