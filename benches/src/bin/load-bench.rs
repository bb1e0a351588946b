//! Asks a running server the common questions and reports latency, throughput and the server's CPU time.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize_hex;
use clap::Parser;
use electrumx_benches::{Connection, cpu_of};
use electrumx_core::ScriptHash;

/// Asks a running Electrum server (TCP) the common questions and reports what they cost.
#[derive(Parser)]
struct Args {
    /// Where the server listens.
    #[arg(default_value = "127.0.0.1:50001")]
    server: String,
    /// Process id of the server, when it runs on this machine: its CPU time is reported.
    #[arg(long)]
    pid: Option<u32>,
    /// Requests of each kind.
    #[arg(long, default_value_t = 5_000)]
    requests: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut server = Connection::open(&args.server)?;
    let tip = height(&mut server)?;
    let samples = Samples::collect(&mut server, tip)?;
    println!(
        "chain of {} blocks; {} transactions and {} scripts are asked for",
        tip + 1,
        samples.txids.len(),
        samples.scripts.len()
    );
    println!(
        "{:<32} {:>10} {:>10} {:>12} {:>14}",
        "request", "p50 µs", "p99 µs", "pipelined µs", "server CPU µs"
    );
    for (name, request) in samples.questions(tip) {
        let latency = latencies(&mut server, args.requests.min(1_000), &request)?;
        let before = args.pid.map(cpu_of).transpose()?;
        let started = Instant::now();
        server.pipeline((0..args.requests).map(&request))?;
        let wall = started.elapsed();
        let after = args.pid.map(cpu_of).transpose()?;
        let cpu = before.zip(after).map(|(before, after)| micros(after - before, args.requests));
        println!(
            "{name:<32} {:>10.0} {:>10.0} {:>12.1} {:>14}",
            micros(latency[latency.len() / 2], 1),
            micros(latency[latency.len() * 99 / 100], 1),
            micros(wall, args.requests),
            cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}"))
        );
    }
    Ok(())
}

fn height(server: &mut Connection) -> anyhow::Result<u32> {
    let reply = server.ask(r#""blockchain.headers.subscribe","params":[]"#)?;
    let digits = reply.split(r#""height":"#).nth(1).context("no height in the reply")?;
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}

/// Things of the chain to ask about.
struct Samples {
    txids: Vec<(String, u32)>,
    scripts: Vec<ScriptHash>,
}

impl Samples {
    /// Takes the first transactions of blocks spread over the chain, and the scripts they pay to.
    fn collect(server: &mut Connection, tip: u32) -> anyhow::Result<Self> {
        let mut samples = Self { txids: Vec::new(), scripts: Vec::new() };
        let step = (tip / 200).max(1);
        for height in (1..=tip).rev().step_by(step as usize) {
            for position in 0..3 {
                let question = format!(
                    r#""blockchain.transaction.id_from_pos","params":[{height},{position}]"#
                );
                let reply = server.ask(&question)?;
                let Some(txid) = text_result(&reply) else { break };
                let question = format!(r#""blockchain.transaction.get","params":["{txid}"]"#);
                let raw = server.ask(&question)?;
                let raw =
                    text_result(&raw).with_context(|| format!("transaction {txid}: {raw}"))?;
                let tx: Transaction = deserialize_hex(raw)?;
                let outputs = tx.output.iter().map(|output| &output.script_pubkey);
                let outputs = outputs.filter(|script| !script.is_op_return());
                samples
                    .scripts
                    .extend(outputs.map(|script| ScriptHash::of_script(script.as_bytes())));
                samples.txids.push((txid.to_owned(), height));
            }
        }
        anyhow::ensure!(!samples.scripts.is_empty(), "the chain has no transactions to ask about");
        Ok(samples)
    }

    #[expect(clippy::type_complexity, reason = "a list of names and generators")]
    fn questions(&self, tip: u32) -> Vec<(&'static str, Box<dyn Fn(usize) -> String + '_>)> {
        let script = |method: &'static str| -> Box<dyn Fn(usize) -> String + '_> {
            Box::new(move |i| {
                let scripthash = self.scripts[i % self.scripts.len()];
                format!(r#""blockchain.scripthash.{method}","params":["{scripthash}"]"#)
            })
        };
        let tx = |i: usize| &self.txids[i % self.txids.len()];
        vec![
            ("server.ping", Box::new(|_| r#""server.ping","params":[]"#.to_owned())),
            (
                "blockchain.block.header",
                Box::new(move |i| {
                    format!(r#""blockchain.block.header","params":[{}]"#, i % (tip as usize + 1))
                }),
            ),
            (
                "  … with cp_height",
                Box::new(move |i| {
                    format!(
                        r#""blockchain.block.header","params":[{},{tip}]"#,
                        i % (tip as usize + 1)
                    )
                }),
            ),
            ("scripthash.subscribe", script("subscribe")),
            ("scripthash.get_balance", script("get_balance")),
            ("scripthash.get_history", script("get_history")),
            ("scripthash.listunspent", script("listunspent")),
            (
                "transaction.get",
                Box::new(move |i| {
                    format!(r#""blockchain.transaction.get","params":["{}"]"#, tx(i).0)
                }),
            ),
            (
                "transaction.get_merkle",
                Box::new(move |i| {
                    format!(
                        r#""blockchain.transaction.get_merkle","params":["{}",{}]"#,
                        tx(i).0,
                        tx(i).1
                    )
                }),
            ),
            (
                "transaction.id_from_pos",
                Box::new(move |i| {
                    format!(r#""blockchain.transaction.id_from_pos","params":[{},0]"#, tx(i).1)
                }),
            ),
        ]
    }
}

/// The result of a reply, when it is text.
fn text_result(reply: &str) -> Option<&str> {
    reply.split(r#""result":""#).nth(1)?.split('"').next()
}

fn latencies(
    server: &mut Connection,
    requests: usize,
    request: &dyn Fn(usize) -> String,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::with_capacity(requests);
    for i in 0..requests {
        let started = Instant::now();
        server.ask(&request(i))?;
        latencies.push(started.elapsed());
    }
    latencies.sort_unstable();
    Ok(latencies)
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn micros(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}
