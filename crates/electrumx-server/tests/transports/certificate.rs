use std::path::Path;

use anyhow::{Result, ensure};
use electrumx_testkit::{Regtest, ServerProcess, Signal, wait_until};
use rcgen::generate_simple_self_signed;
use rustls::version::TLS13;

use crate::common::{LineClient, PATIENCE, SERVER, Setup, tcp};
use crate::pin::{encrypt, pinning};

/// Writes a new certificate and its key.
fn write_new(certificate: &Path, key: &Path) -> Result<()> {
    let made = generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(key, made.signing_key.serialize_pem())?;
    std::fs::write(certificate, made.cert.pem())?;
    Ok(())
}

/// Waits until new connections get the certificate that is in the file now.
fn is_served(setup: &Setup, certificate: &Path) -> Result<()> {
    let config = pinning(certificate, &[&TLS13])?;
    wait_until(PATIENCE, "the certificate", || {
        LineClient::new(encrypt(&config, tcp(setup.ssl())?)?).greet()
    })
}

#[test]
fn a_certificate_is_followed_when_it_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    write_new(&certificate, &key).unwrap();
    let files =
        [("SSL_CERTFILE", certificate.to_str().unwrap()), ("SSL_KEYFILE", key.to_str().unwrap())];
    let setup = Setup::start(&files).unwrap();
    is_served(&setup, &certificate).unwrap();
    assert!(!setup.tls_dir().exists(), "none of its own is needed");

    let config = pinning(&certificate, &[&TLS13]).unwrap();
    let mut old = LineClient::new(encrypt(&config, tcp(setup.ssl()).unwrap()).unwrap());
    old.greet().unwrap();
    write_new(&certificate, &key).unwrap();
    is_served(&setup, &certificate).unwrap();
    old.greet().unwrap();

    // What cannot be used changes nothing.
    std::fs::rename(&certificate, dir.path().join("kept")).unwrap();
    std::fs::write(&certificate, "half a file").unwrap();
    setup.server.signal(Signal::HUP).unwrap();
    wait_until(PATIENCE, "a warning", || {
        ensure!(setup.server.log_text().contains("certificate in use stays"), "not told");
        Ok(())
    })
    .unwrap();
    is_served(&setup, &dir.path().join("kept")).unwrap();

    write_new(&certificate, &key).unwrap();
    setup.server.signal(Signal::HUP).unwrap();
    is_served(&setup, &certificate).unwrap();
}

#[test]
fn bad_certificates_end_the_server_with_the_reason() {
    let node = Regtest::builder().start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    write_new(Path::new(&path("a.pem")), Path::new(&path("a.key"))).unwrap();
    write_new(Path::new(&path("b.pem")), Path::new(&path("b.key"))).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    for (certificate, key, code, reason) in [
        ("missing", "a.key", 1, "cannot read the TLS certificate"),
        ("a.pem", "empty", 1, "holds no usable private key"),
        ("empty", "a.key", 1, "holds no certificate"),
        ("a.pem", "b.key", 1, "does not belong to the certificate"),
        ("a.pem", "", 78, "SSL_KEYFILE: not set, but SSL_CERTFILE is"),
    ] {
        let (certificate, key) =
            (path(certificate), if key.is_empty() { String::new() } else { path(key) });
        let services = "tcp://127.0.0.1:50001,ssl://127.0.0.1:50002,rpc://127.0.0.1:8000";
        let env = [("SERVICES", services), ("SSL_CERTFILE", &*certificate), ("SSL_KEYFILE", &*key)];
        let db = dir.path().join("db");
        let mut server = ServerProcess::for_node(Path::new(SERVER), &node, &db, &env).unwrap();
        let status = server.wait_exit(PATIENCE).unwrap();
        let log = server.log_text();
        assert_eq!(status.code(), Some(code), "{log}");
        assert!(log.contains(reason), "{reason}: {log}");
    }
}
