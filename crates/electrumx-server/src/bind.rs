//! Opening the sockets of services.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::{TcpListener, lookup_host};

use crate::env::Service;

/// Listens where a service says: on every address of its host, or on all interfaces when it names none.
///
/// # Errors
/// When an address is taken, or not one of this machine; the message names the service and what to do.
pub async fn bind(service: &Service) -> anyhow::Result<Vec<TcpListener>> {
    let listeners = if service.host.is_empty() {
        bind_all_interfaces(service.port).await
    } else {
        bind_host(service).await
    };
    listeners.with_context(|| {
        format!(
            "cannot listen on {service}; is another server running there, or is SERVICES wrong?"
        )
    })
}

/// IPv6 sockets take IPv4 connections too, unless the system has no IPv6 or is set otherwise.
async fn bind_all_interfaces(port: u16) -> io::Result<Vec<TcpListener>> {
    let v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await;
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    match (v6, v4) {
        (Ok(v6), v4) => Ok(std::iter::once(v6).chain(v4.ok()).collect()),
        (Err(_), v4) => Ok(vec![v4?]),
    }
}

async fn bind_host(service: &Service) -> io::Result<Vec<TcpListener>> {
    let mut addresses: Vec<SocketAddr> =
        lookup_host((service.host.as_str(), service.port)).await?.collect();
    addresses.sort_unstable();
    addresses.dedup();
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut unavailable = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            // The hosts file gives localhost an IPv6 address also where there is no IPv6.
            Err(error) if address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse => {
                tracing::debug!("{service}: no socket on {address}: {error}");
                unavailable = error;
            }
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(unavailable) } else { Ok(listeners) }
}
