//! Just enough HTTP/1.1 for a node on loopback: one kept-alive connection, bodies with a length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

#[derive(Debug)]
pub(crate) struct Http {
    addr: SocketAddr,
    timeout: Duration,
    open: Option<BufReader<TcpStream>>,
}

pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) body: Vec<u8>,
}

impl Http {
    pub(crate) fn new(addr: SocketAddr, timeout: Duration) -> Self {
        Self { addr, timeout, open: None }
    }

    /// Sends a request; `head` are further header lines, each ended by CRLF.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        head: &str,
        body: &[u8],
    ) -> Result<Response> {
        let mut message = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n{head}\r\n",
            self.addr,
            body.len()
        )
        .into_bytes();
        message.extend_from_slice(body);

        // The node closes idle connections, and all when it restarts. If it closed before it answered a
        // single byte then it has not handled the request: once more on a fresh connection.
        if let Some(mut stream) = self.open.take() {
            let alive = stream.get_mut().write_all(&message).is_ok()
                && stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
            if alive {
                return self.answer(stream);
            }
        }
        let mut stream = TcpStream::connect_timeout(&self.addr, self.timeout)
            .with_context(|| format!("cannot connect to the node at {}", self.addr))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        stream.write_all(&message)?;
        self.answer(BufReader::new(stream))
    }

    fn answer(&mut self, mut stream: BufReader<TcpStream>) -> Result<Response> {
        let mut line = String::new();
        ensure!(
            stream.read_line(&mut line).context("no answer from the node")? > 0,
            "the node closed the connection without an answer"
        );
        let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let Some(code) = code else { bail!("not an HTTP answer: {line:?}") };
        let (mut length, mut close) = (None, false);
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.trim().parse::<usize>()?),
                "connection" => close = value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        if let Some(length) = length {
            body.resize(length, 0);
            stream.read_exact(&mut body)?;
        } else {
            stream.read_to_end(&mut body)?;
            close = true;
        }
        self.open = (!close).then_some(stream);
        Ok(Response { code, body })
    }
}
