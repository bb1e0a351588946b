//! Transactions that the node published with all their bytes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::Txid;
use electrumx_core::coin::Coin;
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
#[derive(Clone)]
pub struct RecentTxs(Arc<Shared>);

/// Finds a raw transaction's id; `None` if it is none.
type FindId = Box<dyn Fn(&[u8]) -> Option<Txid> + Send + Sync>;

struct Shared {
    txid_of: FindId,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// Those whose ids were asked for, of which the last come is kept.
    named: FxHashMap<Txid, Vec<u8>>,
    /// Those that came since: most of a block's are forgotten before that.
    nameless: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether the last one that was waited for has come.
    is_live: bool,
}

impl RecentTxs {
    /// Makes a store without transactions.
    #[must_use]
    pub fn new(coin: impl Coin) -> Self {
        let txid_of = Box::new(move |raw: &[u8]| coin.txid(raw).ok());
        Self(Arc::new(Shared { txid_of, state: Mutex::default(), arrived: Notify::new() }))
    }

    /// Keeps a transaction.
    pub fn put(&self, raw: &[u8]) {
        self.0.state.lock().put(raw);
        self.0.arrived.notify_one();
    }

    /// Takes transactions, in the order of their ids; those on their way are waited for, some milliseconds in all. For one
    /// caller at a time.
    pub async fn take(&self, txids: &[Txid]) -> Vec<Option<Vec<u8>>> {
        let mut taken = vec![None; txids.len()];
        let mut until = None;
        loop {
            let arrived = self.0.arrived.notified();
            if self.0.state.lock().take(txids, &mut taken, &*self.0.txid_of) {
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

impl fmt::Debug for RecentTxs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        let count = state.named.len() + state.nameless.len();
        f.debug_struct("RecentTxs").field("count", &count).finish_non_exhaustive()
    }
}

impl State {
    fn put(&mut self, raw: &[u8]) {
        self.is_live = true;
        self.bytes += raw.len();
        self.nameless.push_back(raw.to_vec());
        let is_full = |state: &Self| {
            state.named.len() + state.nameless.len() > MOST.0 || state.bytes > MOST.1
        };
        // Nobody wanted the named ones so far.
        if is_full(self) && !self.named.is_empty() {
            self.bytes -= self.named.drain().map(|(_, raw)| raw.len()).sum::<usize>();
        }
        while is_full(self) {
            let Some(oldest) = self.nameless.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    /// Takes what there is and is not taken yet; tells whether no more is to be waited for.
    fn take(
        &mut self,
        txids: &[Txid],
        taken: &mut [Option<Vec<u8>>],
        txid_of: &dyn Fn(&[u8]) -> Option<Txid>,
    ) -> bool {
        for raw in self.nameless.drain(..) {
            let before = match txid_of(&raw) {
                Some(txid) => self.named.insert(txid, raw),
                None => Some(raw),
            };
            self.bytes -= before.map_or(0, |raw| raw.len());
        }
        for (txid, taken) in txids.iter().zip(&mut *taken).filter(|(_, taken)| taken.is_none()) {
            *taken = self.named.remove(txid);
            self.bytes -= taken.as_ref().map_or(0, Vec::len);
        }
        !self.is_live || taken.iter().all(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::absolute::LockTime;
    use bitcoin::consensus::encode::serialize;
    use bitcoin::{Transaction, TxIn, transaction::Version};
    use electrumx_core::coin::{Bitcoin, Network};

    use super::*;

    fn tx(number: u32) -> (Txid, Vec<u8>) {
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::from_consensus(number),
            input: vec![TxIn::default()],
            output: Vec::new(),
        };
        (tx.compute_txid(), serialize(&tx))
    }

    fn recent() -> RecentTxs {
        RecentTxs::new(Bitcoin::new(Network::Regtest))
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_is_taken_once_and_what_is_late_is_waited_for() {
        let [(one, raw_one), (two, raw_two), (_, raw_three), (four, raw_four)] =
            [1, 2, 3, 4].map(tx);
        let recent = recent();
        let began = Instant::now();
        assert_eq!(recent.take(&[one]).await, [None], "nothing ever came");
        assert_eq!(began.elapsed(), Duration::ZERO, "so nothing is waited for");
        recent.put(&raw_one);
        recent.put(&raw_two);
        recent.put(&raw_two);
        let (late, raw) = (recent.clone(), raw_four.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LATE / 3).await;
            late.put(&raw_three);
            tokio::time::sleep(LATE / 3).await;
            late.put(&raw);
        });
        assert_eq!(recent.take(&[two, four]).await, [Some(raw_two), Some(raw_four)]);
        assert_eq!(began.elapsed(), 2 * (LATE / 3));
        assert_eq!(recent.take(&[two, one]).await, [None, Some(raw_one.clone())]);
        assert_eq!(recent.take(&[two]).await, [None]);
        assert_eq!(began.elapsed(), 2 * (LATE / 3) + LATE, "in vain once, and then no more");
        recent.put(&raw_one);
        recent.clear();
        recent.0.state.lock().is_live = false;
        assert_eq!(recent.take(&[one]).await, [None]);
    }

    #[tokio::test]
    async fn what_is_no_transaction_is_passed_over() {
        let (one, raw) = tx(1);
        let recent = recent();
        recent.put(&raw[1..]);
        recent.put(&[]);
        recent.put(&[&raw[..], b"x"].concat());
        recent.put(&raw);
        assert_eq!(recent.take(&[one]).await, [Some(raw)]);
        assert_eq!(recent.0.state.lock().bytes, 0);
    }

    #[test]
    fn the_oldest_make_room() {
        let txid_of =
            |raw: &[u8]| raw.first_chunk().copied().map(|id| tx(u32::from_le_bytes(id)).0);
        let mut state = State::default();
        for id in 0..3_000_u32 {
            state.put(&id.to_le_bytes());
            if id.is_multiple_of(100) {
                let mut taken = [None];
                assert!(state.take(&[tx(id).0], &mut taken, &txid_of));
                assert_eq!(taken, [Some(id.to_le_bytes().to_vec())]);
            }
            let count = state.named.len() + state.nameless.len();
            assert!(count <= MOST.0);
            assert_eq!(state.bytes, 4 * count);
        }
        assert!(state.nameless.contains(&2_999_u32.to_le_bytes().to_vec()));
        state.put(&vec![0; MOST.1]);
        assert_eq!((state.named.len(), state.nameless.len(), state.bytes), (0, 1, MOST.1));
        state.put(&vec![0; MOST.1 + 1]);
        assert_eq!((state.nameless.len(), state.bytes), (0, 0));
    }
}
