//! A chain and a mempool of known transactions, and a server on them.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use electrumx_testkit::{
    Coins, Content, NodeError, Regtest, ScriptKind, Truth, kit_script, scripthash_hex,
};
use serde_json::{Value, json};

use crate::common::{PATIENCE, Setup, start_server};

/// What the operator sets, so that it can be looked for in answers.
pub(crate) const DONATION: &str = "bcrt1qdonation";
pub(crate) const BANNER: &str =
    "$SERVER_VERSION, $SERVER_SUBVERSION\n$DAEMON_VERSION, $DAEMON_SUBVERSION\n$DONATION_ADDRESS";
pub(crate) const SERVICES: [&str; 2] = ["tcp://example.org:50001", "ssl://example.org:50002"];

/// The block with several transactions.
pub(crate) const FULL: u32 = 105;
/// The last block.
pub(crate) const TIP: u32 = 108;

/// A node, a server on it, and what there is.
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) truth: Truth,
    /// Has confirmed and unconfirmed history, and spends in both.
    pub(crate) busy: ScriptBuf,
    /// Has confirmed history only.
    pub(crate) quiet: ScriptBuf,
    /// Has unconfirmed history only.
    pub(crate) pooled: ScriptBuf,
    /// Has none.
    pub(crate) unused: ScriptBuf,
    /// Transactions by name: confirmed ones, then those in the mempool in the order they came.
    pub(crate) txs: Vec<(&'static str, Transaction)>,
    /// A parent and a child, both in the mempool, which came as a package.
    pub(crate) package: [Transaction; 2],
    /// A parent and a child that spend what the mempool spends already.
    pub(crate) conflict: [Transaction; 2],
    software: String,
}

impl World {
    pub(crate) fn start() -> Result<Self> {
        let node = Regtest::builder().arg("-persistmempool=0").start()?;
        // No txindex, no filter index, nothing: the server has to do without.
        let indexes = node.call("getindexinfo", &[])?;
        ensure!(indexes == json!({}), "the node has indexes: {indexes}");
        let mut coins = Coins::new(&node, 4);
        let busy = coins.script(ScriptKind::P2tr);
        let quiet = coins.script(ScriptKind::P2tr);
        let pooled = coins.script(ScriptKind::P2tr);
        let unused = coins.script(ScriptKind::P2tr);
        let mut txs = confirmed(&node, &mut coins, &busy, &quiet)?;

        let db = tempfile::tempdir()?;
        let banner = tempfile::NamedTempFile::new()?;
        std::fs::write(&banner, BANNER)?;
        let settings = [
            ("DONATION_ADDRESS", DONATION),
            ("BANNER_FILE", banner.path().to_str().context("not UTF-8")?),
            ("REPORT_SERVICES", &SERVICES.join(",")),
            ("PEER_DISCOVERY", "self"),
            ("DAEMON_PASSTHROUGH", "getblockcount,getblockhash,getblockheader,getblock"),
        ];
        let mut server = start_server(&node, db.path(), &settings)?;
        server.wait_ready(PATIENCE)?;
        let setup = Setup::of(server, node, db);

        txs.extend(unconfirmed(&setup, &mut coins, &txs, &busy, &pooled)?);
        let package = package(&setup, &mut coins)?;
        let conflict = conflict(&mut coins, &txs)?;
        let mut truth = Truth::default();
        setup.settle(&mut truth)?;
        ensure!(truth.tip() == TIP, "the tip is {}", truth.tip());
        let software = format!("ElectrumX-rs {}", env!("CARGO_PKG_VERSION"));
        Ok(Self { setup, truth, busy, quiet, pooled, unused, txs, package, conflict, software })
    }

    pub(crate) fn software(&self) -> &str {
        &self.software
    }

    pub(crate) fn version_pair(&self, version: &str) -> Value {
        json!([self.software, version])
    }

    pub(crate) fn tx(&self, name: &str) -> &Transaction {
        let found = self.txs.iter().find(|(known, _)| *known == name);
        &found.unwrap_or_else(|| panic!("no transaction {name}")).1
    }

