//! Padding against traffic analysis, over TCP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use electrumx_testkit::{Regtest, Truth};
use serde_json::{Value, json};

use crate::common::{PATIENCE, Setup, start_server};

#[test]
fn padded_answers_are_read_as_any_others_and_have_few_lengths() {
    let node = Regtest::builder().start().unwrap();
    node.mine(20).unwrap();
    let db = tempfile::tempdir().unwrap();
    let mut server = start_server(&node, db.path(), &[("PADDING", "all")]).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    let setup = Setup::of(server, node, db);
    // All that is asked of scripts and blocks, by a client that knows nothing of padding.
    setup.settle_all(&mut Truth::default()).unwrap();

    let mut stream = TcpStream::connect(setup.server.tcp_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut ask = |requests: &[Value]| {
        let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
        stream.write_all(lines.as_bytes()).unwrap();
        let (mut answers, mut byte) = (Vec::new(), [0]);
        while answers.iter().filter(|byte| **byte == b'\n').count() < requests.len() {
            stream.read_exact(&mut byte).unwrap();
            answers.push(byte[0]);
        }
        String::from_utf8(answers).unwrap()
    };
    let request =
        |method: &str, params: Value| json!({"id": 1, "method": method, "params": params});
    let ping = || request("server.ping", json!([]));
    let headers = || request("blockchain.block.headers", json!([0, 20]));
    for (requests, length) in [
        (vec![ping()], 1024),
        (vec![ping()], 1024),
        (vec![ping(), ping()], 1024),
        // 20 headers have 3,200 digits.
        (vec![headers()], 4096),
        (vec![headers(), headers()], 8192),
    ] {
        let answers = ask(&requests);
        assert_eq!(answers.len(), length, "{requests:?}");
        for line in answers.lines() {
            assert_eq!(serde_json::from_str::<Value>(line).unwrap()["id"], 1);
        }
    }
}
