//! JSON-RPC: ids, batches, malformed input. Golden lines.

use crate::chain::Chain;
use crate::client::{Server, config};
use electrumx_protocol::CloseReason;

const NOT_AN_OBJECT: &str =
    r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"a request is a JSON object"},"id":null}"#;
const INVALID_JSON: &str =
    r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"invalid JSON"},"id":null}"#;

#[tokio::test]
async fn lines_are_answered_exactly_so() {
    let server = Server::new(Chain::new());
    let mut client = server.connect();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let table = [
        // Ids come back bit for bit.
        (r#"{"id":0,"method":"server.ping"}"#, r#"{"jsonrpc":"2.0","result":null,"id":0}"#),
        (r#"{"id":"1","method":"server.ping"}"#, r#"{"jsonrpc":"2.0","result":null,"id":"1"}"#),
        (r#"{"id":-1,"method":"server.ping"}"#, r#"{"jsonrpc":"2.0","result":null,"id":-1}"#),
        (r#"{"id":1.0,"method":"server.ping"}"#, r#"{"jsonrpc":"2.0","result":null,"id":1.0}"#),
        (
            r#"{"id":18446744073709551616,"method":"server.ping"}"#,
            r#"{"jsonrpc":"2.0","result":null,"id":18446744073709551616}"#,
        ),
        (
            r#"{"id":"\u0041\n","method":"server.ping"}"#,
            r#"{"jsonrpc":"2.0","result":null,"id":"\u0041\n"}"#,
        ),
        (r#"{"id":"","method":"server.ping"}"#, r#"{"jsonrpc":"2.0","result":null,"id":""}"#),
        (r#"{"id":true,"method":"server.ping"}"#, r#"{"jsonrpc":"2.0","result":null,"id":true}"#),
        // Dialects, spacing, other and duplicate members.
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"server.ping","params":[]}"#,
            r#"{"jsonrpc":"2.0","result":null,"id":1}"#,
        ),
        (
            "\t{ \"params\" : { } ,\"authorization\":[{}],\"method\": \"server.ping\", \"id\" : 7 } \t\r",
            r#"{"jsonrpc":"2.0","result":null,"id":7}"#,
        ),
        (
            r#"{"id":1,"method":"nope","method":"server.ping","id":2}"#,
            r#"{"jsonrpc":"2.0","result":null,"id":2}"#,
        ),
        (r#"{"id":1,"method":"server\u002eping"}"#, r#"{"jsonrpc":"2.0","result":null,"id":1}"#),
        // Misfits.
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"nope","params":[]}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"unknown method \"nope\""},"id":1}"#,
        ),
        (
            r#"{"id":1,"method":"blockchain.address.get_proof","params":["x"]}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"unknown method \"blockchain.address.get_proof\""},"id":1}"#,
        ),
        (
            r#"{"id":1,"method":5}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"a request's method is a string"},"id":1}"#,
        ),
        (
            r#"{"id":"x"}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"a request's method is a string"},"id":"x"}"#,
        ),
        (
            r#"{"id":[1],"method":"server.ping"}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"a request's id is a number or a string"},"id":null}"#,
        ),
        (
            r#"{"id":{},"method":"server.ping"}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"a request's id is a number or a string"},"id":null}"#,
        ),
        (
            r#"{"id":1,"method":"server.banner","params":null}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"params is an array or an object"},"id":1}"#,
        ),
        (
            r#"{"id":1,"method":"server.banner","params":"x"}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"params is an array or an object"},"id":1}"#,
        ),
        (
            r#"{"id":1,"method":"server.banner","params":[1]}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"too many arguments: at most 0"},"id":1}"#,
        ),
        (
            r#"{"id":1,"method":"server.banner","params":{"x":1}}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"unknown argument: x"},"id":1}"#,
        ),
        ("5", NOT_AN_OBJECT),
        (r#""text""#, NOT_AN_OBJECT),
        ("null", NOT_AN_OBJECT),
        // No JSON.
        ("{bad", INVALID_JSON),
        ("5 x", INVALID_JSON),
        ("\"{", INVALID_JSON),
        ("[", INVALID_JSON),
        ("[1,]", INVALID_JSON),
        ("{}{}", INVALID_JSON),
        (r#"{"id":1,"method":"server.ping"} x"#, INVALID_JSON),
        (r#"{"id":01,"method":"server.ping"}"#, INVALID_JSON),
        ("GET / HTTP/1.1\r", INVALID_JSON),
        // Batches.
        ("[]", r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"batch is empty"},"id":null}"#),
        (
            r#" [ {"id":2,"method":"server.ping"}, {"method":"server.ping"},{"id":1,"method":"nope"}]"#,
            r#"[{"jsonrpc":"2.0","result":null,"id":2},{"jsonrpc":"2.0","error":{"code":-32601,"message":"unknown method \"nope\""},"id":1}]"#,
        ),
        (
            "[1,[]]",
            r#"[{"jsonrpc":"2.0","error":{"code":-32600,"message":"a request is a JSON object"},"id":null},{"jsonrpc":"2.0","error":{"code":-32600,"message":"a request is a JSON object"},"id":null}]"#,
        ),
        // Nesting costs no stack.
        (
            &format!(r#"{{"id":1,"x":{deep},"method":"server.banner","params":[{deep}]}}"#),
            r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"too many arguments: at most 0"},"id":1}"#,
        ),
    ];
    for (request, answer) in table {
        assert_eq!(client.ask(request).await, answer, "{request}");
    }
    let nested = client.ask(&deep).await;
    assert_eq!(nested.matches("a request is a JSON object").count(), 1);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_a_parse_error() {
    let server = Server::new(Chain::new());
    let mut client = server.connect();
    client.send(b"{\"id\":1,\"method\":\"\xff\"}").await;
    let expected = r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"messages must be encoded in UTF-8"},"id":null}"#;
    assert_eq!(client.line().await.unwrap(), expected);
    client.expect_silence().await;
}

#[tokio::test]
async fn notifications_and_blank_lines_are_not_answered() {
    let server = Server::new(Chain::new());
    let mut client = server.connect();
    for line in [
        "",
        " \t\r",
        r#"{"method":"server.ping"}"#,
        r#"{"id":null,"method":"server.ping"}"#,
        r#"{"method":"nope","params":7}"#,
        r#"[{"method":"server.ping"},{"id":null,"method":"nope"}]"#,
    ] {
        client.send(line).await;
        client.expect_silence().await;
    }
}

#[tokio::test]
async fn a_line_longer_than_allowed_is_refused_and_ends_the_session() {
    let mut config = config();
    config.limits.max_line_bytes = 1000;
    let server = Server::with(Chain::new(), config);
    let fits = format!(r#"{{"id":1,"method":"server.ping","x":"{}"}}"#, "x".repeat(962));
    assert_eq!(fits.len(), 1000);
    for (too_long, ended) in [(format!(" {fits}"), true), ("x".repeat(5000), false)] {
        let mut client = server.connect();
        assert_eq!(client.ask(&fits).await, r#"{"jsonrpc":"2.0","result":null,"id":1}"#);
        if ended {
            client.send(too_long).await;
        } else {
            tokio::io::AsyncWriteExt::write_all(&mut client.stream, too_long.as_bytes())
                .await
                .unwrap();
        }
        let expected =
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"request too long"},"id":null}"#;
        assert_eq!(client.line().await.unwrap(), expected);
        assert_eq!(client.closed().await, CloseReason::TooLong);
    }
}

#[tokio::test]
async fn a_batch_longer_than_allowed_is_refused_element_by_element() {
    let mut config = config();
    config.limits.max_batch = 2;
    let server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    let ping = |id: &str| format!(r#"{{"id":{id},"method":"server.ping"}}"#);
    let batch = format!(r#"[{},{},{{"method":"x"}},{}]"#, ping("1"), ping(r#""b""#), ping("3"));
    let refused = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","error":{{"code":-32600,"message":"Batch limit exceeded: 2"}},"id":{id}}}"#
        )
    };
    let expected = format!("[{},{},{}]", refused("1"), refused(r#""b""#), refused("3"));
    assert_eq!(client.ask(&batch).await, expected);
    client.expect_silence().await;
}

#[tokio::test]
async fn refusing_an_endless_batch_does_not_send_more_than_the_longest_answer() {
    let mut config = config();
    config.limits.max_batch = 10;
    config.limits.max_send_bytes = 10_000;
    let server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    let batch = format!("[1{}]", ",1".repeat(100_000));
    let answer = client.ask(&batch).await;
    assert!(answer.ends_with(r#""Batch limit exceeded: 10"},"id":null}"#), "{answer}");
    assert_eq!(client.closed().await, CloseReason::TooLong);
}

#[tokio::test]
async fn answers_beyond_the_limit_become_errors_and_batches_count_as_one() {
    let mut config = config();
    config.limits.max_send_bytes = 150;
    config.banner = "b".repeat(200);
    let server = Server::with(Chain::new(), config);
    let mut client = server.connect();
    let error = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"response too large (over 150 bytes)"},"id":1}"#;
    assert_eq!(client.ask(r#"{"id":1,"method":"server.banner"}"#).await, error);
    let ping = r#"{"jsonrpc":"2.0","result":null,"id":1}"#;
    let pings = [r#"{"id":1,"method":"server.ping"}"#; 5].join(",");
    let expected = format!("[{ping},{ping},{ping},{error},{error}]");
    assert_eq!(client.ask(&format!("[{pings}]")).await, expected);
}
