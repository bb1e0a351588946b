//! Wrong settings, wrong surroundings and wrong requests are refused clearly.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_storage::{Identity, LmdbStore, Options};
use electrumx_testkit::{
    ElectrumClient, Regtest, ReservedPort, ServerProcess, fresh_script, scripthash_hex, wait_until,
};
use serde_json::{Value, json};

use crate::common::{PATIENCE, SERVER, Setup, expect_error, start_server};

/// Settings that cannot work are told without delay; where the node has its say it may take a little.
const SOON: Duration = Duration::from_secs(20);

/// Starts a server that is to refuse: it ends with an error, having said all of `words`.
fn refused(settings: &[(&str, &str)], words: &[&str]) -> Result<()> {
    let server = ServerProcess::start(Path::new(SERVER), settings)?;
    ends_saying(server, words).with_context(|| format!("{settings:?}"))
}

fn ends_saying(mut server: ServerProcess, words: &[&str]) -> Result<()> {
    let status = server.wait_exit(SOON)?;
    let log = server.log_text();
    ensure!(status.code().is_some_and(|code| code != 0), "{status}:\n{log}");
    for word in words {
        ensure!(log.contains(word), "it does not say {word:?}:\n{log}");
    }
    ensure!(!log.contains("panicked"), "{log}");
    Ok(())
}

#[test]
fn wrong_settings_are_refused_with_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let file = dir.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let (db, below) = (db.to_str().unwrap(), file.join("db"));
    let (file, below) = (file.to_str().unwrap(), below.to_str().unwrap());
    let usual = [
        ("COIN", "Bitcoin"),
        ("NET", "regtest"),
        ("DB_DIRECTORY", db),
        ("DAEMON_URL", "http://user:secret-word@127.0.0.1:1/"),
    ];
    let services = "tcp://127.0.0.1:11111,rpc://127.0.0.1:11112";
    let with = |piece: &str| format!("{services},{piece}");
    for (name, value, words) in [
        ("COIN", "Dogecoin", ["COIN", "\"Dogecoin\"", "Bitcoin"]),
        ("NET", "moonnet", ["NET", "\"moonnet\"", "testnet4"]),
        ("SERVICES", &with("127.0.0.1:50001"), ["SERVICES", "127.0.0.1:50001", "://"]),
        ("SERVICES", &with("gopher://127.0.0.1:7"), ["SERVICES", "gopher", "tcp"]),
        ("SERVICES", &with("tcp://127.0.0.1:99999"), ["SERVICES", "99999", "65535"]),
        ("SERVICES", &with("tcp://[::1:50001"), ["SERVICES", "[::1:50001", "bracket"]),
        ("SERVICES", &with("tcp://127.0.0.1:11111"), ["SERVICES", "127.0.0.1:11111", "same"]),
        ("DAEMON_URL", "ftp://127.0.0.1/", ["DAEMON_URL", "ftp", "http"]),
        ("CACHE_MB", "much", ["CACHE_MB", "\"much\"", "number"]),
        ("DB_DIRECTORY", file, ["DB_DIRECTORY", file, "not a directory"]),
        ("MAX_RECV", "-1", ["MAX_RECV", "-1", "number"]),
        ("LOG_LEVEL", "loud", ["LOG_LEVEL", "\"loud\"", "info"]),
        ("TCP_PORT", "50001", ["TCP_PORT", "obsolete", "SERVICES"]),
    ] {
        let mut settings = usual.to_vec();
        settings.retain(|(usual, _)| *usual != name);
        settings.push((name, value));
        refused(&settings, &words).unwrap();
    }
    // Several at once are told at once.
    let mut settings = usual.to_vec();
    settings[0].1 = "Dogecoin";
    settings.push(("CACHE_MB", "much"));
    refused(&settings, &["Dogecoin", "CACHE_MB"]).unwrap();

    // Only at work it is seen that there can be no folder: root may do anything but this.
    let mut settings = usual.to_vec();
    settings[2].1 = below;
    refused(&settings, &[below]).unwrap();

    // A setting on the command line, too, and no secret is ever shown.
    let flag = std::process::Command::new(SERVER).args(["--net", "moonnet"]).output().unwrap();
    let text = String::from_utf8(flag.stderr).unwrap();
    assert!(!flag.status.success() && text.contains("--net"), "{text}");
    let mut settings = usual.to_vec();
    settings.push(("CACHE_MB", "much"));
    let mut server = ServerProcess::start(Path::new(SERVER), &settings).unwrap();
    server.wait_exit(SOON).unwrap();
    assert!(!server.log_text().contains("secret-word"), "{}", server.log_text());
}

