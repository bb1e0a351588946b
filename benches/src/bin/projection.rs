//! Projects what `sync-bench --json` measured to main network.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::path::PathBuf;

use clap::Parser;
use electrumx_benches::{Projection, Report, Target};

/// Projects what `sync-bench --json` measured to main network, on other machines.
#[derive(Parser)]
struct Args {
    /// What `sync-bench --json` printed.
    report: PathBuf,
    /// Cores that a phase can keep busy at most.
    #[arg(long, default_value_t = 16)]
    scales_to: u32,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let report: Report = serde_json::from_slice(&std::fs::read(args.report)?)?;
    print!("{}", Projection::new(&report, Target::MAINNET, args.scales_to));
    Ok(())
}