    pub(crate) fn txid(&self, name: &str) -> String {
        self.tx(name).compute_txid().to_string()
    }

    /// Asks the node; of a refusal, its words.
    pub(crate) fn ask_node(&self, method: &str, params: &[Value]) -> Result<Value, String> {
        self.setup.node.call(method, params).map_err(|error| {
            error.downcast::<NodeError>().map_or_else(|e| e.to_string(), |e| e.message)
        })
    }

    pub(crate) fn header(&self, height: u32) -> String {
        serialize_hex(&self.truth.blocks()[height as usize].header)
    }

    /// Every transaction of chain and mempool, with its height as in histories.
    pub(crate) fn all_txs(&self) -> Result<Vec<(Transaction, i64)>> {
        let mut all = Vec::new();
        for (height, block) in (0..).zip(self.truth.blocks()) {
            all.extend(block.txdata.iter().map(|tx| (tx.clone(), height)));
        }
        let pool: Vec<Txid> = self.setup.node.raw_mempool()?;
        for txid in &pool {
            let tx = self.setup.node.transaction(txid, None)?;
            let has_parent = |tx: &Transaction| {
                tx.input.iter().any(|input| pool.contains(&input.previous_output.txid))
            };
            let height = if has_parent(&tx) { -1 } else { 0 };
            all.push((tx, height));
        }
        Ok(all)
    }

    /// What words in `golden/` are replaced.
    pub(crate) fn words(&self) -> Vec<(String, String)> {
        let number = env!("CARGO_PKG_VERSION");
        let mut words = vec![
            (self.software.clone(), "<software>".into()),
            (format!("{number}, "), "<software's number>, ".into()),
        ];
        // Behind the first line of the banner.
        let banner = super::cases::banner(self).unwrap_or_default();
        if let Some(line) = banner.lines().nth(1) {
            words.push((line.to_owned(), "<node's number>, <node>".into()));
        }
        words
    }

    /// What hex digits stand for in `golden/`.
    pub(crate) fn names(&self) -> HashMap<String, String> {
        let mut names = HashMap::new();
        let mut name_tx = |name: &str, tx: &Transaction| {
            let (id, wtxid) = (tx.compute_txid().to_string(), tx.compute_wtxid().to_string());
            names.entry(id).or_insert_with(|| format!("id of {name}"));
            names.entry(wtxid).or_insert_with(|| format!("wtxid of {name}"));
            names.entry(serialize_hex(tx)).or_insert_with(|| format!("bytes of {name}"));
        };
        self.txs.iter().for_each(|(name, tx)| name_tx(name, tx));
        name_tx("package's parent", &self.package[0]);
        name_tx("package's child", &self.package[1]);
        name_tx("conflict's parent", &self.conflict[0]);
        name_tx("conflict's child", &self.conflict[1]);
        for (height, block) in self.truth.blocks().iter().enumerate() {
            for (pos, tx) in block.txdata.iter().enumerate() {
                name_tx(&format!("transaction {pos} of block {height}"), tx);
            }
        }
        for (height, hash) in (0_u32..).zip(self.truth.hashes()) {
            names.insert(hash.to_string(), format!("hash of block {height}"));
            names.insert(self.header(height), format!("header {height}"));
        }
        let all = [&self.busy, &self.quiet, &self.pooled, &self.unused];
        for (name, script) in ["busy", "quiet", "pooled", "unused"].into_iter().zip(all) {
            names.insert(scripthash_hex(script), format!("hash of the {name} script"));
            names.insert(script.to_hex_string(), format!("{name} script"));
            if let Some(status) = self.truth.status(script) {
                names.insert(status, format!("status of the {name} script"));
            }
        }
        names
    }
}

