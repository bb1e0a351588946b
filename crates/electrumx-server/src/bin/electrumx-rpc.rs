//! `electrumx-rpc`: asks and orders of a running server.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use electrumx_server::rpc_client::{CallError, call, sessions_table};
use serde_json::{Value, json};

/// Asks a running server for its state, or tells it what to do.
///
/// Exit codes: 0 done, 1 the server refused, 2 wrong command line, 3 no answer.
#[derive(Parser)]
#[command(name = "electrumx-rpc", version)]
struct Cli {
    /// Port of the server's rpc:// service.
    #[arg(short, long, env = "RPC_PORT", default_value_t = 8000, global = true)]
    port: u16,
    /// Host of the server's rpc:// service.
    #[arg(long, default_value = "localhost", global = true)]
    host: String,
    /// Longest wait for the server, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, global = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Shows the answer as JSON on one line, for scripts.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the state: what it is doing, heights, sessions, sync progress.
    Getinfo,
    /// Lists the wallets' sessions.
    Sessions,
    /// Ends sessions.
    Disconnect {
        /// Numbers of sessions as listed by `sessions`, or `all`.
        #[arg(required = true)]
        session_ids: Vec<String>,
    },
    /// Folds the part of the index for new blocks into the compact part, in the background.
    Compact,
    /// Stops the server.
    Stop,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (method, params) = match &cli.command {
        Command::Getinfo => ("getinfo", json!({})),
        Command::Sessions => ("sessions", json!({})),
        Command::Disconnect { session_ids } => {
            ("disconnect", json!({ "session_ids": session_ids }))
        }
        Command::Compact => ("compact", json!({})),
        Command::Stop => ("stop", json!({})),
    };
    let timeout = Duration::from_secs(cli.timeout);
    match call(&cli.host, cli.port, timeout, method, &params) {
        Ok(result) => show(&cli, &result),
        Err(error) => {
            // Nothing can be done when standard error is gone.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(if matches!(error, CallError::Refused { .. }) { 1 } else { 3 })
        }
    }
}

fn show(cli: &Cli, result: &Value) -> ExitCode {
    let text = match (&cli.command, result) {
        _ if cli.json => format!("{result}\n"),
        (Command::Sessions, sessions) => {
            sessions_table(sessions).unwrap_or_else(|| format!("{sessions:#}\n"))
        }
        (_, Value::String(text)) => format!("{text}\n"),
        (_, Value::Array(lines)) if lines.iter().all(Value::is_string) => {
            lines.iter().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect()
        }
        (_, other) => format!("{other:#}\n"),
    };
    // A reader that has seen enough (head, less) is no failure.
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    }
}
