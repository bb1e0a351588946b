//! Where the programs are that the tests run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};

/// The checkout this crate was built in.
///
/// # Panics
/// Never: the crate lies two folders below the root.
#[must_use]
pub fn repo_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/electrumx-testkit is two levels deep").to_path_buf()
}

/// A bitcoind to run: `BITCOIND_EXE`, else `bitcoind` on `PATH`, else the copy in `.tools` which
/// `scripts/get-bitcoind` fetches at the first use.
///
/// # Errors
/// When there is none and none can be had; tests are meant to fail then rather than pass untested.
pub fn bitcoind_exe() -> Result<PathBuf> {
    find("get-bitcoind", "BITCOIND_EXE")
}

/// An Electrum wallet (command line) to run: `ELECTRUM_EXE`, else `electrum` on `PATH`, else the copy in
/// `.tools` which `scripts/get-electrum` fetches at the first use.
///
/// # Errors
/// When there is none and none can be had.
pub fn electrum_exe() -> Result<PathBuf> {
    find("get-electrum", "ELECTRUM_EXE")
}

/// Electrum of Debian's backports: `ELECTRUM_BACKPORTS_EXE`, else the copy in `.tools` which `scripts/get-electrum
/// --backports` fetches at the first use.
///
/// # Errors
/// When there is none and none can be had.
pub fn electrum_backports_exe() -> Result<PathBuf> {
    find("get-electrum --backports", "ELECTRUM_BACKPORTS_EXE")
}

/// A Python with the `websockets` library: `PYTHON_WEBSOCKETS_EXE`, else `python3` if it has it, else one around the
/// copy in `.tools` which `scripts/get-websockets` fetches at the first use.
///
/// # Errors
/// When there is none and none can be had.
pub fn python_with_websockets() -> Result<PathBuf> {
    find("get-websockets", "PYTHON_WEBSOCKETS_EXE")
}

/// The script (with its arguments) knows the order of places; one answer per process is enough.
fn find(script: &str, variable: &str) -> Result<PathBuf> {
    static KNOWN: Mutex<Vec<(String, PathBuf)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().expect("no thread panics while it holds the lock");
    if let Some((_, path)) = known.iter().find(|(name, _)| name == script) {
        return Ok(path.clone());
    }
    let mut words = script.split(' ');
    let path = repo_root().join("scripts").join(words.next().unwrap_or_default());
    let out = Command::new(&path)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {} (set {variable} instead)", path.display()))?;
    if !out.status.success() {
        bail!("scripts/{script} failed:\n{}", String::from_utf8_lossy(&out.stderr).trim_end());
    }
    let exe = PathBuf::from(String::from_utf8(out.stdout)?.trim());
    ensure!(exe.is_file(), "scripts/{script} named {}, which is no file", exe.display());
    known.push((script.to_owned(), exe.clone()));
    Ok(exe)
}
