//! `server.version`.

use crate::chain::Chain;
use crate::client::{Server, config};
use electrumx_protocol::CloseReason;

#[tokio::test]
async fn the_highest_common_version_is_agreed_on() {
    let server = Server::new(Chain::new());
    for (params, agreed) in [
        (r#"["c","1.4"]"#, "1.4"),
        (r#"["c","1.4.2"]"#, "1.4.2"),
        (r#"["c",["1.4","1.6"]]"#, "1.6"),
        (r#"["c",["1.3","1.4.2"]]"#, "1.4.2"),
        (r#"["c",["1.4","1.7"]]"#, "1.7"),
        (r#"["c",["1.4","1.7.0"]]"#, "1.7"),
        (r#"["c",["1.6","1.9"]]"#, "1.7"),
        (r#"["c",["1.7","1.8"]]"#, "1.7"),
        (r#"["c","1.7"]"#, "1.7"),
        (r#"["c",["1.4","1.6.0"]]"#, "1.6"),
        (r#"["c",["1.4","1.5"]]"#, "1.5"),
        (r#"["c","1.4.1.5"]"#, "1.4.1.5"),
        (r#"["c",null]"#, "1.4"),
        (r#"["c"]"#, "1.4"),
        ("[]", "1.4"),
        ("{}", "1.4"),
        // Whatever else there is, is ignored.
        (r#"["c","1.4",1,[],{}]"#, "1.4"),
        (r#"{"client_name":"c","protocol_version":["1.4","1.6"],"x":1}"#, "1.6"),
        (r#"[5,"1.4"]"#, "1.4"),
        (r#"[null,"1.4"]"#, "1.4"),
    ] {
        let answer = server.connect().call("server.version", params).await;
        assert_eq!(answer, format!(r#"["ElectrumX-test 1.2.3","{agreed}"]"#), "{params}");
    }
}

#[tokio::test]
async fn without_a_common_version_the_session_ends() {
    let server = Server::new(Chain::new());
    for (wanted, shown) in [
        (r#""1.3""#, "1.3"),
        (r#"["1.2","1.3"]"#, r#"[\"1.2\",\"1.3\"]"#),
        (r#"["1.8","1.9"]"#, r#"[\"1.8\",\"1.9\"]"#),
        (r#""1.7.1""#, "1.7.1"),
        (r#""2.0""#, "2.0"),
        (r#"["1.6","1.4"]"#, r#"[\"1.6\",\"1.4\"]"#),
        (r#"["1.4"]"#, r#"[\"1.4\"]"#),
        (r#"["1.4","1.5","1.6"]"#, r#"[\"1.4\",\"1.5\",\"1.6\"]"#),
        (r#""abc""#, "abc"),
        ("1.4", "1.4"),
        ("{}", "{}"),
        ("true", "true"),
    ] {
        let mut client = server.connect();
        let error = format!(r#"{{"code":1,"message":"unsupported protocol version: {shown}"}}"#);
        assert_eq!(client.call("server.version", &format!(r#"["c",{wanted}]"#)).await, error);
        assert_eq!(client.closed().await, CloseReason::UnsupportedVersion);
    }
}

#[tokio::test]
async fn the_shape_of_headers_follows_the_version_also_within_the_first_batch() {
    let server = Server::new(Chain::new());
    let headers = r#"{"id":1,"method":"blockchain.block.headers","params":[0,1]}"#;
    let version =
        |range: &str| format!(r#"{{"id":0,"method":"server.version","params":["",{range}]}}"#);
    for (range, member) in [
        (r#""1.4""#, r#""hex":"#),
        (r#"["1.4","1.5"]"#, r#""hex":"#),
        (r#"["1.4","1.6"]"#, r#""headers":["#),
        (r#"["1.4","1.7"]"#, r#""headers":["#),
    ] {
        let mut client = server.connect();
        assert!(client.ask(headers).await.contains(r#""hex":"#), "1.4 until told otherwise");
        let batch = client.ask(&format!("[{},{headers}]", version(range))).await;
        assert!(batch.contains(member), "{batch}");
    }
}

#[tokio::test]
async fn what_the_client_tells_is_in_the_session_list() {
    let server = Server::new(Chain::new());
    let mut client = server.connect();
    let name = format!("evil\\u0000\\n{}", "é".repeat(200));
    client.call("server.version", &format!(r#"["{name}",["1.4","1.6"]]"#)).await;
    client.call("nope", "[]").await;
    let sessions = server.service.sessions();
    let [session] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!(session.client, format!("evil{}", "é".repeat(96)));
    assert_eq!(session.protocol.unwrap().to_string(), "1.6");
    assert_eq!((session.id, session.requests, session.errors), (1, 2, 1));
    assert_eq!((session.recv_count, session.sent_count), (2, 2));
    assert_eq!(server.service.session_count(), 1);
    drop(client.stream);
    assert_eq!(client.session.await.unwrap(), CloseReason::ClientLeft);
    assert_eq!(server.service.session_count(), 0);
}

#[tokio::test]
async fn a_strict_server_wants_to_know_the_version_first() {
    let mut config = config();
    config.strict_version_first = true;
    let server = Server::with(Chain::new(), config);
    let refusal = r#"{"code":1,"message":"use server.version to identify client"}"#;
    let mut client = server.connect();
    // A notification is not answered and does not count.
    client.send(r#"{"method":"server.ping"}"#).await;
    assert_eq!(client.call("server.ping", "[]").await, refusal);
    assert_eq!(client.closed().await, CloseReason::VersionNotFirst);

    let mut client = server.connect();
    client.call("server.version", r#"["","1.4"]"#).await;
    assert_eq!(client.call("server.ping", "[]").await, "null");

    // Also in a batch the order counts.
    let version = r#"{"id":0,"method":"server.version","params":["","1.6"]}"#;
    let ping = r#"{"id":1,"method":"server.ping"}"#;
    let answer = server.connect().ask(&format!("[{version},{ping}]")).await;
    assert!(answer.ends_with(r#"{"jsonrpc":"2.0","result":null,"id":1}]"#), "{answer}");
    let mut client = server.connect();
    assert!(client.ask(&format!("[{ping},{version}]")).await.contains(r#""code":1,"#));
    assert_eq!(client.closed().await, CloseReason::VersionNotFirst);
}
