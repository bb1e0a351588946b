//! The TLS configuration: versions 1.2 and 1.3, no client certificates, no ALPN.

use std::sync::Arc;

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;

use super::certificate::Certificate;

/// Returns what makes TLS streams of connections.
///
/// Old Android wallets need version 1.2. Sessions are resumed from tickets, which cost the server no memory.
pub(super) fn acceptor(certificate: Arc<Certificate>) -> anyhow::Result<TlsAcceptor> {
    // Named, because the process default is ambiguous once a dependency enables another provider.
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.ticketer = ring::Ticketer::new().context("cannot make keys for TLS tickets")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
