//! Who is paid: new scripts, and old ones again by a power law.

use super::script::Script;

/// The script that more than a hundredth of all outputs pay to.
const WHALE: u64 = 0;

/// The script that as many outputs as the shape says pay to besides.
pub(super) const BUSY: Script = Script::numbered(u64::MAX);

/// All scripts paid so far, by number.
#[derive(Debug, Default)]
pub(super) struct Payees {
    /// Numbers given out; the whale's aside.
    count: u64,
    /// Of 1,000 outputs so many pay to the busy script.
    busy_permille: u32,
}

impl Payees {
    pub(super) fn new(busy_permille: u32) -> Self {
        Self { count: 0, busy_permille }
    }

    /// Chooses the script an output pays to.
    ///
    /// Of main network's outputs 43 % pay to a script never seen before. What remains is mostly paid to scripts
    /// of late, a part to heavily used ones (1 in 10,000 outputs for the heaviest few), a hundredth to one.
    pub(super) fn next(&mut self, rng: &mut fastrand::Rng) -> Script {
        // Nothing is drawn for chains without it: they stay as they are.
        if self.busy_permille > 0 && rng.u32(..1000) < self.busy_permille {
            return BUSY;
        }
        let number = match rng.u32(..1000) {
            0..10 => WHALE,
            10..160 => log_uniform(rng, 4, self.count).saturating_sub(15),
            160..570 => self.count - log_uniform(rng, 0, self.count) + 1,
            _ => u64::MAX,
        };
        // Early on there may be no such script.
        if number > self.count {
            self.count += 1;
            return Script::numbered(self.count);
        }
        Script::numbered(number)
    }
}

/// Draws from `2^from_bits..=max`, each power of two alike. Integers only, so that it is the same on every machine.
fn log_uniform(rng: &mut fastrand::Rng, from_bits: u32, max: u64) -> u64 {
    let top = max.max(1).ilog2();
    let bits = rng.u32(from_bits.min(top)..=top);
    let drawn = rng.u64((1 << bits)..(2 << bits));
    if drawn > max { rng.u64(..=max) } else { drawn }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_scripts_and_the_whale_have_their_share() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut payees = Payees::default();
        let whale = Script::numbered(WHALE);
        let hits = (0..100_000).filter(|_| payees.next(&mut rng) == whale).count();
        assert!((900..1_200).contains(&hits), "{hits} outputs pay to the whale");
        assert!((42_000..44_500).contains(&payees.count), "{} scripts", payees.count);
    }
}
