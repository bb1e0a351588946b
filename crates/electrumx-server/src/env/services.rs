//! `SERVICES` and `REPORT_SERVICES`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use electrumx_core::coin::Chain;

use super::note::Notes;
use super::service::{Defaults, Protocol, RPC_PORT, Service};
use super::settings::Settings;
use super::variables::{
    PEER_ANNOUNCE, PEER_DISCOVERY, REPORT_SERVICES, RPC_PORT as RPC_PORT_VARIABLE, SERVICES,
};

/// Longest path of a Unix socket on the systems there are, its end included (macOS).
const MAX_UNIX_PATH: usize = 104;

/// What `SERVICES` holds.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) listen: Vec<Service>,
    pub(crate) unix_sockets: Vec<PathBuf>,
}

/// Reads `SERVICES`. The default serves this machine alone: nothing is opened to a network unasked.
pub(crate) fn services(
    settings: &mut Settings,
    chain: &'static Chain,
    notes: &mut Notes,
) -> Services {
    let Some(text) = settings.text(&SERVICES) else {
        let port = chain.electrum_tcp_port;
        let local = |protocol, port| Service { protocol, host: "127.0.0.1".into(), port };
        let services = vec![local(Protocol::Tcp, port), local(Protocol::Rpc, RPC_PORT)];
        notes.info(format!(
            "services: {} and {}, for this machine only; SERVICES=tcp://:{port},rpc:// serves wallets everywhere",
            services[0], services[1]
        ));
        return Services { listen: services, unix_sockets: Vec::new() };
    };
    let (text, unix_sockets) = split_unix(text);
    for path in &unix_sockets {
        if let Some(trouble) = trouble_with_unix(path) {
            settings.problem(&SERVICES, format!("unix://{}: {trouble}", path.display()));
        }
    }
    let services = match Service::parse_list(&text, Defaults::Of(chain)) {
        Ok(services) => services,
        Err(errors) => {
            errors.into_iter().for_each(|error| settings.problem(&SERVICES, error));
            return Services::default();
        }
    };
    for service in &services {
        if let Some(trouble) = trouble_listening(service) {
            settings.problem(&SERVICES, format!("{service}: {trouble}"));
        }
    }
    let unix = unix_sockets.iter().map(|path| format!("unix://{}", path.display()));
    let shown: Vec<_> = services.iter().map(ToString::to_string).chain(unix).collect();
    notes.info(format!("services: {}", shown.join(", ")));
    if services.is_empty() && unix_sockets.is_empty() {
        settings.problem(&SERVICES, "it names no service; write such as tcp://127.0.0.1:50001");
    }
    for service in services.iter().filter(|s| s.protocol == Protocol::Rpc && !s.is_loopback()) {
        notes.warn(format!(
            "{service} is reachable from other machines: whoever reaches it can stop this server, there is no password"
        ));
    }
    if unix_sockets.is_empty() && services.iter().all(|s| s.protocol == Protocol::Rpc) {
        notes.warn("SERVICES has no service for wallets, only rpc://");
    }
    compare_rpc_port(settings, &services, notes);
    Services { listen: services, unix_sockets }
}

/// Takes `unix://PATH` out of a list of services.
fn split_unix(text: &str) -> (String, Vec<PathBuf>) {
    let (mut others, mut paths) = (Vec::new(), Vec::new());
    for piece in text.split(',') {
        match piece.trim().split_once("://") {
            Some((protocol, path)) if protocol.eq_ignore_ascii_case("unix") => {
                paths.push(PathBuf::from(path));
            }
            _ => others.push(piece),
        }
    }
    paths.sort();
    paths.dedup();
    (others.join(","), paths)
}

fn trouble_with_unix(path: &Path) -> Option<&'static str> {
    if !path.is_absolute() {
        return Some("write the whole path: unix:///run/electrumx/socket");
    }
    (path.as_os_str().len() >= MAX_UNIX_PATH).then_some("the path is longer than 103 bytes")
}

fn trouble_listening(service: &Service) -> Option<&'static str> {
    is_onion(service).then_some(
        "a server cannot listen on an onion address; listen on 127.0.0.1 and let Tor forward to it",
    )
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