/// Makes the chain. Amounts are such that none is there twice.
fn confirmed(
    node: &Regtest,
    coins: &mut Coins,
    busy: &ScriptBuf,
    quiet: &ScriptBuf,
) -> Result<Vec<(&'static str, Transaction)>> {
    coins.mature(3)?;
    coins.split(12, 10_000_000)?;
    node.mine(1)?;
    let op_return = coins.script(ScriptKind::OpReturn);
    let first = coins.pay(&[(busy.clone(), 900_000), (quiet.clone(), 500_000)])?;
    let second = coins.pay(&[(busy.clone(), 300_000), (op_return, 0)])?;
    let third = coins.pay(&[(busy.clone(), 200_000)])?;
    let fourth = coins.pay(&[(quiet.clone(), 400_000)])?;
    let block = [&first, &second, &third, &fourth].map(|tx| Content::Pooled(tx.compute_txid()));
    node.mine_block_to(&kit_script(), &block)?;
    let spend =
        coins.spend(&[OutPoint::new(third.compute_txid(), 0)], &[(quiet.clone(), 150_000)])?;
    node.mine(3)?;
    Ok(vec![
        ("first", first),
        ("second", second),
        ("third", third),
        ("fourth", fourth),
        ("spend", spend),
    ])
}

/// Fills the mempool by way of the server, one by one.
fn unconfirmed(
    setup: &Setup,
    coins: &mut Coins,
    confirmed: &[(&'static str, Transaction)],
    busy: &ScriptBuf,
    pooled: &ScriptBuf,
) -> Result<Vec<(&'static str, Transaction)>> {
    let mut client = setup.client()?;
    let mut broadcast = |coins: &mut Coins, tx: &Transaction| -> Result<()> {
        let txid = client.call("blockchain.transaction.broadcast", json!([serialize_hex(tx)]))?;
        ensure!(txid == json!(tx.compute_txid().to_string()), "{txid}");
        coins.learn(tx);
        Ok(())
    };
    let parent = coins.build(&[(busy.clone(), 250_000)])?;
    broadcast(coins, &parent)?;
    let first = confirmed[0].1.compute_txid();
    let inputs = [OutPoint::new(parent.compute_txid(), 0), OutPoint::new(first, 0)];
    let child = coins.build_spend(&inputs, &[(pooled.clone(), 700_000)])?;
    broadcast(coins, &child)?;
    // Nobody can spend its second output: servers leave it out, in the mempool as in blocks.
    let op_return = confirmed[1].1.output[1].script_pubkey.clone();
    let single = coins.build(&[(pooled.clone(), 100_000), (op_return, 0)])?;
    broadcast(coins, &single)?;
    Ok(vec![("parent", parent), ("child", child), ("single", single)])
}

/// Sends a package by way of the server.
fn package(setup: &Setup, coins: &mut Coins) -> Result<[Transaction; 2]> {
    let script = coins.script(ScriptKind::P2tr);
    let parent = coins.build(&[(script.clone(), 80_000)])?;
    coins.learn(&parent);
    let coin = OutPoint::new(parent.compute_txid(), 0);
    let child = coins.build_spend(&[coin], &[(script, 60_000)])?;
    let package = [parent, child];
    let raw = package.each_ref().map(serialize_hex);
    let mut client = setup.client()?;
    let answer = client.call("blockchain.transaction.broadcast_package", json!([raw]))?;
    ensure!(answer == json!({"success": true}), "{answer}");
    Ok(package)
}

/// What spends the coin that the first output of `first` was, as the mempool does, but for no higher fee.
fn conflict(coins: &mut Coins, txs: &[(&'static str, Transaction)]) -> Result<[Transaction; 2]> {
    let script = coins.script(ScriptKind::P2tr);
    let coin = OutPoint::new(txs[0].1.compute_txid(), 0);
    coins.fee_rate = 1;
    let parent = coins.build_spend(&[coin], &[(script.clone(), 899_000)])?;
    coins.learn(&parent);
    let coin = OutPoint::new(parent.compute_txid(), 0);
    let child = coins.build_spend(&[coin], &[(script, 898_000)])?;
    Ok([parent, child])
}
