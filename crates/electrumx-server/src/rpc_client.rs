//! A client of [`LocalRPC`](crate::local_rpc), and the tables `electrumx-rpc` shows.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::local_rpc::{duration, thousands};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing listens there.
    #[error(
        "no server answers on {place}: {source}\nIs it running? Its port is that of the rpc:// service in its SERVICES; choose by --port or RPC_PORT"
    )]
    Connect {
        /// Host and port.
        place: String,
        /// The system's word.
        source: io::Error,
    },
    /// The connection broke, or nothing came in time.
    #[error("no answer from {place}: {source}")]
    NoAnswer {
        /// Host and port.
        place: String,
        /// The system's word.
        source: io::Error,
    },
    /// What came is not the answer of such a server.
    #[error("what listens on {place} is no ElectrumX server: it answered {answer:?}")]
    Strange {
        /// Host and port.
        place: String,
        /// The beginning of what came.
        answer: String,
    },
    /// The server refuses.
    #[error("{message}")]
    Refused {
        /// Code of JSON-RPC.
        code: i64,
        /// The server's word.
        message: String,
    },
}

/// Makes one call.
///
/// # Errors
/// See [`CallError`].
pub fn call(
    host: &str,
    port: u16,
    timeout: Duration,
    method: &str,
    params: &Value,
) -> Result<Value, CallError> {
    let place =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let connect = |source| CallError::Connect { place: place.clone(), source };
    let stream = connect_any(host, port, timeout).map_err(connect)?;
    let request = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
    let line = exchange(stream, timeout, &request)
        .map_err(|source| CallError::NoAnswer { place: place.clone(), source })?;
    let strange = || CallError::Strange {
        place: place.clone(),
        answer: line.trim_end().chars().take(100).collect(),
    };
    let mut answer: Value = serde_json::from_str(&line).map_err(|_| strange())?;
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let message = error["message"].as_str().ok_or_else(strange)?.to_owned();
        return Err(CallError::Refused { code: error["code"].as_i64().unwrap_or(0), message });
    }
    answer.get_mut("result").map(Value::take).ok_or_else(strange)
}

fn connect_any(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(stream: TcpStream, timeout: Duration, request: &Value) -> io::Result<String> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    (&stream).write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
        Ok(_) => Ok(line),
        // What systems call a timeout differs.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing came in {timeout:?}")))
        }
        Err(error) => Err(error),
    }
}

/// Lays out the answer to `sessions` as ElectrumX's tool does, one line a session. `None` when it has another shape.
#[must_use]
pub fn sessions_table(sessions: &Value) -> Option<String> {
    const HEAD: [&str; 15] = [
        "ID", "Flags", "Peer", "Client", "Proto", "Cost", "XCost", "Reqs", "Txs", "Subs", "Recv",
        "Recv KB", "Sent", "Sent KB", "Time",
    ];
    /// The peer goes last, since its length varies most.
    const ORDER: [usize; 15] = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 2];
    let mut rows = vec![HEAD.map(str::to_owned)];
    for session in sessions.as_array()? {
        let cells = session.as_array()?;
        let mut row = <[String; 15]>::default();
        for (column, text) in row.iter_mut().enumerate() {
            *text = cell(column, cells.get(column)?);
        }
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut table = String::new();
    for row in &rows {
        let cells = ORDER.map(|column| {
            let (text, width) = (&row[column], widths[column]);
            // Texts to the left, numbers to the right.
            if [1, 2, 3].contains(&column) {
                format!("{text:<width$}")
            } else {
                format!("{text:>width$}")
            }
        });
        table += cells.join("  ").trim_end();
        table.push('\n');
    }
    Some(table)
}

fn cell(column: usize, value: &Value) -> String {
    match (column, value) {
        (5 | 6, value) => format!("{:.0}", value.as_f64().unwrap_or(0.0)),
        (11 | 13, value) => thousands(value.as_u64().unwrap_or(0) / 1000),
        (14, value) => duration(Duration::from_secs(value.as_u64().unwrap_or(0))),
        // What a client calls itself must not steer the terminal.
        (_, Value::String(text)) => {
            text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
        }
        (0, value) => value.to_string(),
        (_, value) => value.as_u64().map_or_else(|| value.to_string(), thousands),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_become_a_table() {
        let sessions = json!([
            [
                1,
                "T",
                "127.0.0.1:4711",
                "electrum/4.5",
                "1.4",
                0.0,
                0.0,
                0,
                2,
                1234,
                5,
                6789,
                7,
                123_456,
                61
            ],
            [22, "TC", "[::1]:1", "evil\u{1b}[2J", "", 1.5, 0.0, 0, 0, 0, 0, 0, 0, 0, 0],
        ]);
        let expected = "\
ID  Flags  Client        Proto  Cost  XCost  Reqs  Txs   Subs  Recv  Recv KB  Sent  Sent KB     Time  Peer
 1  T      electrum/4.5    1.4     0      0     0    2  1,234     5        6     7      123  01m 01s  127.0.0.1:4711
22  TC     evil?[2J                2      0     0    0      0     0        0     0        0      00s  [::1]:1
";
        assert_eq!(sessions_table(&sessions).unwrap(), expected);
        assert_eq!(sessions_table(&json!([])).unwrap().lines().count(), 1);
        assert_eq!(sessions_table(&json!([[1, 2]])), None);
        assert_eq!(sessions_table(&json!("x")), None);
    }
}
