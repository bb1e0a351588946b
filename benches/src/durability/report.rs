//! What the killing has shown.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::stage::Stage;

/// One kill.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// What was going on.
    pub stage: Stage,
    /// What was to be hit.
    pub aimed: Stage,
    /// So long after that had begun.
    pub after: Duration,
}

/// All kills, whose indexes were finished afterwards and are the same as one that was made in peace.
#[derive(Clone, Debug)]
pub struct KillReport {
    /// Seconds that each stage takes in peace.
    pub secs: BTreeMap<Stage, f64>,
    /// The kills.
    pub kills: Vec<Kill>,
    /// Indexes that were killed and finished.
    pub finished: u32,
    /// SHA-256 over all rows of each of them.
    pub digest: [u8; 32],
    /// Unspent outputs of the last one, which was checked as well.
    pub utxos: u64,
    /// Their amount in satoshis.
    pub amount: u64,
}

impl KillReport {
    /// Stages that no kill has hit.
    #[must_use]
    pub fn missed(&self) -> Vec<Stage> {
        let hit = |stage: &Stage| self.kills.iter().any(|kill| kill.stage == *stage);
        Stage::ALL.into_iter().filter(|stage| !hit(stage)).collect()
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hit \"{}\", {:.1?} after \"{}\"", self.stage, self.after, self.aimed)
    }
}

impl fmt::Display for KillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<30} {:>12} {:>8}", "stage", "in peace, s", "kills")?;
        for stage in Stage::ALL {
            let hits = self.kills.iter().filter(|kill| kill.stage == stage).count();
            match self.secs.get(&stage) {
                Some(secs) => writeln!(f, "{stage:<30} {secs:>12.3} {hits:>8}")?,
                None => writeln!(f, "{stage:<30} {:>12} {hits:>8}", "none")?,
            }
        }
        let missed: Vec<_> = self.missed().iter().map(|stage| stage.name()).collect();
        if !missed.is_empty() {
            writeln!(f, "no kill hit: {}", missed.join(", "))?;
        }
        writeln!(
            f,
            "{} kills; {} indexes were finished after one or more, all with the digest of an undisturbed one:",
            self.kills.len(),
            self.finished
        )?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(
            f,
            "\nthe last is sound and has {} unspent outputs of {} satoshis, as the generator says",
            self.utxos, self.amount
        )
    }
}
