//! `server.*`.

use serde_json::json;

use crate::close::CloseReason;
use crate::config::ServiceConfig;
use crate::error::RpcError;
use crate::json;
use crate::methods::{EXTENSIONS, METHODS};
use crate::node::{Node, NodeVersion};
use crate::params::{Arg, Params, shorten};
use crate::session::Session;
use crate::version::ProtocolVersion;

/// Room kept for what is around a pong, in bytes.
const PONG_ENVELOPE: usize = 1024;

/// How much of a client's name is kept, in characters.
const CLIENT_NAME_CHARS: usize = 100;

/// `server.add_peer(features)`: peers are not looked for.
pub(super) fn add_peer(params: Params<'_>, out: &mut Vec<u8>) -> Result<(), RpcError> {
    let ([features], []) = params.read(["features"], [])?;
    if !features.is_object() {
        return Err(features.wrong("should be an object"));
    }
    out.extend_from_slice(b"false");
    Ok(())
}

/// `server.banner()`.
pub(super) async fn banner<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    let config = &session.service.config;
    let mut banner = config.banner.clone();
    if banner.contains("$DAEMON_") {
        // An error would make Electrum leave the server.
        let version = session.service.ask(session.service.node.version()).await;
        let unknown = || NodeVersion { number: "unknown".into(), subversion: "unknown".into() };
        let version = version.unwrap_or_else(|_| unknown());
        banner = banner
            .replace("$DAEMON_VERSION", &version.number)
            .replace("$DAEMON_SUBVERSION", &version.subversion);
    }
    let number = config.server_version.rsplit(' ').next().unwrap_or_default();
    let banner = banner
        .replace("$SERVER_VERSION", number)
        .replace("$SERVER_SUBVERSION", &config.server_version)
        .replace("$DONATION_ADDRESS", &config.donation_address);
    json::string(out, &banner);
    Ok(())
}

/// `server.donation_address()`.
pub(super) fn donation_address<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    json::string(out, &session.service.config.donation_address);
    Ok(())
}

/// Renders the answer to `server.features`, as it is in a version.
pub(crate) fn features(config: &ServiceConfig, version: ProtocolVersion) -> Vec<u8> {
    let hosts = config.hosts.iter().map(|(host, ports)| {
        let ports = [
            ("tcp_port", ports.tcp),
            ("ssl_port", ports.ssl),
            ("ws_port", ports.ws),
            ("wss_port", ports.wss),
        ];
        let ports =
            ports.into_iter().filter_map(|(name, port)| Some((name.to_owned(), port?.into())));
        (host.clone(), serde_json::Value::Object(ports.collect()))
    });
    let extra_arguments = METHODS.iter().filter(|method| method.is_offered(version));
    let extra_arguments = extra_arguments.filter_map(|method| {
        let extra = method.params.iter().filter(|param| param.is_extra());
        let names: Vec<_> = extra.map(|param| param.name.into()).collect();
        (!names.is_empty()).then(|| (method.name.to_owned(), serde_json::Value::Array(names)))
    });
    let extensions = EXTENSIONS.iter().filter(|method| config.offers(method));
    let mut features = json!({
        "genesis_hash": config.genesis_hash.to_string(),
        "hosts": serde_json::Value::Object(hosts.collect()),
        "protocol_min": config.protocol_min.to_string(),
        "protocol_max": config.protocol_max.to_string(),
        "pruning": config.pruning,
        "server_version": config.server_version,
        "services": config.services,
        "extensions": extensions.map(|method| method.name).collect::<Vec<_>>(),
        "extra_arguments": serde_json::Value::Object(extra_arguments.collect()),
    });
    if version < ProtocolVersion::V1_7 {
        features["hash_function"] = "sha256".into();
    }
    features.to_string().into_bytes()
}

/// `server.features()`.
pub(super) fn features_of<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    let service = &session.service;
    let is_old = session.version() < ProtocolVersion::V1_7;
    out.extend_from_slice(if is_old { &service.features } else { &service.features_1_7 });
    Ok(())
}

