//! Real Electrum wallets on the server.

#![expect(clippy::print_stderr, reason = "measurements are printed")]

mod demo;
mod electrum;
mod pair;
mod view;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::{Address, Amount, Network, OutPoint, Transaction};
use electrumx_testkit::{Regtest, Replacement, ServerProcess, fresh_script};

use crate::electrum::{Electrum, Release, Transport};
use crate::view::{Entry, View, entries};

const RECEIVED: i64 = 5_000_000;
const PAID: i64 = 2_000_000;
const FEE: i64 = 10_000;

/// The stages build on each other, and starting them takes longest, so they are one test.
#[test]
fn a_wallet_receives_and_pays_and_follows_a_reorg_and_a_restart_of_the_server() {
    let node = Regtest::start().unwrap();
    node.mine(110).unwrap();
    let db = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::for_node(
        Path::new(env!("CARGO_BIN_EXE_electrumx-server")),
        &node,
        db.path(),
        &[("DAEMON_POLL_INTERVAL_BLOCKS", "100"), ("DAEMON_POLL_INTERVAL_MEMPOOL", "100")],
    )
    .unwrap();
    server.wait_ready(Duration::from_secs(60)).unwrap();

    let mut wallet = Electrum::new(Release::Debian).unwrap();
    let seed = create(&mut wallet, &server).unwrap();

    let received = receive(&wallet, &node).unwrap();
    let paid = pay(&wallet, &node, &received).unwrap();
    let history = reorganise(&wallet, &node, received, paid).unwrap();
    restore(&server, &seed, &history).unwrap();
    restart_server(&wallet, &node, &mut server, history).unwrap();

    wallet.stop_daemon().unwrap();
}

/// A new wallet, connected; returns its seed.
fn create(wallet: &mut Electrum, server: &ServerProcess) -> Result<String> {
    let created = wallet.run_json(&["create", "--offline"])?;
    wallet.start_daemon(server.tcp_addr(), Transport::Tcp)?;
    let nothing = View { height: 110, confirmed: 0, unconfirmed: 0, history: Vec::new() };
    nothing.expect(wallet, "after the creation")?;
    Ok(created["seed"].as_str().context("a new wallet has a seed")?.to_owned())
}

/// The node pays the wallet; confirmed at height 111.
fn receive(wallet: &Electrum, node: &Regtest) -> Result<Entry> {
    let output = fund(wallet, node)?;
    let txid = output.txid.to_string();
    let mut received = Entry { txid, value: RECEIVED, height: 0, confirmations: 0 };
    View { height: 110, confirmed: 0, unconfirmed: RECEIVED, history: vec![received.clone()] }
        .expect(wallet, "received, not confirmed")?;

    node.mine(1)?;
    (received.height, received.confirmations) = (111, 1);
    View { height: 111, confirmed: RECEIVED, unconfirmed: 0, history: vec![received.clone()] }
        .expect(wallet, "received and confirmed")?;
    Ok(received)
}

/// Sends from the node to a new address of the wallet.
fn fund(wallet: &Electrum, node: &Regtest) -> Result<OutPoint> {
    let address = wallet.call("getunusedaddress")?;
    let address = address.as_str().context("the wallet has addresses left")?;
    node.fund_address(address, u64::try_from(RECEIVED)?)
}