#[test]
fn a_wrong_node_or_database_or_port_is_refused_with_the_reason() {
    let node = Regtest::start().unwrap();
    node.mine(5).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);

    // The node's password.
    let url = node.daemon_url().unwrap().replace("secret", "secrets");
    assert_ne!(url, node.daemon_url().unwrap());
    let server = start_server(&node, &path("a"), &[("DAEMON_URL", &url)]).unwrap();
    ends_saying(server, &["refuses the login", "password", "testkit"]).unwrap();

    // A node of another chain.
    for net in ["signet", "testnet", "testnet4", "mainnet"] {
        let server = start_server(&node, &path(net), &[("NET", net)]).unwrap();
        ends_saying(server, &["regtest", net]).unwrap();
    }

    // A database of another chain, and one that is none.
    let identity = Identity::from(Bitcoin::new(Network::Signet).chain());
    let store = LmdbStore::open(&path("b"), &identity, Options::default()).unwrap();
    assert!(store.close(PATIENCE));
    let server = start_server(&node, &path("b"), &[]).unwrap();
    ends_saying(server, &["database", "signet", "not regtest"]).unwrap();
    let mut server = start_server(&node, &path("c"), &[]).unwrap();
    server.wait_ready(PATIENCE).unwrap();
    let second = start_server(&node, &path("c"), &[]).unwrap();
    ends_saying(second, &["in use", &server.pid().unwrap().to_string()]).unwrap();
    server.terminate(PATIENCE).unwrap();
    let server = start_server(&node, &path("c"), &[("NET", "signet")]).unwrap();
    ends_saying(server, &["signet", "regtest"]).unwrap();
    std::fs::create_dir(path("d")).unwrap();
    std::fs::write(path("d").join("photo.jpg"), "not a database").unwrap();
    let server = start_server(&node, &path("d"), &[]).unwrap();
    ends_saying(server, &["not a database directory", "photo.jpg"]).unwrap();

    // Ports in use.
    for taken in 0..2 {
        let ports = [ReservedPort::new().unwrap(), ReservedPort::new().unwrap()];
        let _listener = ports[taken].occupy().unwrap();
        let services = format!("tcp://{},rpc://{}", ports[0].addr(), ports[1].addr());
        let server = start_server(&node, &path("e"), &[("SERVICES", &services)]).unwrap();
        ends_saying(server, &[&ports[taken].addr().to_string(), "SERVICES"]).unwrap();
    }
}

#[test]
fn without_a_node_it_waits_says_so_and_stops_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let port = ReservedPort::new().unwrap();
    let url = format!("http://user:secret-word@{}/", port.addr());
    let db = dir.path().join("db");
    let settings = [
        ("COIN", "Bitcoin"),
        ("NET", "regtest"),
        ("DB_DIRECTORY", db.to_str().unwrap()),
        ("DAEMON_URL", &url),
    ];
    let mut server = ServerProcess::start(Path::new(SERVER), &settings).unwrap();
    let place = port.addr().to_string();
    wait_until(PATIENCE, "a word about the node", || {
        let log = server.log_text();
        let told = log.lines().any(|line| line.contains("WARN") && line.contains(&place));
        ensure!(told, "{log}");
        Ok(())
    })
    .unwrap();
    // The operator is answered all along, clients are not let in.
    let info = server.rpc("getinfo", json!([])).unwrap();
    assert_eq!(info["pid"], json!(server.pid().unwrap()));
    assert!(TcpStream::connect(server.tcp_addr()).is_err());
    let start = Instant::now();
    let status = server.terminate(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", server.log_text());
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    assert!(!server.log_text().contains("secret-word"), "{}", server.log_text());
}

