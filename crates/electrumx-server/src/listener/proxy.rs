//! The PROXY protocol, versions 1 and 2: which client a trusted proxy speaks for.
//!
//! A header is read to its last byte and not beyond: what follows is the client's.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How version 2 begins.
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// How version 1 begins.
const V1: &[u8; 6] = b"PROXY ";

/// Longest header of version 1, line end included, as specified.
const MAX_V1: usize = 107;

/// Longest rest of a header of version 2. Addresses need 216 bytes at most; what proxies add is far shorter than this.
const MAX_V2: usize = 4096;

/// Reads a header. `None` when the proxy speaks for itself (health checks) or does not say for whom.
///
/// # Errors
/// When there is no header, or a malformed one.
pub(crate) async fn read_header<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> anyhow::Result<Option<SocketAddr>> {
    // Headers of both versions are longer than this.
    let mut header = vec![0; V2.len()];
    stream.read_exact(&mut header).await.context("the connection ended in the PROXY header")?;
    if header == V2 {
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await?;
        header.extend(rest);
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        ensure!(length <= MAX_V2, "the PROXY header has {length} bytes");
        header.resize(header.len() + length, 0);
        stream.read_exact(&mut header[V2.len() + 4..]).await?;
    } else {
        ensure!(header.starts_with(V1), "there is no PROXY header");
        while !header.ends_with(b"\n") {
            ensure!(header.len() < MAX_V1, "the PROXY header does not end");
            header.push(stream.read_u8().await?);
        }
    }
    let (parsed, length) = ProxyHeader::parse(&header, ParseConfig::default())
        .map_err(|err| anyhow::anyhow!("malformed PROXY header: {err}"))?;
    ensure!(length == header.len(), "malformed PROXY header");
    let Some(address) = parsed.proxied_address() else { return Ok(None) };
    ensure!(address.protocol == Protocol::Stream, "the PROXY header speaks of datagrams");
    Ok(Some(address.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> anyhow::Result<(Option<SocketAddr>, Vec<u8>)> {
        let mut input = bytes;
        let address = read_header(&mut input).await?;
        Ok((address, input.to_vec()))
    }

    /// Version 2 by hand: command, family, addresses.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&V2[..], &[command, family], &length, rest].concat()
    }

    const V4_REST: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0x30, 0x39, 0, 80];

    #[tokio::test]
    async fn right_headers_are_read_and_nothing_behind_them() {
        let v6: Vec<u8> = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]; 2]
            .concat()
            .into_iter()
            .chain([0x30, 0x39, 0, 80])
            .collect();
        let with_tlv = [&V4_REST[..], &[4, 0, 1, 0]].concat();
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.7 192.0.2.1 12345 80\r\n".to_vec(), Some("192.0.2.7:12345")),
            (b"PROXY TCP6 2001:db8::9 ::1 12345 80\r\n".to_vec(), Some("[2001:db8::9]:12345")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ::1 65535 65535\r\n".to_vec(), None),
            (v2(0x21, 0x11, &V4_REST), Some("192.0.2.7:12345")),
            (v2(0x21, 0x11, &with_tlv), Some("192.0.2.7:12345")),
            (v2(0x21, 0x21, &v6), Some("[2001:db8::9]:12345")),
            (v2(0x20, 0, &[]), None),
            (v2(0x20, 0x11, &V4_REST), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let bytes = [&header[..], b"{}\n"].concat();
            let (address, rest) = read(&bytes).await.unwrap();
            assert_eq!(address, client.map(|text| text.parse().unwrap()), "{header:x?}");
            assert_eq!(rest, b"{}\n", "{header:x?}");
        }
    }

    #[tokio::test]
    async fn wrong_headers_are_refused() {
        for bytes in [
            b"".to_vec(),
            b"PROXY".to_vec(),
            b"{\"id\":1,\"method\":\"server.ping\"}\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x01\x02".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 12345\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.700 192.0.2.1 12345 80\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 12345 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 123456 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 12345 80\n".to_vec(),
            b"PROXY UDP4 192.0.2.7 192.0.2.1 12345 80\r\n".to_vec(),
            [&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat(),
            v2(0x22, 0x11, &V4_REST),
            v2(0x11, 0x11, &V4_REST),
            v2(0x21, 0x12, &V4_REST),
            v2(0x21, 0x11, &V4_REST[..11]),
            v2(0x21, 0x21, &V4_REST),
            v2(0x21, 0x41, &V4_REST),
            v2(0x21, 0x11, &[0; 5000]),
            v2(0x21, 0x11, &V4_REST)[..20].to_vec(),
        ] {
            assert!(read(&bytes).await.is_err(), "{bytes:x?}");
        }
    }
}
