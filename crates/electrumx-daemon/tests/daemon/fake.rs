//! An HTTP node that answers as the test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use electrumx_daemon::{Daemon, DaemonConfig, NodeUrl};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What a node receives.
#[derive(Debug)]
pub(crate) struct Request {
    /// `/` for RPC.
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
    /// How many requests came before it.
    pub(crate) before: usize,
}

/// What it sends back.
pub(crate) enum Reply {
    Json(u16, String),
    Text(u16, &'static str),
    Bytes(Vec<u8>),
    /// Half of this body; then the connection ends.
    Cut(String),
    /// The connection ends.
    Close,
    /// Nothing, for ever.
    Silence,
}

/// A node's error object.
pub(crate) type RpcError = (i32, &'static str);

impl Request {
    /// Answers each call of the request as nodes do since Bitcoin Core 28.
    pub(crate) fn answer(&self, calls: impl Fn(&str, &Value) -> Result<Value, RpcError>) -> Reply {
        let one = |call: &Value| match calls(call["method"].as_str().unwrap(), &call["params"]) {
            Ok(result) => format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{}}}"#, call["id"]),
            Err((code, text)) => {
                let error = json!({"code": code, "message": text});
                format!(r#"{{"jsonrpc":"2.0","error":{error},"id":{}}}"#, call["id"])
            }
        };
        Reply::Json(
            200,
            match &self.body {
                Value::Array(calls) => {
                    format!("[{}]", calls.iter().map(one).collect::<Vec<_>>().join(","))
                }
                call => one(call),
            },
        )
    }

    /// Answers as older nodes do.
    pub(crate) fn answer_old(
        &self,
        calls: impl Fn(&str, &Value) -> Result<Value, RpcError>,
    ) -> Reply {
        let mut status = 200;
        let mut one = |call: &Value| match calls(call["method"].as_str().unwrap(), &call["params"])
        {
            Ok(result) => format!(r#"{{"result":{result},"error":null,"id":{}}}"#, call["id"]),
            Err((code, text)) => {
                status = 500;
                let error = json!({"code": code, "message": text});
                format!(r#"{{"result":null,"error":{error},"id":{}}}"#, call["id"])
            }
        };
        match &self.body {
            Value::Array(calls) => {
                let replies = calls.iter().map(one).collect::<Vec<_>>().join(",");
                Reply::Json(200, format!("[{replies}]\n"))
            }
            call => {
                let reply = one(call);
                Reply::Json(status, reply + "\n")
            }
        }
    }
}

/// A node on loopback, as long as the value lives.
pub(crate) struct FakeNode {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl FakeNode {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:secret@{}/", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (requests.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, answer.clone(), count.clone()));
            }
        });
        Self { url, requests, task }
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// A client of this node with short waits.
    pub(crate) fn daemon(&self) -> Daemon {
        daemon(&[&self.url])
    }

    /// What the client is configured with.
    pub(crate) fn config(&self) -> DaemonConfig {
        config(&[&self.url])
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn config(urls: &[&str]) -> DaemonConfig {
    let urls = NodeUrl::parse_list(&urls.join(","), 8332).unwrap();
    let mut config = DaemonConfig::new(urls);
    config.timeout = Duration::from_millis(300);
    config.deadline = Duration::from_secs(2);
    config
}

pub(crate) fn daemon(urls: &[&str]) -> Daemon {
    Daemon::new(config(urls), CancellationToken::new()).unwrap()
}

/// A URL where nobody listens.
pub(crate) fn dead_url() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://user:secret@{}/", listener.local_addr().unwrap())
}

async fn serve(
    stream: TcpStream,
    answer: Arc<impl Fn(&Request) -> Reply>,
    count: Arc<AtomicUsize>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let (mut length, mut authorization) = (0, None);
        loop {
            line.clear();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "authorization" => authorization = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let before = count.fetch_add(1, Ordering::SeqCst);
        let reply = answer(&Request { path, authorization, body, before });
        let (status, kind, body, cut) = match reply {
            Reply::Json(status, body) => (status, "application/json", body.into_bytes(), false),
            Reply::Text(status, body) => (status, "text/plain", body.into(), false),
            Reply::Bytes(body) => (200, "application/octet-stream", body, false),
            Reply::Cut(body) => (200, "application/json", body.into_bytes(), true),
            Reply::Close => return None,
            Reply::Silence => std::future::pending().await,
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        let sent = if cut { body.len() / 2 } else { body.len() };
        stream.write_all(&body[..sent]).await.ok()?;
        stream.flush().await.ok()?;
        if cut {
            return None;
        }
    }
}