#[test]
fn bad_requests_are_answered_and_harm_nobody_else() {
    let setup = Setup::start().unwrap();
    setup.node.mine(3).unwrap();
    let mut truth = electrumx_testkit::Truth::default();
    setup.settle(&mut truth).unwrap();
    let mut witness = setup.client().unwrap();
    not_json(&setup).unwrap();
    odd_requests(&setup).unwrap();
    wrong_parameters(&setup).unwrap();
    too_long(&setup).unwrap();
    cut_off(&setup).unwrap();
    a_thousand_connections(&setup).unwrap();
    // The one who was there all the time, and another one.
    assert_eq!(witness.call("server.ping", json!([])), Ok(Value::Null));
    setup.node.mine(1).unwrap();
    setup.settle_all(&mut truth).unwrap();
    assert!(!setup.server.log_text().contains("panicked"), "{}", setup.server.log_text());
}

fn code_and_id(answer: &str) -> Result<(i64, Value)> {
    let answer: Value = serde_json::from_str(answer)?;
    ensure!(answer.get("result").is_none(), "{answer}");
    Ok((answer["error"]["code"].as_i64().context("no error")?, answer["id"].clone()))
}

fn not_json(setup: &Setup) -> Result<()> {
    let client = &mut setup.client()?;
    for line in [
        "{bad",
        "}",
        "{\"id\":1,\"method\":\"server.ping\",\"params\":[]",
        "server.ping",
        "{\"id\":1 \"method\":\"server.ping\"}",
        "[1,2",
        "{'id':1}",
        "GET / HTTP/1.1",
    ] {
        let (code, id) = code_and_id(&client.call_raw(line)?)?;
        ensure!(code == -32700 && id.is_null(), "{line}: {code} {id}");
    }
    // Bytes of no text, among them the first message of TLS; each line is answered and the session goes on.
    for bytes in
        [&b"\xff\xfe\xfd\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", b"\0\n"]
    {
        client.send_raw(bytes)?;
        let line = client.read_line(Instant::now() + PATIENCE)?;
        let (code, id) = code_and_id(&line)?;
        ensure!(code == -32700 && id.is_null(), "{bytes:x?}: {line}");
    }
    ensure!(client.call("server.ping", json!([])) == Ok(Value::Null), "the session is over");
    Ok(())
}

