//! A server that serves a folder of block files, without a node.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

/// How long indexing may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running `electrumx-server`; it stops when this is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    addr: String,
}

impl ServerProcess {
    /// Starts the server that was built beside this program, and waits until it serves the chain.
    ///
    /// # Errors
    /// When there is no such program, or it does not serve in time.
    pub fn start(blocks_dir: &Path, dir: &Path) -> anyhow::Result<Self> {
        let program = program()?;
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = std::fs::File::create(dir.join("server.log"))?;
        let child = Command::new(&program)
            .env("OFFLINE", "1")
            .env("NET", "regtest")
            .env("BLOCKS_DIR", blocks_dir)
            .env("DB_DIRECTORY", dir.join("db"))
            .env("SERVICES", format!("tcp://{addr}"))
            // Nearly all of the chain is to be in the compact part of the index, as it is on main network.
            .env("BULK_BLOCKS", "100")
            .env("REORG_LIMIT", "20")
            // One client asks for everything, long histories included.
            .env("MAX_SEND", "200000000")
            .env("COST_SOFT_LIMIT", "0")
            .env("COST_HARD_LIMIT", "0")
            .env("ALLOW_ROOT", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut server = Self { child, addr };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&server.addr).is_err() {
            let ended = server.child.try_wait()?.is_some();
            anyhow::ensure!(
                !ended && Instant::now() < deadline,
                "the server does not serve: see {}",
                dir.join("server.log").display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // If it is gone already there is nothing to end.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("electrumx-server");
    anyhow::ensure!(
        program.exists(),
        "there is no {}: cargo build --release -p electrumx-server",
        program.display()
    );
    Ok(program)
}
