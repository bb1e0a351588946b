//! `SERVICES` and `REPORT_SERVICES`.

use std::net::IpAddr;

use electrumx_core::coin::Chain;

use super::note::Notes;
use super::service::{Defaults, Protocol, RPC_PORT, Service};
use super::settings::Settings;
use super::variables::{
    PEER_ANNOUNCE, PEER_DISCOVERY, REPORT_SERVICES, RPC_PORT as RPC_PORT_VARIABLE, SERVICES,
};

/// Reads `SERVICES`. The default serves this machine alone: nothing is opened to a network unasked.
pub(crate) fn services(
    settings: &mut Settings,
    chain: &'static Chain,
    notes: &mut Notes,
) -> Vec<Service> {
    let Some(text) = settings.text(&SERVICES) else {
        let port = chain.electrum_tcp_port;
        let local = |protocol, port| Service { protocol, host: "127.0.0.1".into(), port };
        let services = vec![local(Protocol::Tcp, port), local(Protocol::Rpc, RPC_PORT)];
        notes.info(format!(
            "services: {} and {}, for this machine only; SERVICES=tcp://:{port},rpc:// serves wallets everywhere",
            services[0], services[1]
        ));
        return services;
    };
    let services = match Service::parse_list(text, Defaults::Of(chain)) {
        Ok(services) => services,
        Err(errors) => {
            errors.into_iter().for_each(|error| settings.problem(&SERVICES, error));
            return Vec::new();
        }
    };
    for service in &services {
        if let Some(trouble) = trouble_listening(service) {
            settings.problem(&SERVICES, format!("{service}: {trouble}"));
        }
    }
    let shown: Vec<_> = services.iter().map(ToString::to_string).collect();
    notes.info(format!("services: {}", shown.join(", ")));
    if services.is_empty() {
        settings.problem(&SERVICES, "it names no service; write such as tcp://127.0.0.1:50001");
    }
    for service in services.iter().filter(|s| s.protocol == Protocol::Rpc && !s.is_loopback()) {
        notes.warn(format!(
            "{service} is reachable from other machines: whoever reaches it can stop this server, there is no password"
        ));
    }
    if !services.iter().any(|service| service.protocol != Protocol::Rpc) {
        notes.warn("SERVICES has no service for wallets, only rpc://");
    }
    compare_rpc_port(settings, &services, notes);
    services
}

fn trouble_listening(service: &Service) -> Option<&'static str> {
    match service.protocol {
        Protocol::Ssl => Some(
            "TLS is not supported yet; use tcp:// behind a TLS proxy such as nginx, stunnel or HAProxy",
        ),
        Protocol::Ws | Protocol::Wss => Some("WebSocket is not supported yet; use tcp://"),
        _ if is_onion(service) => Some(
            "a server cannot listen on an onion address; listen on 127.0.0.1 and let Tor forward to it",
        ),
        Protocol::Tcp | Protocol::Rpc => None,
    }
}

/// `RPC_PORT` configures electrumx-rpc, and used to configure the server.
fn compare_rpc_port(settings: &Settings, services: &[Service], notes: &mut Notes) {
    let Some(port) = settings.text(&RPC_PORT_VARIABLE) else { return };
    let is_it = |s: &Service| s.protocol == Protocol::Rpc && s.port.to_string() == port;
    if !services.iter().any(is_it) {
        notes.warn(format!(
            "RPC_PORT={port} is read by electrumx-rpc only, and no rpc:// service of SERVICES has that port"
        ));
    }
}

/// Reads `REPORT_SERVICES`.
pub(crate) fn report_services(settings: &mut Settings) -> Vec<Service> {
    let Some(text) = settings.text(&REPORT_SERVICES) else { return Vec::new() };
    let services = match Service::parse_list(text, Defaults::None) {
        Ok(services) => services,
        Err(errors) => {
            errors.into_iter().for_each(|error| settings.problem(&REPORT_SERVICES, error));
            return Vec::new();
        }
    };
    let discovery = settings.text(&PEER_DISCOVERY).is_none_or(|v| !v.eq_ignore_ascii_case("off"));
    let announce = discovery && settings.boolean(&PEER_ANNOUNCE, true);
    for service in &services {
        if let Some(trouble) = trouble_reporting(service, announce) {
            settings.problem(&REPORT_SERVICES, format!("{service}: {trouble}"));
        }
    }
    services
}

fn trouble_reporting(service: &Service, announce: bool) -> Option<&'static str> {
    if service.protocol == Protocol::Rpc {
        return Some("rpc is for the operator and is not reported");
    }
    let ip = service.ip();
    if service.host == "localhost" || ip.is_some_and(|ip| ip.is_unspecified() || ip.is_multicast())
    {
        return Some("clients cannot connect to it; report a public name or address");
    }
    if announce && ip.is_some_and(is_private) {
        return Some(
            "a private address means nothing to others; report a public one, or set PEER_ANNOUNCE=no",
        );
    }
    None
}

fn is_onion(service: &Service) -> bool {
    service.host.rsplit('.').next() == Some("onion")
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