fn odd_requests(setup: &Setup) -> Result<()> {
    let client = &mut setup.client()?;
    for (line, code, id) in [
        ("[]", -32600, Value::Null),
        ("5", -32600, Value::Null),
        ("\"server.ping\"", -32600, Value::Null),
        ("null", -32600, Value::Null),
        ("{}", -32600, Value::Null),
        (r#"{"id":[1],"method":"server.ping"}"#, -32600, Value::Null),
        (r#"{"id":{"a":1},"method":"server.ping"}"#, -32600, Value::Null),
        (r#"{"id":7,"method":"nope"}"#, -32601, json!(7)),
        (
            r#"{"id":"x","method":"blockchain.address.get_proof","params":["a"]}"#,
            -32601,
            json!("x"),
        ),
        (r#"{"id":8,"method":"server.ping","params":5}"#, -32602, json!(8)),
        (r#"{"id":9,"method":"server.ping","params":"x"}"#, -32602, json!(9)),
        (r#"{"id":0,"method":"blockchain.block.header","params":{"tall":1}}"#, -32602, json!(0)),
        (r#"{"id":1e400,"method":"nope"}"#, -32601, Value::Null),
    ] {
        let answer = client.call_raw(line)?;
        // A number beyond all bounds is echoed as it was written, and cannot be read here.
        if line.contains("1e400") {
            ensure!(answer.contains("-32601") || answer.contains("-32600"), "{line}: {answer}");
            continue;
        }
        let got = code_and_id(&answer).with_context(|| format!("{line}: {answer}"))?;
        ensure!(got == (code, id), "{line}: {answer}");
    }
    // A method that is no text may be unknown or no request.
    let answer = client.call_raw(r#"{"id":1,"method":5}"#)?;
    ensure!(matches!(code_and_id(&answer)?.0, -32600 | -32601), "{answer}");
    // Without an id there is no answer, not even an error; the next answer is the next one's.
    client.send_raw(b"{\"method\":\"nope\"}\n{\"method\":\"server.ping\",\"params\":7}\n")?;
    ensure!(client.call("server.ping", json!([])) == Ok(Value::Null), "not silent");
    // Junk in a batch spoils only its own place.
    let answer: Value =
        serde_json::from_str(&client.call_raw(r#"[1,{"id":2,"method":"server.ping"},[]]"#)?)?;
    ensure!(
        answer[0]["error"]["code"] == -32600 && answer[2]["error"]["code"] == -32600,
        "{answer}"
    );
    ensure!(answer[1] == json!({"jsonrpc": "2.0", "id": 2, "result": null}), "{answer}");
    Ok(())
}

/// A method, arguments that are right, how many it must have, and wrong values for each.
type Method = (&'static str, Vec<Value>, usize, Vec<Vec<Value>>);

/// For every method: values of each wrong type for each parameter, too few, too many, unknown names.
fn wrong_parameters(setup: &Setup) -> Result<()> {
    let client = &mut setup.client()?;
    let script = json!(scripthash_hex(&fresh_script()));
    let txid = json!("11".repeat(32));
    let not_hash = vec![
        json!(5),
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!(1.5),
        json!(""),
        json!("zz"),
        json!("1".repeat(63)),
        json!("1".repeat(66)),
        json!("g".repeat(64)),
    ];
    let not_number =
        vec![json!("x"), json!(null), json!(-1), json!([]), json!({}), json!("-1"), json!("")];
    let not_optional_number: Vec<_> =
        not_number.iter().filter(|value| !value.is_null()).cloned().collect();
    let not_bool = vec![json!("yes"), json!(2), json!([]), json!({}), json!(-1)];
    let not_hex =
        vec![json!(5), json!(null), json!("xyz"), json!("0"), json!([]), json!({}), json!(true)];
    let not_hex_list = vec![
        json!(5),
        json!(null),
        json!("00"),
        json!({}),
        json!([5]),
        json!(["zz"]),
        json!([["00"]]),
    ];

    let mut methods: Vec<Method> = Vec::new();
    for method in [
        "blockchain.scripthash.get_balance",
        "blockchain.scripthash.get_mempool",
        "blockchain.scripthash.listunspent",
        "blockchain.scripthash.subscribe",
        "blockchain.scripthash.unsubscribe",
    ] {
        methods.push((method, vec![script.clone()], 1, vec![not_hash.clone()]));
    }
    let no_height = vec![json!("x"), json!(-2), json!(1.5), json!([]), json!({})];
    methods.extend([
        (
            "blockchain.scripthash.get_history",
            vec![script, json!(0), json!(-1)],
            1,
            vec![not_hash.clone(), no_height.clone(), no_height],
        ),
        (
            "blockchain.block.header",
            vec![json!(1), json!(2)],
            1,
            vec![not_number.clone(), not_optional_number.clone()],
        ),
        (
            "blockchain.block.headers",
            vec![json!(1), json!(1), json!(2)],
            2,
            vec![not_number.clone(), not_number.clone(), not_optional_number],
        ),
        (
            "blockchain.estimatefee",
            vec![json!(6), json!("ECONOMICAL")],
            1,
            vec![not_number.clone(), vec![json!("cheap"), json!("")]],
        ),
        ("blockchain.transaction.broadcast", vec![json!("00")], 1, vec![not_hex]),
        (
            "blockchain.transaction.broadcast_package",
            vec![json!(["00"]), json!(false)],
            1,
            vec![not_hex_list, not_bool.clone()],
        ),
        (
            "blockchain.transaction.get",
            vec![txid.clone(), json!(false)],
            1,
            vec![not_hash.clone(), not_bool.clone()],
        ),
        (
            "blockchain.transaction.get_merkle",
            vec![txid, json!(1)],
            2,
            vec![not_hash, not_number.clone()],
        ),
        (
            "blockchain.transaction.id_from_pos",
            vec![json!(1), json!(0), json!(true)],
            2,
            vec![not_number.clone(), not_number, not_bool],
        ),
        ("blockchain.headers.subscribe", vec![], 0, vec![]),
        ("blockchain.relayfee", vec![], 0, vec![]),
        ("mempool.get_fee_histogram", vec![], 0, vec![]),
        ("mempool.get_info", vec![], 0, vec![]),
        ("server.banner", vec![], 0, vec![]),
        ("server.donation_address", vec![], 0, vec![]),
        ("server.features", vec![], 0, vec![]),
        ("server.peers.subscribe", vec![], 0, vec![]),
    ]);
    for (method, good, required, wrong) in &methods {
        for (at, values) in wrong.iter().enumerate() {
            for value in values {
                let mut params = good.clone();
                params[at] = value.clone();
                expect_error(client, method, &json!(params), 1)?;
            }
        }
        for count in 0..*required {
            expect_error(client, method, &json!(good[..count]), -32602)?;
        }
        let mut many = good.clone();
        many.push(json!(1));
        expect_error(client, method, &json!(many), -32602)?;
        expect_error(client, method, &json!({"no_such_name": 1}), -32602)?;
    }
    // Another version cannot be had; each of these ends its session.
    for version in
        [json!("1.3"), json!(1.4), json!("abc"), json!(["1.8", "1.9"]), json!(["1.4"]), json!([])]
    {
        let client = &mut setup.server.connect()?;
        expect_error(client, "server.version", &json!(["test", version]), 1)?;
        ensure!(client.closed_within(PATIENCE), "{version}: still open");
    }
    Ok(())
}

fn too_long(setup: &Setup) -> Result<()> {
    // Just below the limit: refused for what it says, by the node, and the session goes on.
    let client = &mut setup.client()?;
    let long = json!(["00".repeat(499_000)]);
    expect_error(client, "blockchain.transaction.broadcast", &long, 1)?;
    // Above it, with an end of line or without: an error, and then the connection is closed.
    for end in ["\"]}\n", ""] {
        let client = &mut setup.client()?;
        let line =
            format!("{{\"id\":1,\"method\":\"a\",\"params\":[\"{}{end}", "x".repeat(1_100_000));
        // It may be closed before all of it is sent.
        let _ = client.send_raw(line.as_bytes());
        let answer = client.read_line(Instant::now() + PATIENCE)?;
        let got = code_and_id(&answer)?;
        ensure!(got == (-32600, Value::Null), "{answer}");
        ensure!(client.closed_within(PATIENCE), "still open");
    }
    Ok(())
}

fn cut_off(setup: &Setup) -> Result<()> {
    for bytes in [&b"{\"id\":1,\"meth"[..], b"", b"\xff", b"{\"id\":1,\"method\":\"server.ping\"}"]
    {
        let mut client = setup.client()?;
        client.send_raw(bytes)?;
        drop(client);
    }
    // Requests whose answers nobody waits for.
    let mut client = setup.client()?;
    for _ in 0..50 {
        client.send("blockchain.block.headers", json!([0, 2016]))?;
    }
    drop(client);
    sessions_become(setup, 1)
}

/// Waits until only so many sessions are left.
fn sessions_become(setup: &Setup, count: u64) -> Result<()> {
    wait_until(PATIENCE, "the sessions to be over", || {
        let info = setup.server.rpc("getinfo", json!([]))?;
        ensure!(info["sessions"]["count"] == count, "{}", info["sessions"]);
        Ok(())
    })
}

fn a_thousand_connections(setup: &Setup) -> Result<()> {
    let addr = setup.server.tcp_addr();
    let before = setup.server.rss_bytes()?;
    for round in 0..10 {
        let mut open = Vec::new();
        for n in 0..100 {
            let mut client = ElectrumClient::connect(addr)?;
            if n % 3 == 0 {
                client.send("server.ping", json!([]))?;
            }
            open.push(client);
        }
        // The last of them is served, whatever the others do.
        let last = open.last_mut().context("no connection")?;
        ensure!(last.call("server.ping", json!([]))? == Value::Null, "round {round}");
    }
    sessions_become(setup, 1)?;
    let grown = setup.server.rss_bytes()?.saturating_sub(before);
    ensure!(grown < 64 << 20, "{grown} bytes more in use");
    Ok(())
}
