//! A blocking Electrum client: one JSON text per line over TCP.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::RpcError;

/// What the server sent unasked.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// e.g. `blockchain.scripthash.subscribe`
    pub method: String,
    /// The parameters.
    pub params: Value,
}

/// A blocking Electrum client over plain TCP, for one thread. Every wait has an end.
#[derive(Debug)]
pub struct ElectrumClient {
    stream: TcpStream,
    buffer: Vec<u8>,
    next_id: u64,
    notifications: VecDeque<Notification>,
    /// Answers which came before they were asked for, by id.
    early: HashMap<u64, Value>,
    /// How long a call waits for its answer; 30 s at first.
    pub timeout: Duration,
}

impl ElectrumClient {
    /// Connects without sending anything.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn connect(addr: impl ToSocketAddrs) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            next_id: 0,
            notifications: VecDeque::new(),
            early: HashMap::new(),
            timeout: Duration::from_secs(30),
        })
    }

    /// Connects and agrees on a protocol version, e.g. `"1.4"`.
    ///
    /// # Errors
    /// When the connection fails or the server does not speak the version.
    pub fn connect_version(addr: impl ToSocketAddrs, version: &str) -> anyhow::Result<Self> {
        let mut client = Self::connect(addr)?;
        client.call("server.version", json!(["testkit", version]))?;
        Ok(client)
    }

    /// One call; notifications arriving meanwhile are kept.
    ///
    /// # Errors
    /// The server's error, or that no answer came in time.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        let id = self.send(method, params)?;
        self.receive(id)
    }

    /// Sends a request without waiting; [`Self::receive`] takes the answer.
    ///
    /// # Errors
    /// When the connection is gone.
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!() in place")]
    pub fn send(&mut self, method: &str, params: Value) -> Result<u64, RpcError> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send_raw(format!("{request}\n").as_bytes())?;
        Ok(id)
    }

    /// Waits for the answer to the request `id`; those to other requests are kept for their turn.
    ///
    /// # Errors
    /// The server's error, or that no answer came in time.
    pub fn receive(&mut self, id: u64) -> Result<Value, RpcError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some(mut answer) = self.early.remove(&id) {
                return match RpcError::from_response(&answer) {
                    Some(error) => Err(error),
                    None => Ok(answer["result"].take()),
                };
            }
            let message = self.read_message(deadline)?;
            self.keep(message)?;
        }
    }

    /// Puts a notification or an answer where it will be looked for.
    fn keep(&mut self, message: Value) -> Result<(), RpcError> {
        if self.keep_notification(&message) {
            return Ok(());
        }
        match message["id"].as_u64().filter(|id| *id < self.next_id) {
            Some(id) => drop(self.early.insert(id, message)),
            None => return Err(RpcError::Transport(format!("unexpected message: {message}"))),
        }
        Ok(())
    }

    /// Several calls in one JSON-RPC batch; the answers in the order of the calls.
    ///
    /// # Errors
    /// When no proper batch answer comes in time.
    pub fn call_batch(
        &mut self,
        calls: &[(&str, Value)],
    ) -> Result<Vec<Result<Value, RpcError>>, RpcError> {
        let first = self.next_id;
        let batch: Vec<Value> = (first..)
            .zip(calls)
            .map(|(id, (method, params))| {
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        self.next_id += calls.len() as u64;
        let answer = self.call_raw(&Value::Array(batch).to_string())?;
        let answers: Vec<Value> = serde_json::from_str(&answer)
            .map_err(|_| RpcError::Transport(format!("not a batch answer: {answer}")))?;
        (first..self.next_id)
            .map(|id| {
                let mut found = answers.iter().filter(|answer| answer["id"] == json!(id));
                let answer = found.next().ok_or_else(|| {
                    RpcError::Transport(format!("no answer for id {id} in the batch"))
                })?;
                Ok(match RpcError::from_response(answer) {
                    Some(error) => Err(error),
                    None => Ok(answer["result"].clone()),
                })
            })
            .collect()
    }

    /// Sends a line as it is (the newline is added) and returns the next line that is no notification.
    ///
    /// # Errors
    /// When the connection is gone or nothing came in time.
    pub fn call_raw(&mut self, line: &str) -> Result<String, RpcError> {
        self.send_raw(format!("{line}\n").as_bytes())?;
        let deadline = Instant::now() + self.timeout;
        loop {
            let line = self.read_line(deadline)?;
            let is_notification =
                serde_json::from_str(&line).is_ok_and(|m: Value| self.keep_notification(&m));
            if !is_notification {
                return Ok(line);
            }
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<(), RpcError> {
        self.stream.write_all(bytes).map_err(RpcError::transport)
    }

    /// The first notification (kept or to come) which `wanted` accepts; earlier ones stay in the queue.
    ///
    /// # Errors
    /// When none comes in time; the text lists those that came.
    pub fn wait_notification(
        &mut self,
        timeout: Duration,
        wanted: impl Fn(&Notification) -> bool,
    ) -> Result<Notification, RpcError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(at) = self.notifications.iter().position(&wanted) {
                return self.notifications.remove(at).ok_or_else(|| RpcError::transport("gone"));
            }
            match self.read_message(deadline) {
                Ok(message) => self.keep(message)?,
                Err(error) => {
                    let seen = &self.notifications;
                    return Err(RpcError::Transport(format!(
                        "no such notification ({error}); in the queue: {seen:?}"
                    )));
                }
            }
        }
    }

    /// All notifications that have arrived by now.
    pub fn drain_notifications(&mut self) -> Vec<Notification> {
        let soon = Instant::now() + Duration::from_millis(5);
        while let Ok(message) = self.read_message(soon) {
            if self.keep(message).is_err() {
                break;
            }
        }
        self.notifications.drain(..).collect()
    }

    /// Whether the server closes the connection within `timeout`; what it still sends is thrown away.
    pub fn closed_within(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.read_line(deadline).is_ok() {}
        Instant::now() < deadline
    }

    fn keep_notification(&mut self, message: &Value) -> bool {
        let (Some(method), None) = (message["method"].as_str(), message.get("id")) else {
            return false;
        };
        let params = message["params"].clone();
        self.notifications.push_back(Notification { method: method.to_owned(), params });
        true
    }

    fn read_message(&mut self, deadline: Instant) -> Result<Value, RpcError> {
        let line = self.read_line(deadline)?;
        serde_json::from_str(&line).map_err(|_| RpcError::Transport(format!("not JSON: {line:?}")))
    }

    /// The next line, without its newline.
    ///
    /// # Errors
    /// When the deadline passes or the connection is closed.
    pub fn read_line(&mut self, deadline: Instant) -> Result<String, RpcError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|&byte| byte == b'\n') {
                let rest = self.buffer.split_off(searched + at + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                let line = String::from_utf8(line).map_err(RpcError::transport)?;
                return Ok(line.trim_end().to_owned());
            }
            searched = self.buffer.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RpcError::transport("timeout"));
            }
            self.stream.set_read_timeout(Some(left)).map_err(RpcError::transport)?;
            let mut chunk = [0; 1 << 16];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(RpcError::transport("connection closed")),
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(RpcError::transport("timeout"));
                }
                Err(error) => return Err(RpcError::transport(error)),
            }
        }
    }
}
