//! How is an Electrum server asked? One JSON text per line, over TCP.
//!
//! ```text
//! cargo run -p electrumx-examples --bin query_server -- 127.0.0.1:50001 [SCRIPTHASH]
//! ```
#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

struct Client {
    stream: BufReader<TcpStream>,
    calls: u64,
}

impl Client {
    fn call(&mut self, method: &str, params: &Value) -> Result<Value, Box<dyn Error>> {
        self.calls += 1;
        let id = self.calls;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writeln!(self.stream.get_mut(), "{request}")?;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the server closed the connection".into());
            }
            let mut answer: Value = serde_json::from_str(&line)?;
            // Lines with another id, or none, are notifications of what was subscribed to.
            if answer["id"] == id {
                return match answer.get("error") {
                    Some(error) => Err(format!("{method}: {error}").into()),
                    None => Ok(answer["result"].take()),
                };
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().ok_or("usage: query_server HOST:PORT [SCRIPTHASH]")?;
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut client = Client { stream: BufReader::new(stream), calls: 0 };

    let version = client.call("server.version", &json!(["example", ["1.4", "1.6"]]))?;
    println!("server and protocol: {version}");
    println!("tip: {}", client.call("blockchain.headers.subscribe", &json!([]))?);
    if let Some(scripthash) = arguments.next() {
        for what in ["get_balance", "get_history", "listunspent"] {
            let method = format!("blockchain.scripthash.{what}");
            println!("{what}: {}", client.call(&method, &json!([scripthash]))?);
        }
    }
    Ok(())
}
