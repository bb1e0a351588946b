//! TLS as OpenSSL's command line sees it: another implementation, and a scan of what is offered.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::common::{GREETING, Setup, is_greeted};

/// All that OpenSSL can do, also what it does not do unless it is asked to.
const EVERYTHING: &str = "ALL:@SECLEVEL=0";

/// The cipher suites of TLS 1.2 that are offered: forward secrecy and authenticated encryption, nothing else.
const SUITES: [&str; 3] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
];

fn openssl(args: &[&str]) -> Result<Output> {
    let mut command = Command::new("openssl");
    let output = command.args(args).stdin(Stdio::null()).output();
    output.context("the test needs OpenSSL's command line: install the package openssl")
}

/// Shakes hands; returns what OpenSSL says of it if that succeeds.
fn shake(addr: SocketAddr, certificate: &Path, args: &[&str]) -> Result<Option<String>> {
    let (addr, certificate) = (addr.to_string(), certificate.to_str().context("not UTF-8")?);
    let common = ["s_client", "-brief", "-connect", &addr, "-CAfile", certificate];
    let strict = ["-verify_return_error", "-servername", "localhost"];
    let output = openssl(&[&common[..], &strict, args].concat())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.success() && said.contains("CONNECTION ESTABLISHED")).then_some(said))
}

#[test]
fn openssl_finds_tls_1_2_and_1_3_and_nothing_else() -> Result<()> {
    let setup = Setup::start(&[])?;
    let certificate = setup.tls_dir().join("certificate.pem");
    for addr in [setup.ssl(), setup.wss()] {
        for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let said = shake(addr, &certificate, &[version])?.context(version)?;
            ensure!(said.contains(&format!("Protocol version: {name}")), "{said}");
            ensure!(said.contains("Verification: OK"), "{said}");
        }
        for version in ["-tls1", "-tls1_1"] {
            let said = shake(addr, &certificate, &[version, "-cipher", EVERYTHING])?;
            ensure!(said.is_none(), "{version}: {said:?}");
        }
    }
    suites(setup.ssl(), &certificate)?;
    converse(setup.ssl(), &certificate)
}

/// One handshake for each suite there is.
fn suites(addr: SocketAddr, certificate: &Path) -> Result<()> {
    let listed = openssl(&["ciphers", "-tls1_2", "-s", EVERYTHING])?;
    let listed = String::from_utf8(listed.stdout)?;
    let mut offered = Vec::new();
    let mut tried = 0;
    for suite in listed.trim().split(':').filter(|suite| !suite.starts_with("TLS_")) {
        tried += 1;
        let cipher = format!("{suite}:@SECLEVEL=0");
        if shake(addr, certificate, &["-tls1_2", "-cipher", &cipher])?.is_some() {
            offered.push(suite);
        }
    }
    offered.sort_unstable();
    ensure!(tried > SUITES.len() && offered == SUITES, "of {tried} suites: {offered:?}");
    Ok(())
}

/// A request over `s_client`.
fn converse(addr: SocketAddr, certificate: &Path) -> Result<()> {
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_quiet", "-connect", &addr.to_string(), "-CAfile"])
        .arg(certificate)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().context("no input")?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let mut ask = || -> Result<Value> {
        writeln!(input, "{GREETING}")?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("not an answer: {line:?}"))
    };
    let answer = ask();
    child.kill()?;
    child.wait()?;
    let answer = answer?;
    ensure!(is_greeted(&answer), "{answer}");
    Ok(())
}

#[test]
fn the_certificate_made_at_the_first_start_is_one_that_wallets_pin() -> Result<()> {
    let setup = Setup::start(&[])?;
    let certificate = setup.tls_dir().join("certificate.pem");
    let file = certificate.to_str().context("not UTF-8")?;
    let ten_years = (10 * 365 * 24 * 3600).to_string();
    let shown = openssl(&["x509", "-in", file, "-noout", "-text", "-checkend", &ten_years])?;
    ensure!(shown.status.success(), "it expires within ten years");
    let text = String::from_utf8(shown.stdout)?;
    for wanted in ["Version: 3", "Digital Signature", "DNS:localhost", "IP Address:127.0.0.1"] {
        ensure!(text.contains(wanted), "no {wanted} in:\n{text}");
    }
    let name = |of: &str| text.lines().find_map(|line| line.trim().strip_prefix(of));
    ensure!(name("Issuer:").is_some() && name("Issuer:") == name("Subject:"), "{text}");
    // Signed by its own key, and a leaf: nothing else may be signed by it.
    let verified = openssl(&["verify", "-CAfile", file, file])?;
    ensure!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let names = ["-verify_hostname", "localhost", "-verify_ip", "127.0.0.1"];
    ensure!(shake(setup.ssl(), &certificate, &names)?.is_some(), "its names are not accepted");
    Ok(())
}
