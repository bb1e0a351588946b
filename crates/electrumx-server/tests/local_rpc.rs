//! `LocalRPC` on a real socket, and `electrumx-rpc` as a process.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use electrumx_server::bind::bind;
use electrumx_server::env::{Protocol, Service};
use electrumx_server::local_rpc::{Group, Info, MempoolInfo, Phase, Session, State, Totals, serve};
use electrumx_server::progress::SyncProgress;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A server with two sessions that is half-way through a sync.
#[derive(Default)]
struct Fake {
    stop: CancellationToken,
    gone: AtomicBool,
}

impl State for Fake {
    fn groups(&self) -> Vec<Group> {
        vec![Group { name: "192.0.2.0/24".into(), cost: 12.34, retained: 7.0 }]
    }

    fn info(&self) -> Info {
        Info {
            version: "ElectrumX-rs 0.1.0".into(),
            coin: "Bitcoin".into(),
            net: "signet".into(),
            daemon: "127.0.0.1:38332/".into(),
            phase: Phase::Syncing,
            daemon_height: Some(200),
            db_height: Some(100),
            db_tip: Some("00ff".into()),
            tx_count: 1234,
            db_bytes: Some(5678),
            mempool: Some(MempoolInfo { txs: 3, vbytes: 400 }),
            progress: Some(SyncProgress {
                step: "indexing blocks",
                height: 100,
                target: 200,
                fraction: 0.5,
                blocks_per_sec: 12.345,
                txs_per_sec: 100.0,
                bytes_per_sec: 1_550_000.0,
                time_left: Some(Duration::from_secs(61)),
            }),
            totals: Totals { requests: 77, txs_sent: 2 },
            services: vec!["ssl://:60602".into()],
            caches: vec![("history".into(), "0 lookups".into())],
            uptime: Duration::from_secs(3661),
        }
    }

    fn sessions(&self) -> Vec<Session> {
        let first = Session {
            id: 7,
            flags: "T".into(),
            peer: "127.0.0.1:4711".into(),
            client: "a client with a long name".into(),
            protocol: "1.4".into(),
            cost: 123.45,
            extra_cost: 6.0,
            group: "192.0.2.0/24".into(),
            errors: 1,
            pending: 2,
            subscriptions: 5,
            recv_count: 10,
            recv_bytes: 2_000_000,
            age: Duration::from_secs(90),
            ..Session::default()
        };
        let second = Session { id: 8, flags: "T".into(), ..Session::default() };
        vec![first, second]
    }

    fn disconnect(&self, id: u64) -> bool {
        id == 8 && !self.gone.swap(true, Ordering::Relaxed)
    }

    fn compact(&self) -> bool {
        true
    }

    fn stop(&self) {
        self.stop.cancel();
    }
}

/// `LocalRPC` on a port of its own.
struct Server {
    runtime: Runtime,
    port: u16,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let stop = CancellationToken::new();
        let (port, task) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let state = Arc::new(Fake { stop: stop.clone(), ..Fake::default() });
            (port, tokio::spawn(serve(vec![listener], state, stop.clone())))
        });
        Self { runtime, port, stop, task }
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(BufReader::new(socket))
    }

    fn tool(&self, args: &[&str]) -> Output {
        tool(&[&["-p", &self.port.to_string()], args].concat())
    }

    /// Waits for the server to end by itself.
    fn join(self) {
        let Self { runtime, task, .. } = self;
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap();
        });
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// The next answer; `None` when the connection was closed.
    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.send(format!("{request}\n").as_bytes());
        self.answer().unwrap()
    }

    fn call(&mut self, method: &str) -> Value {
        let answer = self.ask(&json!({ "id": 5, "method": method }));
        assert_eq!(answer["id"], 5);
        assert_eq!(answer["jsonrpc"], "2.0");
        answer["result"].clone()
    }
}

