//! Asks a server the common questions and reports latency, throughput and the server's CPU time.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use electrumx_benches::{BlockDir, Connection, Samples, ServerProcess, Shape, measure};

/// Makes a chain and an index in a folder, serves them without a node, asks the common questions and reports what they cost.
#[derive(Parser)]
struct Args {
    /// The folder; what an earlier run left in it is used again.
    #[arg(required_unless_present = "running")]
    dir: Option<PathBuf>,
    /// Blocks of the chain; of these the first 1,500 are nearly empty.
    #[arg(long, default_value_t = 2_420)]
    blocks: u32,
    /// Of 1,000 outputs so many pay to the busy script.
    #[arg(long, default_value_t = 40)]
    busy_permille: u32,
    /// Ask the server (TCP) that listens here instead.
    #[arg(long)]
    running: Option<String>,
    /// Process id of that server, when it runs on this machine: its CPU time is reported.
    #[arg(long, requires = "running")]
    pid: Option<u32>,
    /// Requests of each kind.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// Only requests whose name in the report contains this.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(addr) = &args.running {
        let mut server = Connection::open(addr)?;
        let samples = Samples::collect(&mut server)?;
        return measure(&mut server, args.pid, &samples, args.requests, false, &args.only);
    }
    let dir = args.dir.context("which folder?")?;
    let shape = Shape {
        blocks: args.blocks,
        quiet_blocks: 1_500.min(args.blocks / 2),
        busy_permille: args.busy_permille,
        ..Shape::default()
    };
    let blocks_dir = dir.join("blocks");
    println!("making the chain in {}, unless it is there", blocks_dir.display());
    let blocks = BlockDir::open_or_generate(&blocks_dir, shape, false)?;
    println!("{}", serde_json::to_string(&blocks.totals())?);
    println!("indexing it, unless that was done");
    let server = ServerProcess::start(&blocks_dir, &dir)?;
    let samples = Samples::collect(&mut Connection::open(server.addr())?)?;
    // Started anew, with empty caches.
    drop(server);
    let server = ServerProcess::start(&blocks_dir, &dir)?;
    let mut connection = Connection::open(server.addr())?;
    measure(&mut connection, Some(server.pid()), &samples, args.requests, true, &args.only)
}
