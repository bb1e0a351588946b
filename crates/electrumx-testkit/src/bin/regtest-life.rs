//! Keeps a regtest chain alive: a block every so often, with payments of all kinds in it.
//!
//! ```text
//! regtest-life [--interval SECONDS] [--payments N] [--reorg-every BLOCKS] [--seed N] [DAEMON_URL]
//! ```
//!
//! With `DAEMON_URL` (`http://user:password@127.0.0.1:port/`) on that node, else on one of its own. Prints nothing but
//! errors (and, without `DAEMON_URL`, that of its node); ends at SIGTERM, Ctrl-C or when its parent ends.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use electrumx_testkit::{Auth, Life, NodeClient, Regtest, life};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

fn run() -> Result<()> {
    let parent = std::os::unix::process::parent_id();
    let mut settings = Life::default();
    let mut url = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--interval" => settings.interval = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--payments" => settings.payments = value()?.parse()?,
            "--reorg-every" => settings.reorg_every = value()?.parse()?,
            "--seed" => settings.seed = value()?.parse()?,
            _ if arg.starts_with("http://") => url = Some(arg),
            _ => bail!("unknown argument {arg}; see the head of the source"),
        }
    }
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ended))?;
    }
    let stop = || ended.load(Ordering::Relaxed) || std::os::unix::process::parent_id() != parent;
    if let Some(url) = url {
        return life(&node_at(&url)?, &settings, stop);
    }
    let node = Regtest::start()?;
    writeln!(std::io::stdout(), "{}", node.daemon_url()?)?;
    life(&node, &settings, stop)
}

fn node_at(url: &str) -> Result<NodeClient> {
    let form = "the address is not http://user:password@ip:port/";
    let rest = url.trim_start_matches("http://").trim_end_matches('/');
    let (login, addr) = rest.rsplit_once('@').context(form)?;
    let (user, password) = login.split_once(':').context(form)?;
    let auth = Auth::UserPass(user.to_owned(), password.to_owned());
    let addr = std::net::ToSocketAddrs::to_socket_addrs(addr).context(form)?.next();
    Ok(NodeClient::new(addr.context(form)?, auth, Default::default()))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "regtest-life: {error:#}");
            ExitCode::FAILURE
        }
    }
}
