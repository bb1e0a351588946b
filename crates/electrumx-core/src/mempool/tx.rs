//! What is known of an unconfirmed transaction.

use bitcoin::{OutPoint, Txid};

use crate::hash::HashX;

/// An input whose origin is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MempoolInput {
    /// The output it spends.
    pub prevout: OutPoint,
    /// The script of that output.
    pub hashx: HashX,
    /// Its value in satoshis.
    pub value: u64,
}

/// An indexed output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MempoolOutput {
    /// Index in its transaction.
    pub vout: u32,
    /// The script it pays to.
    pub hashx: HashX,
    /// Its value in satoshis.
    pub value: u64,
}

/// An unconfirmed transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MempoolTx {
    /// What it spends.
    pub inputs: Box<[MempoolInput]>,
    /// What it pays to, ascending by `vout`; `OP_RETURN` outputs are left out.
    pub outputs: Box<[MempoolOutput]>,
    /// Fee in satoshis.
    pub fee: u64,
    /// Virtual size in vbytes (BIP 141).
    pub vsize: u32,
}

impl MempoolTx {
    /// Returns the scripts it touches, each as often as it does.
    pub(super) fn scripts(&self) -> impl Iterator<Item = HashX> {
        let inputs = self.inputs.iter().map(|input| input.hashx);
        inputs.chain(self.outputs.iter().map(|output| output.hashx))
    }

    /// Returns the scripts it touches, each once.
    pub(super) fn distinct_scripts(&self) -> Vec<HashX> {
        let mut scripts: Vec<HashX> = self.scripts().collect();
        scripts.sort_unstable();
        scripts.dedup();
        scripts
    }

    /// Returns its size for rates and histograms: never 0.
    pub(super) fn counted_vsize(&self) -> u64 {
        u64::from(self.vsize.max(1))
    }

    /// Returns its fee rate in tenths of a satoshi per vbyte, rounded down.
    pub(super) fn decirate(&self) -> u64 {
        self.fee.saturating_mul(10) / self.counted_vsize()
    }
}

/// An unconfirmed transaction of a script's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnconfirmedTx {
    /// Id.
    pub txid: Txid,
    /// 0; or −1 when one of its inputs is itself unconfirmed.
    pub height: i8,
    /// Fee in satoshis.
    pub fee: u64,
}
