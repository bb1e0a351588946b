//! Transactions that the node published with all their bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::Txid;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Most transactions kept, and most bytes of them: a block's transactions are published again when it is connected.
const MOST: (usize, usize) = (1_000, 4_000_000);

/// How long one may be late: its bytes come on a connection of their own.
const LATE: Duration = Duration::from_millis(3);

/// The raw transactions that a node published lately (`rawtx`) and nobody has taken. Cheap to clone; clones are the same.
///
/// They spare the question for them. Any of them may be lacking: the node drops what it cannot send in time, and the oldest go
/// when there are too many.
#[derive(Debug, Clone, Default)]
pub struct RecentTxs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    txs: FxHashMap<Txid, Vec<u8>>,
    bytes: usize,
    /// Ids in the order they came; those that were taken are still in it.
    order: VecDeque<Txid>,
    /// Whether the last one that was waited for has come.
    is_live: bool,
}

impl RecentTxs {
    /// Keeps a transaction; one of the same id is replaced.
    pub fn put(&self, txid: Txid, raw: Vec<u8>) {
        self.0.state.lock().put(txid, raw);
        self.0.arrived.notify_one();
    }

    /// Takes transactions, in the order of their ids; those on their way are waited for, some milliseconds in all. For one caller at a time.
    pub async fn take(&self, txids: &[Txid]) -> Vec<Option<Vec<u8>>> {
        let mut taken = vec![None; txids.len()];
        let mut until = None;
        loop {
            let arrived = self.0.arrived.notified();
            if self.0.state.lock().take(txids, &mut taken) {
                return taken;
            }
            // Time is looked at only where there is something to wait for.
            let until = *until.get_or_insert_with(|| Instant::now() + LATE);
            if timeout_at(until, arrived).await.is_err() {
                self.0.state.lock().is_live = false;
                return taken;
            }
        }
    }

    /// Forgets them all.
    pub fn clear(&self) {
        let mut state = self.0.state.lock();
        *state = State { is_live: state.is_live, ..State::default() };
    }
}

impl State {
    fn put(&mut self, txid: Txid, raw: Vec<u8>) {
        self.is_live = true;
        self.bytes += raw.len();
        match self.txs.insert(txid, raw) {
            Some(before) => self.bytes -= before.len(),
            None => self.order.push_back(txid),
        }
        while self.order.len() > MOST.0 || self.bytes > MOST.1 {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.txs.remove(&oldest).map_or(0, |raw| raw.len());
        }
    }

    /// Takes what there is and is not taken yet; tells whether no more is to be waited for.
    fn take(&mut self, txids: &[Txid], taken: &mut [Option<Vec<u8>>]) -> bool {
        for (txid, taken) in txids.iter().zip(&mut *taken) {
            if taken.is_none() {
                *taken = self.txs.remove(txid);
                self.bytes -= taken.as_ref().map_or(0, Vec::len);
            }
        }
        if self.txs.is_empty() {
            self.order.clear();
        }
        !self.is_live || taken.iter().all(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash as _;

    use super::*;

    fn txid(id: u32) -> Txid {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&id.to_le_bytes());
        Txid::from_byte_array(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_is_taken_once_and_what_is_late_is_waited_for() {
        let recent = RecentTxs::default();
        let began = Instant::now();
        assert_eq!(recent.take(&[txid(1)]).await, [None], "nothing ever came");
        assert_eq!(began.elapsed(), Duration::ZERO, "so nothing is waited for");
        recent.put(txid(1), vec![1]);
        recent.put(txid(2), vec![2]);
        recent.put(txid(2), vec![3]);
        let late = recent.clone();
        tokio::spawn(async move {
            tokio::time::sleep(LATE / 3).await;
            late.put(txid(9), vec![]);
            tokio::time::sleep(LATE / 3).await;
            late.put(txid(4), vec![4]);
        });
        let taken = recent.take(&[txid(2), txid(4)]).await;
        assert_eq!(taken, [Some(vec![3]), Some(vec![4])]);
        assert_eq!(began.elapsed(), 2 * (LATE / 3));
        assert_eq!(recent.take(&[txid(2), txid(1)]).await, [None, Some(vec![1])]);
        assert_eq!(recent.take(&[txid(2)]).await, [None]);
        assert_eq!(began.elapsed(), 2 * (LATE / 3) + LATE, "in vain once, and then no more");
        recent.put(txid(5), vec![5]);
        recent.clear();
        assert_eq!(recent.0.state.lock().txs.len(), 0);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut state = State::default();
        for id in 0..3_000 {
            state.put(txid(id), vec![0; 7]);
            // Taken at once, as most are.
            assert!(id % 2 > 0 || state.take(&[txid(id)], &mut [None]));
            assert!(state.order.len() <= MOST.0 && state.txs.len() <= MOST.0);
            assert_eq!(state.bytes, state.txs.values().map(Vec::len).sum::<usize>());
        }
        assert!(state.txs.contains_key(&txid(2_999)) && !state.txs.contains_key(&txid(1_001)));
        state.put(txid(1), vec![0; MOST.1]);
        assert_eq!((state.txs.len(), state.bytes), (1, MOST.1));
        state.put(txid(2), vec![0; MOST.1 + 1]);
        assert_eq!((state.txs.len(), state.order.len(), state.bytes), (0, 0, 0));
    }
}
