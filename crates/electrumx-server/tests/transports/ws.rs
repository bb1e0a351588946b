use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use rustls::version::TLS13;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client::client};

use crate::common::{GREETING, PATIENCE, Setup, is_greeted, tcp};
use crate::pin::{encrypt, pinning};

fn connect<S: Read + Write>(stream: S) -> Result<WebSocket<S>> {
    let upgraded = client("ws://localhost/", stream);
    Ok(upgraded.map_err(|err| anyhow::anyhow!("the upgrade: {err}"))?.0)
}

/// Reads the next answer: always text, one document, no line end.
fn answer<S: Read + Write>(ws: &mut WebSocket<S>) -> Result<Value> {
    let Message::Text(text) = ws.read()? else { anyhow::bail!("no text") };
    ensure!(!text.contains('\n'), "{text}");
    Ok(serde_json::from_str(&text)?)
}

fn ask<S: Read + Write>(ws: &mut WebSocket<S>, message: Message) -> Result<Value> {
    ws.send(message)?;
    answer(ws)
}

/// What holds with and without TLS.
fn converse<S: Read + Write>(ws: &mut WebSocket<S>) -> Result<()> {
    ensure!(is_greeted(&ask(ws, Message::text(GREETING))?), "text");
    ensure!(is_greeted(&ask(ws, Message::binary(GREETING.as_bytes()))?), "binary");
    ensure!(is_greeted(&ask(ws, Message::text(format!("{GREETING}\n")))?), "line end");
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(GREETING)?)?;
    ensure!(is_greeted(&ask(ws, Message::text(pretty))?), "several lines");

    let ping = |id: u32| json!({"id": id, "method": "server.ping"}).to_string();
    ws.send(Message::text(format!("{}\n{}", ping(1), ping(2))))?;
    ws.send(Message::text(ping(3)))?;
    for id in 1..=3 {
        ensure!(answer(ws)?["id"] == id, "in order");
    }

    let batch = format!("[{}]", vec![r#"{"id":1,"method":"server.features"}"#; 500].join(","));
    let long = ask(ws, Message::text(batch))?;
    ensure!(long.as_array().is_some_and(|list| list.len() == 500), "a long answer");

    ws.send(Message::Ping(b"are you there"[..].into()))?;
    let Message::Pong(echo) = ws.read()? else { anyhow::bail!("no pong") };
    ensure!(*echo == b"are you there"[..], "{echo:?}");
    let broken = ask(ws, Message::text("{"))?;
    ensure!(broken["error"]["code"] == -32700, "{broken}");
    Ok(())
}

/// The close frame that ends the connection.
fn close_code<S: Read + Write>(ws: &mut WebSocket<S>) -> Result<CloseCode> {
    loop {
        if let Message::Close(frame) = ws.read()? {
            return Ok(frame.context("no reason")?.code);
        }
    }
}

#[test]
fn websocket_with_and_without_tls() {
    let mut setup = Setup::start(&[("MAX_RECV", "20000")]).unwrap();
    let mut ws: WebSocket<TcpStream> = connect(tcp(setup.ws()).unwrap()).unwrap();
    converse(&mut ws).unwrap();
    let certificate = setup.tls_dir().join("certificate.pem");
    let config = pinning(&certificate, &[&TLS13]).unwrap();
    let mut wss = connect(encrypt(&config, tcp(setup.wss()).unwrap()).unwrap()).unwrap();
    converse(&mut wss).unwrap();
    setup.sessions_become("WX").unwrap();

    // News are messages too.
    let subscribe = r#"{"id":1,"method":"blockchain.headers.subscribe"}"#;
    let height = ask(&mut ws, Message::text(subscribe)).unwrap()["result"]["height"].clone();
    ask(&mut wss, Message::text(subscribe)).unwrap();
    setup.node.mine(1).unwrap();
    for news in [answer(&mut ws).unwrap(), answer(&mut wss).unwrap()] {
        assert_eq!(news["method"], "blockchain.headers.subscribe");
        assert_eq!(news["params"][0]["height"], height.as_u64().unwrap() + 1);
    }

    // Too long, at once and in pieces: told, then closed with the code for it.
    let long = Message::text("x".repeat(20_001));
    let mut other = connect(tcp(setup.ws()).unwrap()).unwrap();
    let refusal = ask(&mut other, long).unwrap();
    assert_eq!(refusal["error"]["message"], "request too long");
    assert_eq!(close_code(&mut other).unwrap(), CloseCode::Size);

    // The client says goodbye and is answered.
    let mut other = connect(tcp(setup.ws()).unwrap()).unwrap();
    other.close(None).unwrap();
    while other.read().is_ok() {}
    assert!(!other.can_read());
    setup.sessions_become("WX").unwrap();

    // The server does.
    std::thread::scope(|scope| {
        let ends =
            [scope.spawn(move || close_code(&mut ws)), scope.spawn(move || close_code(&mut wss))];
        setup.server.terminate(PATIENCE).unwrap();
        for end in ends {
            assert_eq!(end.join().unwrap().unwrap(), CloseCode::Away);
        }
    });
}