fn tool(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electrumx-rpc"));
    command.env_remove("RPC_PORT").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn getinfo_has_electrumx_members_and_more() {
    let info = Server::start().connect().call("getinfo");
    let expected = json!({
        "caches": { "history": "0 lookups" },
        "coin": "Bitcoin",
        "daemon": "127.0.0.1:38332/",
        "daemon height": 200,
        "db bytes": 5678,
        "db height": 100,
        "db tip": "00ff",
        "groups": 1,
        "mempool": { "txs": 3, "vbytes": 400 },
        "net": "signet",
        "peers": { "bad": 0, "good": 0, "never": 0, "stale": 0, "total": 0 },
        "pid": std::process::id(),
        "progress": {
            "step": "indexing blocks",
            "height": 100,
            "target": 200,
            "percent": 50.0,
            "blocks per second": 12.3,
            "txs per second": 100.0,
            "MB per second": 1.6,
            "time left": "01m 01s",
        },
        "request counts": {},
        "request total": 77,
        "sessions": {
            "count": 2,
            "count with subs_any": 1,
            "count with subs_sh": 1,
            "count with subs_txo": 0,
            "errors": 1,
            "logged": 0,
            "pending requests": 2,
            "subs_sh": 5,
            "subs_txo": 0,
        },
        "state": "syncing",
        "tx count": 1234,
        "txs sent": 2,
        "services": ["ssl://:60602"],
        "uptime": "01h 01m 01s",
        "version": "ElectrumX-rs 0.1.0",
    });
    assert_eq!(info, expected);
}

#[test]
fn sessions_are_electrumx_tuples() {
    let sessions = Server::start().connect().call("sessions");
    let first = json!([
        7,
        "T",
        "127.0.0.1:4711",
        "a client with a l",
        "1.4",
        123.5,
        6.0,
        2,
        0,
        5,
        10,
        2_000_000,
        0,
        0,
        90
    ]);
    assert_eq!(sessions[0], first);
    assert_eq!(sessions.as_array().unwrap().len(), 2);
}

#[test]
fn groups_are_electrumx_tuples_of_their_sessions() {
    let groups = Server::start().connect().call("groups");
    let only = json!(["192.0.2.0/24", 1, 12.3, 7.0, 0, 0, 5, 10, 2_000_000, 0, 0]);
    assert_eq!(groups, json!([only]));
}

#[test]
fn sessions_are_ended_by_number_or_all() {
    let server = Server::start();
    let mut client = server.connect();
    let params = json!({ "session_ids": ["3", "x", 8, "8"] });
    let answer = client.ask(&json!({ "id": 1, "method": "disconnect", "params": params }));
    let lines = [
        "there is no session 3",
        "there is no session x",
        "disconnected session 8",
        "there is no session 8",
    ];
    assert_eq!(answer["result"], json!(lines));
    for params in [json!([["all"]]), json!(["all"])] {
        let answer = client.ask(&json!({ "id": 1, "method": "disconnect", "params": params }));
        assert_eq!(answer["result"], json!(["disconnected 0 sessions"]));
    }
    for params in [json!(null), json!([]), json!({}), json!([[]]), json!([{}]), json!(7)] {
        let answer = client.ask(&json!({ "id": 1, "method": "disconnect", "params": params }));
        assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
    }
}

#[test]
fn wrong_requests_get_errors() {
    let server = Server::start();
    let mut client = server.connect();
    for (request, id, code, message) in [
        (
            json!({ "id": 1, "method": "x" }),
            json!(1),
            -32601,
            "known are compact, disconnect, getinfo",
        ),
        (
            json!({ "id": "a", "method": "stop", "params": [1] }),
            json!("a"),
            -32602,
            "no parameters",
        ),
        (json!({ "id": 1, "method": "getinfo", "params": 1 }), json!(1), -32602, "no parameters"),
        (json!({ "id": 1, "method": 1 }), json!(1), -32600, "no method"),
        (json!({}), json!(null), -32600, "no method"),
        (json!(7), json!(null), -32600, "no method"),
        (json!([]), json!(null), -32600, "empty"),
    ] {
        let answer = client.ask(&request);
        assert_eq!(answer["error"]["code"], code, "{request}: {answer}");
        assert_eq!(answer["id"], id, "{request}: {answer}");
        let text = answer["error"]["message"].as_str().unwrap();
        assert!(text.contains(message), "{request}: {answer}");
    }
}

#[test]
fn batches_and_notifications_are_understood() {
    let server = Server::start();
    let mut client = server.connect();
    let batch = json!([
        { "id": 1, "method": "sessions" },
        { "method": "getinfo" },
        7,
        { "id": 2, "method": "nonsense" },
    ]);
    let answers = client.ask(&batch);
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|a| a["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(null), json!(2)]);
    // No answer to these; the next one is to the next request. Blank lines do no harm.
    client.send(b"{\"method\":\"getinfo\"}\n\r\n[{\"method\":\"getinfo\"}]\n");
    client.call("sessions");
    // Several requests in one packet, and one in pieces.
    client.send(b"{\"id\":1,\"method\":\"sessions\"}\n{\"id\":2,\"meth");
    assert_eq!(client.answer().unwrap()["id"], 1);
    client.send(b"od\":\"sessions\"}\n");
    assert_eq!(client.answer().unwrap()["id"], 2);
}

#[test]
fn what_is_no_json_ends_the_connection() {
    let server = Server::start();
    // As a web page can have it sent: the order in the body must not be carried out.
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n{\"id\":1,\"method\":\"stop\"}\n");
    assert_eq!(client.answer().unwrap()["error"]["code"], -32700);
    assert_eq!(client.answer(), None);
    assert!(!server.stop.is_cancelled());
    let mut client = server.connect();
    client.send(b"\xff\xfe\n");
    assert_eq!(client.answer().unwrap()["error"]["code"], -32700);
    assert_eq!(client.answer(), None);
}

#[test]
fn a_line_without_end_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&vec![b' '; 1 << 20]);
    assert_eq!(client.answer().unwrap()["error"]["code"], -32600);
    // Whoever keeps sending is cut off.
    assert_eq!(client.answer(), None);
}

