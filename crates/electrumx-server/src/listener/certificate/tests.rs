use std::path::PathBuf;

use super::*;
use crate::listener::self_signed::find_or_make;

/// A certificate in a directory of its own.
fn made(dir: &Path, name: &str) -> CertificateFiles {
    find_or_make(&dir.join(name), &["localhost".into()]).unwrap()
}

fn load(certificate: &Path, key: &Path) -> anyhow::Result<Certificate> {
    Certificate::load(CertificateFiles { certificate: certificate.into(), key: key.into() })
}

#[test]
fn wrong_files_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (a, b) = (made(dir.path(), "a"), made(dir.path(), "b"));
    load(&a.certificate, &a.key).unwrap();
    let both = file(
        "both",
        &(fs::read_to_string(&a.key).unwrap() + &fs::read_to_string(&a.certificate).unwrap()),
    );
    load(&both, &both).unwrap();

    let missing = dir.path().join("missing");
    let empty = file("empty", "");
    let secret = file(
        "secret",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let cut = file("cut", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let junk = file("junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    for (certificate, key, reason) in [
        (&missing, &a.key, "cannot read the TLS certificate"),
        (&a.certificate, &missing, "cannot read the TLS key"),
        (&empty, &a.key, "holds no certificate"),
        (&a.key, &a.key, "holds no certificate"),
        (&cut, &a.key, "damaged PEM"),
        (&a.certificate, &empty, "no -----BEGIN PRIVATE KEY-----"),
        (&a.certificate, &a.certificate, "no -----BEGIN PRIVATE KEY-----"),
        (&a.certificate, &secret, "passphrase"),
        (&a.certificate, &junk, "cannot use the private key"),
        (&a.certificate, &b.key, "does not belong to the certificate"),
    ] {
        let error = format!("{:#}", load(certificate, key).unwrap_err());
        assert!(error.contains(reason), "{error}");
        assert!(error.contains(&*dir.path().to_string_lossy()), "it names the file: {error}");
    }
}

#[test]
fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (made(dir.path(), "a"), made(dir.path(), "b"));
    let certificate = load(&a.certificate, &a.key).unwrap();
    let (first, stamp) = (certificate.to_string(), certificate.stamp());
    fs::copy(&b.certificate, &a.certificate).unwrap();
    assert_ne!(certificate.stamp(), stamp);
    certificate.reload();
    assert_eq!(certificate.to_string(), first, "the key is still the old one");
    fs::copy(&b.key, &a.key).unwrap();
    certificate.reload();
    assert_ne!(certificate.to_string(), first);
}
