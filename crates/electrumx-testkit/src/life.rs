//! A regtest chain that goes on by itself.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{NodeClient, Replacement, Traffic};

/// How lively a chain is.
#[derive(Debug, Clone)]
pub struct Life {
    /// Time from block to block.
    pub interval: Duration,
    /// Payments from block to block.
    pub payments: usize,
    /// Every how many blocks the last two are replaced; 0: never.
    pub reorg_every: u32,
    /// For the payments' keys.
    pub seed: u64,
}

impl Default for Life {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), payments: 5, reorg_every: 0, seed: 1 }
    }
}

/// Mines blocks with payments in them until `stop` says so. Begins with the blocks it needs for its money.
///
/// # Errors
/// When the node goes away.
pub fn life(node: &NodeClient, settings: &Life, mut stop: impl FnMut() -> bool) -> Result<()> {
    let mut traffic = Traffic::new(node, settings.seed);
    let mut blocks: u32 = 0;
    while !stop() {
        let few = 100_000 * (settings.payments as u64 + 10);
        if traffic.coins.purse_value() < few {
            traffic.coins.mature(10)?;
            traffic.coins.split(settings.payments * 2 + 10, 1_000_000)?;
            node.mine(1)?;
        }
        let next = Instant::now() + settings.interval;
        let pause = settings.interval / u32::try_from(settings.payments + 1)?;
        for _ in 0..settings.payments {
            traffic.send(1)?;
            if !sleep(pause, &mut stop) {
                return Ok(());
            }
        }
        if !sleep(next.saturating_duration_since(Instant::now()), &mut stop) {
            return Ok(());
        }
        blocks += 1;
        if blocks.is_multiple_of(5) {
            traffic.mine_bare(3)?;
        } else {
            node.mine(1)?;
        }
        if settings.reorg_every != 0 && blocks.is_multiple_of(settings.reorg_every) {
            node.reorg(2, 3, Replacement::Mempool)?;
            traffic.coins.refresh()?;
        }
    }
    Ok(())
}

/// Sleeps in small steps; false when it is time to stop.
fn sleep(time: Duration, stop: &mut impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    loop {
        if stop() {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}
