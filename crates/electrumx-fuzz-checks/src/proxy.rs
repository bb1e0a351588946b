//! The PROXY header.

use std::net::{IpAddr, SocketAddr};

use electrumx_server::fuzzing::proxy_header;

use crate::served::block_on;

/// Longest header of version 1, line end included.
const MAX_V1: usize = 107;

/// A header is read to its end and not beyond, whatever follows; a text one says what its words say.
///
/// # Panics
/// When it is not.
pub fn proxy(data: &[u8]) {
    let Some((client, length)) = block_on(proxy_header(data)) else { return };
    let header = &data[..length];
    assert_eq!(block_on(proxy_header(header)), Some((client, length)), "what follows matters");
    assert_eq!(block_on(proxy_header(&header[..length - 1])), None, "it ends earlier");
    if header.starts_with(b"PROXY ") {
        assert!(length <= MAX_V1);
        assert_eq!(client, of_words(header), "{:?}", String::from_utf8_lossy(header));
    } else {
        assert!(header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
        assert_eq!(length, 16 + usize::from(u16::from_be_bytes([header[14], header[15]])));
        let is_local = header[12] == 0x20;
        assert!(!is_local || client.is_none(), "the proxy speaks for itself");
    }
}

/// The client of a header of version 1; `None` for an unknown one.
fn of_words(header: &[u8]) -> Option<SocketAddr> {
    // Behind `UNKNOWN` there may be anything.
    if header.starts_with(b"PROXY UNKNOWN") {
        return None;
    }
    let text = std::str::from_utf8(header).expect("headers of version 1 are text");
    let words: Vec<&str> = text.trim_end_matches("\r\n").split(' ').collect();
    let ["PROXY", "TCP4" | "TCP6", ip, _, port, _] = words[..] else { panic!("{text:?}") };
    let ip: IpAddr = ip.parse().expect("it is an address");
    assert_eq!(ip.is_ipv4(), words[1] == "TCP4");
    Some(SocketAddr::new(ip, port.parse().expect("it is a port")))
}
