//! The stages of an index that is made.

use std::fmt;

use electrumx_core::processor::BulkPhase;

/// A stage, in the order in which they follow each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Opening what there is, and finding out where to go on.
    Open,
    /// A part of the first sync; none is the first: reading blocks, and partitioning what is in them.
    FirstSync(Option<BulkPhase>),
    /// The blocks above the base, one commit each.
    Tip,
    /// A part of folding most of these into a new base.
    Compaction(BulkPhase),
    /// All is done.
    Done,
}

impl Stage {
    /// All but the last.
    pub const ALL: [Self; 13] = {
        use BulkPhase::{Blocks, Join, Scripts, Switch, Txids, Utxos};
        [
            Self::Open,
            Self::FirstSync(None),
            Self::FirstSync(Some(Join)),
            Self::FirstSync(Some(Scripts)),
            Self::FirstSync(Some(Utxos)),
            Self::FirstSync(Some(Txids)),
            Self::FirstSync(Some(Switch)),
            Self::Tip,
            Self::Compaction(Blocks),
            Self::Compaction(Scripts),
            Self::Compaction(Utxos),
            Self::Compaction(Txids),
            Self::Compaction(Switch),
        ]
    };

    /// The stage with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Done]).find(|stage| stage.name() == name)
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open, go on",
            Self::FirstSync(None | Some(BulkPhase::Blocks)) => "read and partition",
            Self::FirstSync(Some(BulkPhase::Join)) => "join",
            Self::FirstSync(Some(BulkPhase::Scripts)) => "write scripts",
            Self::FirstSync(Some(BulkPhase::Utxos)) => "write unspent outputs",
            Self::FirstSync(Some(BulkPhase::Txids)) => "write transaction ids",
            Self::FirstSync(Some(BulkPhase::Switch)) => "change to the base",
            Self::Tip => "blocks at the tip",
            Self::Compaction(BulkPhase::Blocks | BulkPhase::Join) => "compaction: blocks",
            Self::Compaction(BulkPhase::Scripts) => "compaction: scripts",
            Self::Compaction(BulkPhase::Utxos) => "compaction: unspent outputs",
            Self::Compaction(BulkPhase::Txids) => "compaction: transaction ids",
            Self::Compaction(BulkPhase::Switch) => "compaction: change",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_stages_in_order() {
        assert!(Stage::ALL.is_sorted());
        for stage in Stage::ALL {
            assert_eq!(Stage::named(stage.name()), Some(stage));
        }
    }
}
