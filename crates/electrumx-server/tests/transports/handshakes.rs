use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::version::TLS13;

use crate::common::{LineClient, Setup, read_to_end, tcp, unix};
use crate::pin::{encrypt, pinning};

/// When connections that are not done with their steps are dropped.
const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn the_slow_are_dropped_and_take_no_place() {
    let setup = Setup::start(&[("MAX_SESSIONS", "3")]).unwrap();
    // They wait before TLS, in its first message, before the upgrade and in it.
    let start = Instant::now();
    let slow: Vec<TcpStream> = (0..40)
        .map(|turn| {
            let addr = [setup.ssl(), setup.ws(), setup.wss()][turn % 3];
            let mut stream = tcp(addr).unwrap();
            if turn % 2 == 0 {
                let begin: &[u8] = if turn % 3 == 1 { b"GET / HT" } else { b"\x16\x03\x01\x02" };
                stream.write_all(begin).unwrap();
            }
            stream
        })
        .collect();

    let config = pinning(&setup.tls_dir().join("certificate.pem"), &[&TLS13]).unwrap();
    let mut a = LineClient::new(tcp(setup.server.tcp_addr()).unwrap());
    let mut b = LineClient::new(encrypt(&config, tcp(setup.ssl()).unwrap()).unwrap());
    let mut c = LineClient::new(unix(&setup.unix()).unwrap());
    a.greet().unwrap();
    b.greet().unwrap();
    c.greet().unwrap();
    setup.sessions_become("STU").unwrap();
    // All transports together have three places.
    assert_eq!(read_to_end(&mut tcp(setup.server.tcp_addr()).unwrap()).unwrap(), b"");
    assert_eq!(read_to_end(&mut tcp(setup.ssl()).unwrap()).unwrap(), b"");
    assert_eq!(read_to_end(&mut tcp(setup.ws()).unwrap()).unwrap(), b"");

    for mut stream in slow {
        read_to_end(&mut stream).unwrap();
        assert!(start.elapsed() > DEADLINE / 2, "dropped too early: {:?}", start.elapsed());
    }
    assert!(start.elapsed() < DEADLINE * 3, "dropped too late: {:?}", start.elapsed());
    a.greet().unwrap();
    b.greet().unwrap();
}
