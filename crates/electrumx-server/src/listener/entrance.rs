//! What all doors share.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use electrumx_protocol::{Node, Service as Electrum};
use ipnet::IpNet;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::certificate::Certificate;
use super::door::Door;
use super::gate::Gate;
use super::{self_signed, tls};
use crate::env::{Env, Protocol, Service, raise_open_files};

/// The services for wallets, not yet opened, and what their connections share.
pub(crate) struct Entrance {
    services: Vec<Service>,
    unix_sockets: Vec<PathBuf>,
    pub(super) tls: Option<TlsAcceptor>,
    /// Whose connections begin with a PROXY header.
    pub(super) proxies: Vec<IpNet>,
    pub(super) gate: Arc<Gate>,
    /// Longest WebSocket message, in bytes.
    pub(super) max_message: usize,
    /// Whether addresses are kept out of the log.
    pub(super) anonymous: bool,
}

impl Entrance {
    /// Prepares the services. When one of them speaks TLS the certificate is loaded, or made, and followed until `stop`; the
    /// database directory must exist by then.
    ///
    /// # Errors
    /// When certificate or key cannot be used; the message says which file and why.
    pub(crate) fn prepare(env: &Env, stop: &CancellationToken) -> anyhow::Result<Arc<Self>> {
        let services: Vec<_> =
            env.services.iter().filter(|s| s.protocol != Protocol::Rpc).cloned().collect();
        let tls = services.iter().any(|s| s.protocol.is_encrypted());
        Ok(Arc::new(Self {
            services,
            unix_sockets: env.unix_sockets.clone(),
            tls: if tls { Some(prepare_tls(env, stop)?) } else { None },
            proxies: env.proxies.clone(),
            gate: Arc::new(Gate::new(max_sessions(env))),
            max_message: env.sessions.max_recv_bytes,
            anonymous: env.anon_logs,
        }))
    }

    /// Returns the services as in `SERVICES`.
    pub(crate) fn services(&self) -> Vec<String> {
        let unix = self.unix_sockets.iter().map(|path| format!("unix://{}", path.display()));
        self.services.iter().map(ToString::to_string).chain(unix).collect()
    }

    /// Opens all sockets. They are closed again when the doors are dropped.
    ///
    /// # Errors
    /// When one cannot be opened; the message names it.
    pub(crate) async fn open(&self) -> anyhow::Result<Vec<Door>> {
        let mut doors = Vec::new();
        for service in &self.services {
            doors.extend(Door::tcp(service).await?);
        }
        for path in &self.unix_sockets {
            doors.push(Door::unix(path)?);
        }
        Ok(doors)
    }

    /// Opens all sockets and serves clients until cancelled.
    ///
    /// # Errors
    /// When a socket cannot be opened.
    pub(crate) async fn serve<N: Node>(
        self: Arc<Self>,
        electrum: Arc<Electrum<N>>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut doors = JoinSet::new();
        for door in self.open().await? {
            tracing::info!("serving Electrum clients on {door}");
            doors.spawn(door.serve(Arc::clone(&self), Arc::clone(&electrum), stop.clone()));
        }
        stop.cancelled().await;
        while let Some(closed) = doors.join_next().await {
            closed.context("a listener panicked; this is a bug")?;
        }
        Ok(())
    }
}

/// Returns how many sessions there may be, which the system may allow fewer of.
fn max_sessions(env: &Env) -> usize {
    let (wanted, open_files) = (env.sessions.max_sessions, raise_open_files());
    let allowed = env.sessions.within_open_files(open_files);
    if allowed < wanted {
        let limit = open_files.unwrap_or_default();
        tracing::warn!(
            "{allowed} sessions and not MAX_SESSIONS={wanted}: this process may open {limit} files only (ulimit -n)"
        );
    }
    allowed
}

fn prepare_tls(env: &Env, stop: &CancellationToken) -> anyhow::Result<TlsAcceptor> {
    let files = match &env.certificate {
        Some(files) => files.clone(),
        None => self_signed::find_or_make(&env.db_directory.join("tls"), &names(env))?,
    };
    let certificate = Arc::new(Certificate::load(files)?);
    tracing::info!("TLS certificate: {certificate}");
    tokio::spawn(Arc::clone(&certificate).follow(stop.clone()));
    tls::acceptor(certificate)
}

/// Names and addresses by which clients reach this server.
fn names(env: &Env) -> Vec<String> {
    let encrypted = env.services.iter().filter(|service| service.protocol.is_encrypted());
    let mut names: Vec<String> = env
        .report_services
        .iter()
        .chain(encrypted)
        .filter(|s| !s.host.is_empty() && !s.ip().is_some_and(|ip| ip.is_unspecified()))
        .map(|service| service.host.clone())
        .chain(["localhost", "127.0.0.1", "::1"].map(String::from))
        .collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
