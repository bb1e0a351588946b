//! The node, the server process and the client.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use electrumx_testkit::{
    ElectrumClient, NodeError, Regtest, Replacement, RpcError, ServerProcess, fresh_script,
};
use serde_json::json;

#[test]
fn mines_and_keeps_its_data() {
    let node = Regtest::start().unwrap();
    node.mine(3).unwrap();
    assert_eq!(node.block_count().unwrap(), 3);
    let best = node.best_block_hash().unwrap();
    assert_eq!(node.block(&best).unwrap(), node.block_at(3).unwrap());
    assert_eq!(node.block(&best).unwrap().block_hash(), best);

    node.restart().unwrap();
    assert_eq!(node.best_block_hash().unwrap(), best);
    node.kill();
    assert!(node.block_count().is_err());
}

#[test]
fn cookie_changes_with_the_start() {
    let node = Regtest::builder().cookie().start().unwrap();
    let before = node.daemon_url().unwrap();
    assert!(before.starts_with("http://__cookie__:"), "{before}");
    node.restart().unwrap();
    assert_ne!(node.daemon_url().unwrap(), before);
    assert_eq!(node.client().block_count().unwrap(), 0);
}

#[test]
fn node_errors_keep_their_text() {
    let node = Regtest::start().unwrap();
    let error = node.block_hash(7).unwrap_err();
    let error = error.downcast_ref::<NodeError>().unwrap();
    assert_eq!((error.code, error.message.as_str()), (-8, "Block height out of range"));
}

#[test]
fn a_bad_argument_is_shown() {
    let error = Regtest::builder().arg("-nonsense=1").start().unwrap_err().to_string();
    assert!(error.contains("Invalid parameter -nonsense=1"), "{error}");
}

#[test]
fn reorganises() {
    let node = Regtest::start().unwrap();
    node.mine(110).unwrap();
    let paid = node.fund(&fresh_script(), 100_000).unwrap();
    node.mine(1).unwrap();
    let lost = node.fund(&fresh_script(), 100_000).unwrap();
    node.mine(4).unwrap();
    let tip = node.best_block_hash().unwrap();

    // Same height; the transactions return to the mempool.
    let old = node.reorg(5, 5, Replacement::Empty).unwrap();
    assert_eq!(node.block_count().unwrap(), 115);
    assert_ne!(node.best_block_hash().unwrap(), tip);
    let pool = node.raw_mempool().unwrap();
    assert_eq!(pool.len(), 2);
    assert!(pool.contains(&paid.txid) && pool.contains(&lost.txid));

    // Lower, and with the transactions.
    node.reorg(5, 2, Replacement::Mempool).unwrap();
    assert_eq!(node.block_count().unwrap(), 112);
    assert_eq!(node.block_at(111).unwrap().txdata.len(), 3);

    node.reconsider(&old).unwrap();
    assert_eq!(node.best_block_hash().unwrap(), tip);
}

fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("server");
    std::fs::write(&path, text).expect("the folder is writable");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("the file is ours");
    path
}

#[test]
fn server_process_is_watched() {
    let dir = tempfile::tempdir().unwrap();
    let exe = script(dir.path(), "#!/bin/sh\necho net $NET, $SERVICES\nexec sleep 60\n");
    let mut server = ServerProcess::start(&exe, &[("NET", "regtest")]).unwrap();
    let error = server.wait_ready(Duration::from_millis(300)).unwrap_err().to_string();
    let services = format!("tcp://{},rpc://{}", server.tcp_addr(), server.rpc_addr());
    assert!(error.contains(&format!("net regtest, {services}")), "{error}");
    assert!(server.rss_bytes().unwrap() > 100_000);
    assert!(server.cpu_seconds().unwrap() < 1.0);
    let status = server.terminate(Duration::from_secs(5)).unwrap();
    assert!(!status.success());
    server.restart().unwrap();
    server.kill9().unwrap();

    let exe = script(dir.path(), "#!/bin/sh\necho no such folder >&2\nexit 3\n");
    let mut server = ServerProcess::start::<&str, &str>(&exe, &[]).unwrap();
    let error = server.wait_ready(Duration::from_secs(9)).unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("no such folder"), "{error}");
}

#[test]
fn client_sorts_answers_and_notifications() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let notify = r#"{"jsonrpc":"2.0","method":"a.subscribe","params":["N"]}"#;
        let mut send = |text: &str| stream.write_all(text.as_bytes()).unwrap();
        lines.next().unwrap().unwrap();
        send(&notify.replace('N', "one"));
        send("\n{\"id\":0,\"result\":5}\n");
        lines.next().unwrap().unwrap();
        send("{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no\"}}\n");
        lines.next().unwrap().unwrap();
        send("[{\"id\":3,\"result\":3},{\"id\":2,\"error\":{\"code\":1,\"message\":\"x\"}}]\n");
        send(&format!("{}\n", notify.replace('N', "two")));
        lines.next().unwrap().unwrap();
        lines.next().unwrap().unwrap();
        send("{\"id\":5,\"result\":\"later\"}\n{\"id\":4,\"result\":\"sooner\"}\n");
    });
    let mut client = ElectrumClient::connect(addr).unwrap();
    assert_eq!(client.call("a", json!([])), Ok(json!(5)));
    assert_eq!(client.call("b", json!([])).unwrap_err().code(), Some(-32601));
    let answers = client.call_batch(&[("c", json!([])), ("d", json!([]))]).unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().message(), "x");
    assert_eq!(answers[1], Ok(json!(3)));
    let wait = Duration::from_secs(5);
    let two = client.wait_notification(wait, |n| n.params[0] == "two").unwrap();
    assert_eq!(two.method, "a.subscribe");
    assert_eq!(client.drain_notifications().len(), 1);
    let (sooner, later) = (client.send("e", json!([])).unwrap(), client.send("f", json!([])));
    assert_eq!(client.receive(sooner), Ok(json!("sooner")));
    assert_eq!(client.receive(later.unwrap()), Ok(json!("later")));
    peer.join().unwrap();
    assert!(client.closed_within(wait));
    assert!(matches!(client.receive(9), Err(RpcError::Transport(_))));
}
