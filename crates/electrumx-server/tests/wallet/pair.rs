//! Two wallets of different releases, over TLS: each sees what the other pays at once, and its confirmation.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use electrumx_testkit::{Regtest, ReservedPort, ServerProcess, wait_until};
use serde_json::{Value, json};

use crate::electrum::{Electrum, Release, Transport};
use crate::view::{Entry, View};

const RECEIVED: i64 = 5_000_000;
const PAID: i64 = 2_000_000;
const FEE: i64 = 10_000;

/// What a wallet takes itself, on a busy machine, comes on top of what the server does; how soon the server tells is
/// measured without wallets (`feed`).
const SOON: Duration = Duration::from_secs(10);

#[test]
fn wallets_of_two_releases_pay_each_other_over_tls_and_see_it_by_themselves() {
    let node = Regtest::builder().zmq(true).start().unwrap();
    node.mine(110).unwrap();
    let db = tempfile::tempdir().unwrap();
    let ports = [(); 3].map(|()| ReservedPort::new().unwrap());
    let [tcp, ssl, rpc] = ports.each_ref().map(ReservedPort::addr);
    let services = format!("tcp://{tcp},ssl://{ssl},rpc://{rpc}");
    let settings = [
        ("SERVICES", &*services),
        // The node's feed, or nothing.
        ("DAEMON_POLL_INTERVAL_BLOCKS", "3600000"),
        ("DAEMON_POLL_INTERVAL_MEMPOOL", "3600000"),
    ];
    let exe = Path::new(env!("CARGO_BIN_EXE_electrumx-server"));
    let mut server = ServerProcess::for_node(exe, &node, db.path(), &settings).unwrap();
    server.wait_ready(Duration::from_secs(60)).unwrap();

    let mut old = Electrum::new(Release::Debian).unwrap();
    let mut new = Electrum::new(Release::Backports).unwrap();
    let mut seed = String::new();
    for wallet in [&mut old, &mut new] {
        let created = wallet.run_json(&["create", "--offline"]).unwrap();
        created["seed"].as_str().expect("a new wallet has a seed").clone_into(&mut seed);
        wallet.start_daemon(ssl, Transport::Tls).unwrap();
        let nothing = View { height: 110, confirmed: 0, unconfirmed: 0, history: Vec::new() };
        nothing.expect(wallet, "after the creation").unwrap();
    }

    let [received, paid] = pay_on(&node, &old, &new).unwrap();
    let history = pay_back(&node, &new, &old, received, paid).unwrap();

    // The newer one over TCP, from its seed, finds the same.
    let mut restored = Electrum::new(Release::Backports).unwrap();
    restored.run(&["restore", &seed, "--offline"]).unwrap();
    restored.start_daemon(tcp, Transport::Tcp).unwrap();
    let confirmed = history.iter().map(|entry| entry.value).sum();
    View { height: 113, confirmed, unconfirmed: 0, history }
        .expect(&restored, "restored from the seed")
        .unwrap();
    for mut wallet in [old, new, restored] {
        wallet.stop_daemon().unwrap();
    }
}

/// The node pays the first wallet, which pays the second one. Returns what the first has.
fn pay_on(node: &Regtest, first: &Electrum, second: &Electrum) -> Result<[Entry; 2]> {
    let address = first.call("getunusedaddress")?;
    let address = address.as_str().context("the wallet has addresses left")?;
    let output = node.fund_address(address, u64::try_from(RECEIVED)?)?;
    let txid = output.txid.to_string();
    node.mine(1)?;
    let received = Entry { txid, value: RECEIVED, height: 111, confirmations: 1 };
    View { height: 111, confirmed: RECEIVED, unconfirmed: 0, history: vec![received.clone()] }
        .expect(first, "received and confirmed")?;

    let txid = pay(first, second, PAID)?;
    node.mine(1)?;
    let got = Entry { txid: txid.clone(), value: PAID, height: 112, confirmations: 1 };
    confirmed_soon(second, &txid)?;
    View { height: 112, confirmed: PAID, unconfirmed: 0, history: vec![got] }
        .expect(second, "paid by the other wallet")?;
    let paid = Entry { txid, value: -PAID - FEE, height: 112, confirmations: 1 };
    Ok([received, paid])
}

/// The second wallet pays half of it back. Returns its history.
fn pay_back(
    node: &Regtest,
    from: &Electrum,
    to: &Electrum,
    received: Entry,
    paid: Entry,
) -> Result<Vec<Entry>> {
    let txid = pay(from, to, PAID / 2)?;
    node.mine(1)?;
    confirmed_soon(to, &txid)?;
    let back = Entry { txid, value: PAID / 2, height: 113, confirmations: 1 };
    let history = vec![
        Entry { confirmations: 3, ..received },
        Entry { confirmations: 2, ..paid.clone() },
        back.clone(),
    ];
    let confirmed = history.iter().map(|entry| entry.value).sum();
    View { height: 113, confirmed, unconfirmed: 0, history }.expect(to, "paid back")?;
    let got = Entry { txid: paid.txid, value: PAID, height: 112, confirmations: 2 };
    Ok(vec![got, Entry { value: -PAID / 2 - FEE, ..back }])
}

/// One wallet pays the other; waits until both show it as unconfirmed.
fn pay(from: &Electrum, to: &Electrum, sats: i64) -> Result<String> {
    let address = to.call("getunusedaddress")?;
    let btc = |sats: i64| -> Result<Value> {
        Ok(json!(bitcoin::Amount::from_sat(u64::try_from(sats)?).to_btc().to_string()))
    };
    let signed = from.call_with("payto", &[address, btc(sats)?, btc(FEE)?])?;
    let sent = Instant::now();
    let txid = from.call_with("broadcast", &[signed])?;
    let txid = txid.as_str().context("no transaction id")?.to_owned();
    for wallet in [to, from] {
        shown(wallet, &txid, |entry| entry["height"] == 0 && entry["confirmations"] == 0)?;
        eprintln!("shown as unconfirmed {:.0?} after the broadcast", sent.elapsed());
    }
    Ok(txid)
}

/// The block is there already.
fn confirmed_soon(wallet: &Electrum, txid: &str) -> Result<()> {
    let mined = Instant::now();
    shown(wallet, txid, |entry| entry["confirmations"] == 1)?;
    eprintln!("shown as confirmed {:.0?} after the block", mined.elapsed());
    Ok(())
}

/// Asks again and again, since wallets do not tell.
fn shown(wallet: &Electrum, txid: &str, is_right: impl Fn(&Value) -> bool) -> Result<()> {
    wait_until(SOON, "the wallet to show it", || {
        let history = wallet.call("onchain_history")?;
        let list = history["transactions"].as_array().context("a history has transactions")?;
        let entry = list.iter().find(|entry| entry["txid"] == txid);
        ensure!(entry.is_some_and(&is_right), "it shows {entry:?}");
        Ok(())
    })
    .with_context(|| format!("end of what Electrum said:\n{}", wallet.log_tail()))
}