/// The wallet pays to a script; confirmed at height 112, and another block on top.
fn pay(wallet: &Electrum, node: &Regtest, received: &Entry) -> Result<Entry> {
    let script = fresh_script();
    let address = Address::from_script(&script, Network::Regtest)?.to_string();
    let (amount, fee) = (btc(PAID)?, btc(FEE)?);
    let signed = wallet.run(&["payto", &address, &amount, "--fee", &fee])?;
    let tx: Transaction = deserialize_hex(&signed).context("payto prints a transaction")?;
    let txid = wallet.run(&["broadcast", &signed])?;
    ensure!(txid == tx.compute_txid().to_string(), "broadcast printed {txid}");
    ensure!(node.raw_mempool()?.contains(&tx.compute_txid()), "the node does not have {txid}");
    let amount = Amount::from_sat(u64::try_from(PAID)?);
    let is_payment = |out: &bitcoin::TxOut| out.script_pubkey == script && out.value == amount;
    ensure!(tx.output.iter().any(is_payment), "no such payment in {tx:?}");

    let mut paid = Entry { txid, value: -PAID - FEE, height: 0, confirmations: 0 };
    // Change of its own counts as confirmed when the coins it comes from are.
    View {
        height: 111,
        confirmed: rest(),
        unconfirmed: 0,
        history: vec![received.clone(), paid.clone()],
    }
    .expect(wallet, "paid, not confirmed")?;

    node.mine(2)?;
    (paid.height, paid.confirmations) = (112, 2);
    let history = vec![Entry { confirmations: 3, ..received.clone() }, paid.clone()];
    let confirmed = View { height: 113, confirmed: rest(), unconfirmed: 0, history };
    confirmed.expect(wallet, "paid and confirmed")?;
    // The command line shows the same.
    let shown = entries(&wallet.run_json(&["onchain_history"])?)?;
    ensure!(shown == confirmed.history, "the command line shows {shown:#?}");
    Ok(paid)
}

/// The last two blocks go, with the payment in the first; three come without it; then it is confirmed
/// anew, at height 115. Returns the wallet's history.
fn reorganise(
    wallet: &Electrum,
    node: &Regtest,
    received: Entry,
    paid: Entry,
) -> Result<Vec<Entry>> {
    node.reorg(2, 3, Replacement::Empty)?;
    let txid = paid.txid.parse()?;
    ensure!(node.raw_mempool()? == [txid], "the payment is not back in the mempool");
    View {
        height: 114,
        confirmed: rest(),
        unconfirmed: 0,
        history: vec![
            Entry { confirmations: 4, ..received.clone() },
            Entry { height: 0, confirmations: 0, ..paid.clone() },
        ],
    }
    .expect(wallet, "the payment's block is gone")?;

    node.mine(1)?;
    let history = vec![
        Entry { confirmations: 5, ..received },
        Entry { height: 115, confirmations: 1, ..paid },
    ];
    let view = View { height: 115, confirmed: rest(), unconfirmed: 0, history };
    view.expect(wallet, "the payment is in another block")?;
    Ok(view.history)
}

/// A second wallet, from the first one's seed, finds the same.
fn restore(server: &ServerProcess, seed: &str, history: &[Entry]) -> Result<()> {
    let mut wallet = Electrum::new(Release::Debian)?;
    wallet.run(&["restore", seed, "--offline"])?;
    wallet.start_daemon(server.tcp_addr(), Transport::Tcp)?;
    View { height: 115, confirmed: rest(), unconfirmed: 0, history: history.to_vec() }
        .expect(&wallet, "restored from the seed")?;
    wallet.stop_daemon()
}

/// While the server is away the wallet is paid and a block is found; it hears of both when it is back.
fn restart_server(
    wallet: &Electrum,
    node: &Regtest,
    server: &mut ServerProcess,
    mut history: Vec<Entry>,
) -> Result<()> {
    let status = server.terminate(Duration::from_secs(20))?;
    ensure!(status.success(), "the server ended with {status}");
    let output = fund(wallet, node)?;
    node.mine(1)?;
    server.restart()?;
    server.wait_ready(Duration::from_secs(60))?;

    for entry in &mut history {
        entry.confirmations += 1;
    }
    let txid = output.txid.to_string();
    history.push(Entry { txid, value: RECEIVED, height: 116, confirmations: 1 });
    View { height: 116, confirmed: rest() + RECEIVED, unconfirmed: 0, history }
        .expect(wallet, "after the server's restart")
}

/// What the wallet has left after its payment.
const fn rest() -> i64 {
    RECEIVED - PAID - FEE
}

fn btc(sats: i64) -> Result<String> {
    Ok(Amount::from_sat(u64::try_from(sats)?).to_btc().to_string())
}
