use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};

use crate::common::{LineClient, PATIENCE, Setup, read_to_end, tcp};
use crate::pin::{encrypt, pinning};

/// The first message of a client that knows nothing above TLS 1.1.
fn hello_of_tls11() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    // No session, two cipher suites (RSA with AES-128, RC4), no compression.
    body.extend([0, 0, 4, 0, 0x2f, 0, 5, 1, 0]);
    let length = u8::try_from(body.len()).expect("it is short");
    let mut message = vec![1, 0, 0, length];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, length + 4];
    record.extend(message);
    record
}

#[test]
fn tls_of_a_self_signed_certificate_that_stays() {
    let mut setup = Setup::start(&[]).unwrap();
    let certificate = setup.tls_dir().join("certificate.pem");
    let key = std::fs::metadata(setup.tls_dir().join("key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let ssl = setup.ssl();
    for (version, number) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        let config = pinning(&certificate, &[version]).unwrap();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = LineClient::new(encrypt(&config, tcp(ssl).unwrap()).unwrap());
            client.greet().unwrap();
            let connection = &client.stream().conn;
            assert_eq!(connection.protocol_version(), Some(number));
            assert_eq!(connection.handshake_kind(), Some(kind), "{number:?}");
            assert_eq!(connection.alpn_protocol(), None);
            setup.sessions_become("S").unwrap();
            drop(client);
            setup.sessions_become("").unwrap();
        }
    }

    // An alert (21), fatal (2): handshake failure (40) or protocol version (70); and the end.
    let mut old = tcp(ssl).unwrap();
    old.write_all(&hello_of_tls11()).unwrap();
    let answer = read_to_end(&mut old).unwrap();
    assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, 40 | 70]), "{answer:x?}");
    let mut plain = tcp(ssl).unwrap();
    plain.write_all(b"{\"id\":1,\"method\":\"server.ping\"}\n").unwrap();
    let answer = read_to_end(&mut plain).unwrap();
    assert!(!answer.contains(&b'{'), "{answer:x?}");

    // A long answer in one piece, whatever the records.
    let config = pinning(&certificate, &[&TLS13, &TLS12]).unwrap();
    let mut client = LineClient::new(encrypt(&config, tcp(ssl).unwrap()).unwrap());
    client.greet().unwrap();
    let one = r#"{"id":1,"method":"server.features"}"#;
    let batch = format!("[{}]\n", vec![one; 500].join(","));
    let answer = client.exchange(batch.as_bytes()).unwrap();
    assert_eq!(answer.as_array().unwrap().len(), 500);

    // The end is said, not just made.
    setup.server.terminate(PATIENCE).unwrap();
    assert_eq!(client.stream().read(&mut [0; 10]).unwrap(), 0, "close_notify");
    assert!(!setup.unix().exists());

    let fingerprint = |log: &str| {
        let lines: Vec<_> = log
            .lines()
            .filter_map(|line| Some(line.split_once(", SHA-256 ")?.1.to_owned()))
            .collect();
        lines
    };
    setup.server.restart().unwrap();
    setup.wait_ready().unwrap();
    LineClient::new(encrypt(&config, tcp(ssl).unwrap()).unwrap()).greet().unwrap();
    let log = setup.server.log_text();
    let told = fingerprint(&log);
    assert!(told.len() == 2 && told[0] == told[1] && told[0].len() == 95, "{told:?}");
    for service in ["tcp", "ssl", "ws", "wss", "unix"] {
        assert!(log.contains(&format!("serving Electrum clients on {service}://")), "{log}");
    }
    let info = setup.server.rpc("getinfo", serde_json::json!([])).unwrap();
    assert_eq!(info["services"][1], format!("ssl://{ssl}"));
    assert_eq!(info["services"][4], format!("unix://{}", setup.unix().display()));
}
