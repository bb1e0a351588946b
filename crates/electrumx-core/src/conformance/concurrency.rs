//! Checks with several threads.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::chain::TestChain;
use super::compare::ok;
use super::model::Model;
use crate::position::{BlockId, TxNum};
use crate::store::{ChainView, Index as _, Store};

/// How often the writer goes up and down the chain.
const ROUNDS: usize = 20;

/// Checks that views opened while blocks come and go show one state each.
pub fn views_are_consistent_during_writes<H: Deref<Target: Store>>(make: impl Fn() -> H) {
    let (store, blocks) = (make(), TestChain::with_blocks(10, 6));
    let counts: BTreeMap<_, _> = (1..=blocks.len())
        .map(|len| {
            (blocks[len - 1].id.height, (blocks[len - 1].id, Model(&blocks[..len]).tx_count()))
        })
        .collect();
    let (done, store) = (AtomicBool::new(false), &*store);
    thread::scope(|scope| {
        let reader = || {
            let mut views = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let view = ok(store.view());
                match view.tip() {
                    Some(tip) => assert_consistent(&*view, tip, counts[&tip.height]),
                    None => assert_eq!(view.tx_count(), 0),
                }
                views += 1;
            }
            views
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for round in 0..ROUNDS {
            let (first, rest) = blocks.split_at(1 + round % (blocks.len() - 1));
            ok(store.append(first));
            ok(store.append(rest));
            ok(store.unwind_to(Some(0)));
            ok(store.unwind_to(None));
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().expect("the reader checks out") > 0);
        }
    });
}

fn assert_consistent(view: &dyn ChainView, tip: BlockId, (id, count): (BlockId, u64)) {
    assert_eq!((tip, view.tx_count()), (id, count));
    assert_eq!(ok(view.block_hash(tip.height)), Some(tip.hash));
    assert_eq!(ok(view.block_hash(tip.height + 1)), None);
    assert!(ok(view.txid(TxNum(count - 1))).is_some());
    assert_eq!(ok(view.txids(0..u64::MAX)).len() as u64, count);
    assert_eq!(view.height_of(TxNum(count - 1)), Some(tip.height));
    assert!(ok(view.tx_position(TxNum(count - 1))).is_some());
}