#[test]
fn clients_do_not_wait_for_each_other() {
    let server = Server::start();
    let mut idle: Vec<_> = (0..20).map(|_| server.connect()).collect();
    idle.iter_mut().for_each(|client| client.send(b"{\"id\":"));
    server.connect().call("getinfo");
    idle.iter_mut().for_each(|client| client.send(b"1,\"method\":\"sessions\"}\n"));
    for client in &mut idle {
        assert_eq!(client.answer().unwrap()["id"], 1);
    }
}

#[test]
fn stop_is_answered_and_then_all_connections_end() {
    let server = Server::start();
    let mut idle = server.connect();
    idle.call("sessions");
    let mut client = server.connect();
    assert_eq!(client.call("stop"), json!("stopping"));
    assert_eq!(client.answer(), None);
    assert_eq!(idle.answer(), None);
    server.join();
}

#[test]
fn a_name_is_served_on_all_its_addresses() {
    let runtime = Runtime::new().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let service = |host: &str| Service { protocol: Protocol::Rpc, host: host.into(), port };
    let taken = runtime.block_on(bind(&service("127.0.0.1"))).unwrap_err();
    let message = format!("cannot listen on rpc://127.0.0.1:{port}; is another server running");
    assert!(format!("{taken:#}").contains(&message), "{taken:#}");
    drop(free);
    for host in ["localhost", ""] {
        let listeners = runtime.block_on(bind(&service(host))).unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "{host:?}");
        drop(listeners);
    }
    assert!(runtime.block_on(bind(&service("192.0.2.1"))).is_err());
}

#[test]
fn the_tool_shows_state_and_sessions() {
    let server = Server::start();
    let said = server.tool(&["getinfo"]);
    assert!(said.status.success(), "{said:?}");
    let info: BTreeMap<String, Value> = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(info["db height"], 100);
    assert!(text(&said.stdout).lines().count() > 20);

    let said = server.tool(&["sessions"]);
    let lines: Vec<_> = text(&said.stdout).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("ID  Flags  Client"), "{lines:#?}");
    assert!(lines[1].contains("a client with a l"), "{lines:#?}");
    assert!(lines[1].ends_with("2,000     0        0  01m 30s  127.0.0.1:4711"), "{lines:#?}");

    let said = server.tool(&["sessions", "--json"]);
    assert!(text(&said.stdout).starts_with("[[7,\"T\","), "{said:?}");
    let said = server.tool(&["disconnect", "8", "9"]);
    assert_eq!(text(&said.stdout), "disconnected session 8\nthere is no session 9\n");
    let said = server.tool(&["stop"]);
    assert_eq!(text(&said.stdout), "stopping\n");
    server.join();
}

#[test]
fn the_tool_finds_the_port_in_the_environment() {
    let server = Server::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_electrumx-rpc"));
    let said = command.env("RPC_PORT", server.port.to_string()).arg("sessions").output().unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[test]
fn the_tool_says_what_is_wrong() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let said = tool(&["getinfo", "-p", &port]);
    assert_eq!(said.status.code(), Some(3), "{said:?}");
    let error = text(&said.stderr);
    assert!(error.contains(&format!("no server answers on localhost:{port}")), "{error}");
    assert!(error.contains("Is it running?") && said.stdout.is_empty(), "{said:?}");

    for args in [&["nonsense"][..], &[], &["getinfo", "-p", "70000"], &["disconnect"]] {
        let said = tool(args);
        assert_eq!(said.status.code(), Some(2), "{args:?}: {said:?}");
        assert!(!said.stderr.is_empty());
    }
}

#[test]
fn the_tool_knows_strangers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let answers = [
        "HTTP/1.1 400 Bad Request\r\n",
        "{\"error\":{\"code\":-32601,\"message\":\"unknown method\"},\"id\":0}\n",
        "",
    ];
    let stranger = std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1000];
            assert!(socket.read(&mut request).unwrap() > 0);
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    let says = [(3, "is no ElectrumX server"), (1, "unknown method"), (3, "no answer from")];
    for (code, message) in says {
        let said = tool(&["--host", "127.0.0.1", "-p", &port, "getinfo"]);
        assert_eq!(said.status.code(), Some(code), "{said:?}");
        assert!(text(&said.stderr).contains(message), "{said:?}");
    }
    stranger.join().unwrap();
}
