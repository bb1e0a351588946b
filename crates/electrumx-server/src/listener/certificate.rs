//! The certificate in use, and how it follows its files.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::fingerprint::Fingerprint;
use crate::env::CertificateFiles;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// A certificate with its key, as last read from its files.
#[derive(Debug)]
pub(super) struct Certificate {
    files: CertificateFiles,
    current: RwLock<Arc<CertifiedKey>>,
}

/// What changes with a file's content: time, length, file number. All of it follows symbolic links.
type Stamp = [Option<(SystemTime, u64, u64)>; 2];

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// Says which file cannot be used, why, and what to do.
    pub(super) fn load(files: CertificateFiles) -> anyhow::Result<Self> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Self { files, current })
    }

    /// Reads the files anew when they change, and at SIGHUP, until cancelled. What cannot be used leaves the old certificate
    /// in use, with a word in the log; renewed files are often written one after the other.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(err) => {
                tracing::warn!("cannot watch SIGHUP, renewed certificates need a restart: {err}");
                return;
            }
        };
        let mut seen = self.stamp();
        loop {
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            let this = Arc::clone(&self);
            let look = move || {
                let now = this.stamp();
                if asked || now != seen {
                    this.reload();
                }
                now
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(now) => seen = now,
                Err(err) => return tracing::error!("reading the certificate: {err}"),
            }
        }
    }

    fn reload(&self) {
        match read(&self.files) {
            Ok(key) => {
                *self.current.write() = Arc::new(key);
                tracing::info!("TLS certificate, read anew: {self}");
            }
            Err(err) => tracing::warn!("the TLS certificate in use stays: {err:#}"),
        }
    }

    fn stamp(&self) -> Stamp {
        [&self.files.certificate, &self.files.key].map(|file| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.files.certificate.display())?;
        match self.current.read().cert.first() {
            Some(leaf) => write!(f, ", SHA-256 {}", Fingerprint::of(leaf)),
            None => Ok(()),
        }
    }
}

fn read(files: &CertificateFiles) -> anyhow::Result<CertifiedKey> {
    let CertificateFiles { certificate, key } = files;
    let chain = read_chain(certificate)?;
    let private = ring::default_provider()
        .key_provider
        .load_private_key(read_key(key)?)
        .with_context(|| format!("cannot use the private key in {}", key.display()))?;
    let certified = CertifiedKey::new(chain, private);
    match certified.keys_match() {
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(TlsError::InconsistentKeys(_)) => bail!(
            "the key in {} does not belong to the certificate in {} (whose first certificate must be the server's own)",
            key.display(),
            certificate.display()
        ),
        // Version 1 certificates, which older OpenSSL made by default, cannot be looked into here; they can be served.
        Err(err) => tracing::warn!(
            "{}: some wallets will refuse this certificate, it is not well-formed X.509 version 3: {err}",
            certificate.display()
        ),
    }
    Ok(certified)
}

fn read_chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = fs::read(file)
        .with_context(|| format!("cannot read the TLS certificate {}", file.display()))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is damaged PEM", file.display()))?;
    if chain.is_empty() {
        bail!("{} holds no certificate: no -----BEGIN CERTIFICATE----- in it", file.display());
    }
    Ok(chain)
}

fn read_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let text =
        fs::read(file).with_context(|| format!("cannot read the TLS key {}", file.display()))?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            let text = String::from_utf8_lossy(&text);
            let why = if text.contains("ENCRYPTED PRIVATE KEY") {
                "it is protected by a passphrase; `openssl pkey` writes it without"
            } else {
                "no -----BEGIN PRIVATE KEY----- in it"
            };
            bail!("{} holds no usable private key: {why}", file.display())
        }
        Err(err) => Err(err).with_context(|| format!("{} is damaged PEM", file.display())),
    }
}

#[cfg(test)]
#[path = "certificate/tests.rs"]
mod tests;
