//! How soon two clients hear of each other's payments and of their confirmation.
//!
//! What is asserted is the median of some rounds: a busy machine may be late now and then.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bitcoin::ScriptBuf;
use bitcoin::consensus::encode::serialize_hex;
use electrumx_testkit::{ElectrumClient, Regtest, ScriptKind, scripthash_hex};
use serde_json::json;

use crate::common::{HARDLY_EVER, PATIENCE, Setup};

const ROUNDS: usize = 9;
/// From the broadcast, as sent to the server, to the notification.
const PAYMENT: Duration = Duration::from_millis(200);
/// From the order to make a block to the notification.
const CONFIRMATION: Duration = Duration::from_millis(300);
/// How often the node is asked where it has no feed.
const INTERVAL: Duration = Duration::from_millis(400);

#[test]
fn two_wallets_hear_of_payments_within_200_ms_and_of_confirmations_within_300_ms() -> Result<()> {
    let mut setup = Setup::start(Regtest::builder().zmq(true), &HARDLY_EVER)?;
    setup.wait_log("following the node's sequence", 1)?;
    let times = rounds(&mut setup, By::Server)?;
    times.expect("with the feed, sent by the server", PAYMENT, CONFIRMATION)?;
    let times = rounds(&mut setup, By::Node)?;
    times.expect("with the feed, sent by the node", PAYMENT, CONFIRMATION)
}

#[test]
fn without_a_feed_they_hear_within_the_interval_of_polling() -> Result<()> {
    let millis = INTERVAL.as_millis().to_string();
    let settings = [
        ("ZMQ", "off"),
        ("DAEMON_POLL_INTERVAL_BLOCKS", &millis),
        ("DAEMON_POLL_INTERVAL_MEMPOOL", &millis),
    ];
    let mut setup = Setup::start(Regtest::builder(), &settings)?;
    let times = rounds(&mut setup, By::Node)?;
    // The work itself is not to take longer than it does with the feed.
    times.expect("by polling", INTERVAL + PAYMENT, INTERVAL + CONFIRMATION)
}

/// Who is given the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The server, by the wallet that pays.
    Server,
    /// The node, by somebody else.
    Node,
}

/// How long it took until both wallets were told.
#[derive(Default)]
struct Times {
    payments: Vec<Duration>,
    confirmations: Vec<Duration>,
}

impl Times {
    fn expect(mut self, what: &str, payment: Duration, confirmation: Duration) -> Result<()> {
        let median = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            (times[times.len() / 2], times[times.len() - 1])
        };
        let (payments, confirmations) =
            (median(&mut self.payments), median(&mut self.confirmations));
        eprintln!(
            "{what}: payment {:.1?} (longest {:.1?}), confirmation {:.1?} (longest {:.1?})",
            payments.0, payments.1, confirmations.0, confirmations.1
        );
        ensure!(payments.0 <= payment, "{what}: a payment is told after {:?}", payments.0);
        let late = confirmations.0;
        ensure!(late <= confirmation, "{what}: a confirmation is told after {late:?}");
        Ok(())
    }
}

/// A client that watches a script of its own and the tip.
struct Wallet {
    client: ElectrumClient,
    script: ScriptBuf,
}

impl Wallet {
    fn new(setup: &mut Setup) -> Result<Self> {
        let script = setup.coins.script(ScriptKind::P2tr);
        let mut client = ElectrumClient::connect_version(setup.server.tcp_addr(), "1.6")?;
        client.call("blockchain.headers.subscribe", json!([]))?;
        client.call("blockchain.scripthash.subscribe", json!([scripthash_hex(&script)]))?;
        Ok(Self { client, script })
    }

    /// Waits for news of the script; then the last of its history has to be this.
    fn expect(&mut self, txid: &str, height: u32, from: Instant) -> Result<Duration> {
        let hash = scripthash_hex(&self.script);
        self.client.wait_notification(PATIENCE, |told| told.params[0] == json!(hash))?;
        let took = from.elapsed();
        let history = self.client.call("blockchain.scripthash.get_history", json!([hash]))?;
        let last = history.as_array().and_then(|list| list.last());
        let is_there = last.is_some_and(|tx| tx["tx_hash"] == txid && tx["height"] == height);
        ensure!(is_there, "not {txid} at {height}: {history}");
        Ok(took)
    }
}

fn rounds(setup: &mut Setup, by: By) -> Result<Times> {
    let (mut payer, mut payee) = (Wallet::new(setup)?, Wallet::new(setup)?);
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let outputs = [(payer.script.clone(), 7_000), (payee.script.clone(), 5_000)];
        let tx = setup.coins.build(&outputs)?;
        let txid = tx.compute_txid().to_string();
        let from = Instant::now();
        if by == By::Server {
            let raw = json!([serialize_hex(&tx)]);
            let answer = payer.client.call("blockchain.transaction.broadcast", raw)?;
            ensure!(answer == json!(txid), "{answer}");
            setup.coins.learn(&tx);
        } else {
            setup.coins.send(&tx)?;
        }
        let both = [payer.expect(&txid, 0, from)?, payee.expect(&txid, 0, from)?];
        times.payments.extend(both);

        let from = Instant::now();
        setup.node.mine(1)?;
        let height = setup.node.block_count()?;
        let both = [payer.expect(&txid, height, from)?, payee.expect(&txid, height, from)?];
        times.confirmations.extend(both);
        // And of the block itself, before.
        for wallet in [&mut payer, &mut payee] {
            wallet.client.wait_notification(Duration::ZERO, |told| {
                told.method == "blockchain.headers.subscribe"
                    && told.params[0]["height"] == json!(height)
            })?;
        }
    }
    Ok(times)
}
