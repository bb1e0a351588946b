use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use rustls::version::TLS13;

use crate::common::{LineClient, Setup, read_to_end, tcp, tcp_from};
use crate::pin::{encrypt, pinning};

/// The proxy's address; clients without one come from 127.0.0.1.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 12345 50001\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc0\0\x02\x01\x30\x39\xc3\x51";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// The address of the one session.
fn session(setup: &Setup, letter: &str) -> Result<String> {
    let sessions = setup.sessions()?;
    ensure!(sessions.len() == 1 && sessions[0].0 == letter, "{sessions:?}");
    Ok(sessions[0].1.clone())
}

#[test]
fn the_address_of_the_client_behind_a_proxy() {
    let setup = Setup::start(&[("PROXY_PROTOCOL_FROM", "10.0.0.0/8,127.0.0.2")]).unwrap();
    let tcp_addr = setup.server.tcp_addr();
    for (header, client) in [
        (V1, "192.0.2.7:12345"),
        (V2, "192.0.2.8:12345"),
        (b"PROXY UNKNOWN\r\n", ""),
        (V2_LOCAL, ""),
    ] {
        let mut stream = tcp_from(PROXY, tcp_addr).unwrap();
        let own = stream.local_addr().unwrap().to_string();
        stream.write_all(header).unwrap();
        let mut client_of = LineClient::new(stream);
        client_of.greet().unwrap();
        let client = if client.is_empty() { &own } else { client };
        assert_eq!(session(&setup, "T").unwrap(), client);
        drop(client_of);
        setup.sessions_become("").unwrap();
    }

    // Below TLS.
    let config = pinning(&setup.tls_dir().join("certificate.pem"), &[&TLS13]).unwrap();
    let mut stream = tcp_from(PROXY, setup.ssl()).unwrap();
    stream.write_all(V2).unwrap();
    let mut client = LineClient::new(encrypt(&config, stream).unwrap());
    client.greet().unwrap();
    assert_eq!(session(&setup, "S").unwrap(), "192.0.2.8:12345");
    drop(client);
    setup.sessions_become("").unwrap();

    // A proxy that forgets the header, or spoils it.
    for bytes in [
        &b"{\"id\":1,\"method\":\"server.ping\"}\n"[..],
        b"PROXY TCP4 192.0.2.7 192.0.2.1 12345\r\n{\"id\":1,\"method\":\"server.ping\"}\n",
        b"PROXY TCP4 1.2.3.4.5 192.0.2.1 12345 50001\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
    ] {
        let mut stream = tcp_from(PROXY, tcp_addr).unwrap();
        stream.write_all(bytes).unwrap();
        assert_eq!(read_to_end(&mut stream).unwrap(), b"", "{bytes:x?}");
    }

    // From anybody else it is a line like any other, and no claim is believed.
    let stream = tcp(tcp_addr).unwrap();
    let own: SocketAddr = stream.local_addr().unwrap();
    let mut client = LineClient::new(stream);
    let answer = client.exchange(V1).unwrap();
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
    client.greet().unwrap();
    assert_eq!(session(&setup, "T").unwrap(), own.to_string());
}
