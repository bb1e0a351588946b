//! JSON-RPC over HTTP as a node serves it, for nodes that are made up.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// What a call is answered: JSON text, or the code and the message of an error.
pub type MadeUpAnswer = Result<String, (i32, &'static str)>;

/// Serves calls and batches of them on a free port of loopback, as long as the process lives; any login will do. Paths other
/// than `/` are not found. `answer` gets the method and its parameters.
///
/// # Errors
/// When there is no port.
pub fn serve_rpc(
    answer: impl Fn(&str, &Value) -> MadeUpAnswer + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            // A connection that ends is no error.
            std::thread::spawn(move || drop(serve(stream, &*answer)));
        }
    });
    Ok(addr)
}

fn serve(stream: TcpStream, answer: &impl Fn(&str, &Value) -> MadeUpAnswer) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length, mut path) = (String::new(), 0, String::new());
        while line != "\r\n" {
            line.clear();
            ensure!(stream.read_line(&mut line)? > 0, "the end");
            if path.is_empty() {
                line.split(' ').nth(1).context("no request line")?.clone_into(&mut path);
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let (status, reply) = if path == "/" {
            ("200 OK", reply(&serde_json::from_slice(&body)?, answer))
        } else {
            ("404 Not Found", String::new())
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            reply.len()
        );
        stream.get_mut().write_all((head + &reply).as_bytes())?;
    }
}

fn reply(request: &Value, answer: &impl Fn(&str, &Value) -> MadeUpAnswer) -> String {
    let one = |call: &Value| {
        let id = &call["id"];
        match answer(call["method"].as_str().unwrap_or_default(), &call["params"]) {
            Ok(result) => format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{id}}}"#),
            Err((code, message)) => {
                let error = json!({"code": code, "message": message});
                format!(r#"{{"jsonrpc":"2.0","error":{error},"id":{id}}}"#)
            }
        }
    };
    match request {
        Value::Array(calls) => format!("[{}]", calls.iter().map(one).collect::<Vec<_>>().join(",")),
        call => one(call),
    }
}
