//! The unspent outputs, by age.

use super::script::Script;

/// An unspent output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coin {
    pub(super) txid: [u8; 32],
    pub(super) vout: u32,
    /// In satoshis.
    pub(super) value: u64,
    pub(super) script: Script,
}

/// Percent of the spends that take an output of each level.
///
/// With levels that grow fourfold this is nearly log-uniform in age. 80 % of main network's spends are of
/// outputs younger than a day; here they are of the youngest quarter to twentieth, by the chain's length.
const PERCENT: [u32; 5] = [10, 20, 30, 20, 20];

/// Outputs of a block and a transaction, roughly.
const OUTPUTS_PER_TX: usize = 3;

/// Unspent outputs in levels of age: what is too much for one moves to the next; the last has no bound.
#[derive(Debug)]
pub(super) struct Pool {
    levels: [Vec<Coin>; PERCENT.len()],
    capacities: [usize; PERCENT.len()],
}

impl Pool {
    /// Makes a pool whose levels hold half a block's outputs, then 2, 8, 16 blocks', then all older ones.
    pub(super) fn for_blocks_of(txs: u32) -> Self {
        let half = (txs as usize * OUTPUTS_PER_TX / 2).max(2);
        Self {
            levels: Default::default(),
            capacities: [half, half * 4, half * 16, half * 32, usize::MAX],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.levels.iter().all(Vec::is_empty)
    }

    /// Takes an output to spend; `None` when there is none.
    pub(super) fn take(&mut self, rng: &mut fastrand::Rng) -> Option<Coin> {
        let mut percent = rng.u32(..100);
        let wanted = PERCENT.iter().position(|share| {
            let here = percent < *share;
            percent = percent.saturating_sub(*share);
            here
        });
        let wanted = wanted.unwrap_or(0);
        // A level may be empty while the chain is young: a younger one, then the others.
        let count = self.levels.len();
        let mut levels = (0..count).map(|step| (wanted + count - step) % count);
        let level = levels.find(|level| !self.levels[*level].is_empty())?;
        let coins = &mut self.levels[level];
        Some(coins.swap_remove(rng.usize(..coins.len())))
    }

    fn add(&mut self, coin: Coin) {
        self.levels[0].push(coin);
        for level in 0..self.levels.len() - 1 {
            if self.levels[level].len() <= self.capacities[level] {
                break;
            }
            let (young, old) = self.levels.split_at_mut(level + 1);
            let half = self.capacities[level].div_ceil(2);
            old[0].extend(young[level].drain(..half));
        }
    }
}

impl Extend<Coin> for Pool {
    fn extend<T: IntoIterator<Item = Coin>>(&mut self, coins: T) {
        coins.into_iter().for_each(|coin| self.add(coin));
    }
}
