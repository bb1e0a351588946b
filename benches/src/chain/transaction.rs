//! The transactions of one block, written straight into bytes.

use bitcoin::hashes::{Hash as _, sha256d};

use super::payees::Payees;
use super::pool::{Coin, Pool};
use super::totals::Totals;

/// Version 2.
const VERSION: [u8; 4] = [2, 0, 0, 0];
const SEQUENCE: [u8; 4] = [0xff; 4];
const LOCK_TIME: [u8; 4] = [0; 4];

/// Length of a serialised scriptPubKey is below 253 and takes one byte.
const OP_RETURN: u8 = 0x6a;

/// Transactions with an `OP_RETURN` output, a thousand: 3 % of all outputs.
const OP_RETURN_PER_MILLE: u32 = 78;

/// Writes transactions into one buffer and keeps their ids.
#[derive(Debug, Default)]
pub(super) struct TxWriter {
    bytes: Vec<u8>,
    weight: usize,
    txids: Vec<[u8; 32]>,
    wtxids: Vec<[u8; 32]>,
    /// A transaction without its witness, and the witness.
    base: Vec<u8>,
    witness: Vec<u8>,
    made: Vec<Coin>,
}

impl TxWriter {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.weight = 0;
        self.txids.clear();
        self.wtxids.clear();
    }

    /// Transactions written.
    pub(super) const fn len(&self) -> usize {
        self.txids.len()
    }

    /// Their weight.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn txids(&self) -> &[[u8; 32]] {
        &self.txids
    }

    pub(super) fn wtxids(&self) -> &[[u8; 32]] {
        &self.wtxids
    }

    /// Writes one transaction: takes what it spends from the pool and puts what it creates there. No fee is paid.
    pub(super) fn write(
        &mut self,
        rng: &mut fastrand::Rng,
        pool: &mut Pool,
        payees: &mut Payees,
        totals: &mut Totals,
    ) {
        self.base.clear();
        self.witness.clear();
        self.made.clear();
        self.base.extend(VERSION);

        let wanted = input_count(rng);
        let count_at = self.base.len();
        self.base.push(0);
        let (mut inputs, mut sat, mut segwit) = (0_u8, 0, false);
        while inputs < wanted {
            let Some(coin) = pool.take(rng) else { break };
            self.base.extend(coin.txid);
            self.base.extend(coin.vout.to_le_bytes());
            segwit |= coin.script.write_spend(rng, &mut self.base, &mut self.witness);
            self.base.extend(SEQUENCE);
            sat += coin.value;
            inputs += 1;
        }
        self.base[count_at] = inputs;
        totals.spend_coins(inputs.into(), sat);

        let count = output_count(rng);
        let data = rng.u32(..1_000) < OP_RETURN_PER_MILLE;
        self.base.push(count + u8::from(data));
        let mut left = sat;
        for vout in 0..count {
            let value = match u64::from(count - vout) {
                1 => left,
                // Between nothing and twice a fair share.
                others => rng.u64(..=left / others * 2),
            };
            left -= value;
            let script = payees.next(rng);
            self.write_output(value, |out| script.write_script_pubkey(out));
            self.made.push(Coin { txid: [0; 32], vout: vout.into(), value, script });
        }
        if data {
            let len = rng.u8(8..=75);
            self.write_output(0, |out| {
                out.extend([OP_RETURN, len]);
                out.extend((0..len).map(|_| rng.u8(..)));
            });
        }
        self.base.extend(LOCK_TIME);
        totals.add_tx(inputs.into(), u64::from(count) + u64::from(data));
        totals.add_coins(count.into(), sat);

        let txid = self.finish(segwit);
        pool.extend(self.made.drain(..).map(|coin| Coin { txid, ..coin }));
    }

    /// Writes value, length and script.
    fn write_output(&mut self, value: u64, script: impl FnOnce(&mut Vec<u8>)) {
        self.base.extend(value.to_le_bytes());
        let len_at = self.base.len();
        self.base.push(0);
        script(&mut self.base);
        let len = self.base.len() - len_at - 1;
        self.base[len_at] = u8::try_from(len).expect("no script is longer than 78 bytes");
    }

    /// Hashes and appends the transaction; returns its id.
    fn finish(&mut self, segwit: bool) -> [u8; 32] {
        let txid = sha256d::Hash::hash(&self.base).to_byte_array();
        let start = self.bytes.len();
        if segwit {
            let end = self.base.len() - LOCK_TIME.len();
            self.bytes.extend(VERSION);
            self.bytes.extend([0, 1]); // BIP144's marker and flag
            self.bytes.extend_from_slice(&self.base[VERSION.len()..end]);
            self.bytes.extend_from_slice(&self.witness);
            self.bytes.extend(LOCK_TIME);
            self.wtxids.push(sha256d::Hash::hash(&self.bytes[start..]).to_byte_array());
        } else {
            self.bytes.extend_from_slice(&self.base);
            self.wtxids.push(txid);
        }
        self.txids.push(txid);
        self.weight += self.base.len() * 3 + (self.bytes.len() - start);
        txid
    }
}

/// 2.45 on average, like main network's.
fn input_count(rng: &mut fastrand::Rng) -> u8 {
    match rng.u32(..1_000) {
        0..550 => 1,
        550..783 => 2,
        783..873 => 3,
        873..923 => 4,
        _ => rng.u8(5..=20),
    }
}

/// 2.57 on average; with the `OP_RETURN` outputs 2.65.
fn output_count(rng: &mut fastrand::Rng) -> u8 {
    match rng.u32(..1_000) {
        0..200 => 1,
        200..840 => 2,
        840..910 => 3,
        910..940 => 4,
        _ => rng.u8(5..=20),
    }
}