/// `server.peers.subscribe()`: peers are not looked for, so there is at most this server, by its public names.
pub(super) fn peers<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    params.none()?;
    let config = &session.service.config;
    let hosts = config.hosts.iter().filter(|_| config.lists_itself);
    json::array(out, hosts, |out, (host, ports)| {
        let mut traits = vec![format!("v{}", config.protocol_max)];
        traits.extend(config.pruning.map(|blocks| format!("p{blocks}")));
        traits.extend(ports.ssl.map(|port| format!("s{port}")));
        traits.extend(ports.tcp.map(|port| format!("t{port}")));
        // Where the address is to be, ElectrumX has the name as well if it knows none.
        out.push(b'[');
        json::string(out, host);
        out.push(b',');
        json::string(out, host);
        out.push(b',');
        json::array(out, traits, |out, text| json::string(out, &text));
        out.push(b']');
    });
    Ok(())
}

/// `server.ping()`, and from 1.7 on `server.ping(pong_len=0, data="")`: the arguments are for noise
/// against traffic analysis. Below 1.7 they are ignored.
pub(super) fn ping<N: Node>(
    session: &Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([], [pong_len, data]) = params.read([], ["pong_len", "data"])?;
    if session.version() < ProtocolVersion::V1_7 {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    if let Some(data) = data {
        data.hex_digits()?;
    }
    let wanted = pong_len.map_or(Ok(0), Arg::integer)?;
    let limit = session.service.config.limits.max_send_bytes;
    // The envelope must fit as well.
    let room = limit.saturating_sub(PONG_ENVELOPE);
    let Some(count) = usize::try_from(wanted).ok().filter(|count| *count <= room) else {
        let text =
            format!("pong_len {} is above {}", json::grouped(wanted), json::grouped(room as u64));
        return Err(RpcError::BadRequest(text));
    };
    out.extend_from_slice(b"{\"data\":\"");
    out.resize(out.len() + count, b'0');
    out.extend_from_slice(b"\"}");
    Ok(())
}

/// `server.version(client_name="", protocol_version="1.4")`.
///
/// Only the first call counts. A later one is answered with the same pair: Cake Wallet calls it as
/// a health check.
pub(super) fn version<N: Node>(
    session: &mut Session<N>,
    params: Params<'_>,
    out: &mut Vec<u8>,
) -> Result<(), RpcError> {
    let ([], [client_name, wanted]) = params.read_known([], ["client_name", "protocol_version"])?;
    let config = &session.service.config;
    let agreed = match session.agreed {
        Some(agreed) => agreed,
        None => {
            let ours = (config.protocol_min, config.protocol_max);
            let range = match wanted {
                None => Some((ours.0, ours.0)),
                Some(arg) => range(arg),
            };
            let Some(agreed) = range.and_then(|range| ProtocolVersion::agree(range, ours)) else {
                session.ending = Some(CloseReason::UnsupportedVersion);
                let wanted = wanted.map_or_else(String::new, Arg::shown);
                let text = format!("unsupported protocol version: {wanted}");
                return Err(RpcError::BadRequest(text));
            };
            let name = client_name.and_then(Arg::text).unwrap_or_default();
            if config.drop_client.as_ref().is_some_and(|unwanted| unwanted.is_match(&name)) {
                session.ending = Some(CloseReason::Unwanted);
                return Err(RpcError::BadRequest(format!(
                    "unsupported client: {}",
                    shorten(&name)
                )));
            }
            let printable = name.chars().filter(|c| !c.is_control());
            let mut identity = session.member.stats.identity.lock();
            identity.client = printable.take(CLIENT_NAME_CHARS).collect();
            identity.protocol = Some(agreed);
            agreed
        }
    };
    out.push(b'[');
    json::string(out, &config.server_version);
    out.push(b',');
    json::string(out, &agreed.to_string());
    out.push(b']');
    session.agreed = Some(agreed);
    Ok(())
}

/// Reads a version, or a pair of the lowest and the highest.
fn range(arg: Arg<'_>) -> Option<(ProtocolVersion, ProtocolVersion)> {
    match arg.text() {
        Some(version) => {
            let version = version.parse().ok()?;
            Some((version, version))
        }
        None => {
            let (min, max) = arg.pair()?;
            Some((min.parse().ok()?, max.parse().ok()?))
        }
    }
}
