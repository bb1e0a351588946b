//! What a wallet shows of its money.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use electrumx_testkit::wait_until;
use serde_json::Value;

use crate::electrum::Electrum;

/// What a wallet shows; amounts in satoshi.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The height the wallet's own chain of headers has reached.
    pub(crate) height: i64,
    /// In confirmed outputs, and change of payments made from such.
    pub(crate) confirmed: i64,
    /// In other outputs.
    pub(crate) unconfirmed: i64,
    /// In the wallet's order, which is the chain's.
    pub(crate) history: Vec<Entry>,
}

/// A transaction in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) txid: String,
    /// What the wallet gained by it.
    pub(crate) value: i64,
    /// 0 while unconfirmed.
    pub(crate) height: i64,
    /// Counted by the wallet once it has checked the merkle proof.
    pub(crate) confirmations: i64,
}

impl View {
    /// Asks a wallet.
    pub(crate) fn of(wallet: &Electrum) -> Result<Self> {
        let info = wallet.call("getinfo")?;
        ensure!(info["connected"] == true, "not connected: {info}");
        let balance = wallet.call("getbalance")?;
        Ok(Self {
            height: integer(&info["blockchain_height"])?,
            confirmed: sats(&balance["confirmed"])?,
            unconfirmed: sats(&balance["unconfirmed"])?,
            history: entries(&wallet.call("onchain_history")?)?,
        })
    }

    /// Waits until a wallet shows this.
    pub(crate) fn expect(&self, wallet: &Electrum, when: &str) -> Result<()> {
        wait_until(Duration::from_secs(45), &format!("the wallet to show {self:#?}"), || {
            let shown = Self::of(wallet)?;
            ensure!(shown == *self, "it shows {shown:#?}");
            Ok(())
        })
        .with_context(|| format!("{when}\nend of what Electrum said:\n{}", wallet.log_tail()))
    }
}

/// The transactions of Electrum's `onchain_history`.
pub(crate) fn entries(history: &Value) -> Result<Vec<Entry>> {
    let list = history["transactions"].as_array().context("a history has transactions")?;
    list.iter()
        .map(|item| {
            Ok(Entry {
                txid: item["txid"].as_str().context("a transaction has an id")?.to_owned(),
                value: sats(&item["bc_value"])?,
                height: integer(&item["height"])?,
                confirmations: integer(&item["confirmations"])?,
            })
        })
        .collect()
}

fn integer(value: &Value) -> Result<i64> {
    value.as_i64().with_context(|| format!("not a whole number: {value}"))
}

/// Amounts are texts in bitcoin such as `-0.0201`; what is zero may be left out.
fn sats(value: &Value) -> Result<i64> {
    if value.is_null() {
        return Ok(0);
    }
    let text = value.as_str().with_context(|| format!("not a text: {value}"))?;
    let amount: bitcoin::SignedAmount = format!("{text} BTC").parse()?;
    Ok(amount.to_sat())
}
