//! Sessions over real sockets, whose buffers the system has a say in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use electrumx_protocol::{CloseReason, PeerInfo, Transport, serve};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::chain::{Chain, scripthash, tx_named};
use crate::client::{Server, config};

/// As small as the system lets it be, for a few dozen notifications.
const BUFFER: u32 = 2_048;

const PATIENCE: Duration = Duration::from_secs(10);

/// Clients that read, and as many that do not.
const CLIENTS: usize = 10;

const SCRIPT: &[u8] = b"paid in each block";

/// Connects a client and subscribes it to tip and script.
async fn subscribed(addr: SocketAddr) -> BufReader<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(BUFFER).unwrap();
    let mut stream = BufReader::new(socket.connect(addr).await.unwrap());
    let script = scripthash(SCRIPT);
    let requests = format!(
        "{{\"id\":1,\"method\":\"blockchain.headers.subscribe\"}}\n\
         {{\"id\":2,\"method\":\"blockchain.scripthash.subscribe\",\"params\":[\"{script}\"]}}\n"
    );
    stream.write_all(requests.as_bytes()).await.unwrap();
    for id in 1..3 {
        assert_eq!(next(&mut stream).await["id"], id);
    }
    stream
}

async fn next(stream: &mut BufReader<TcpStream>) -> Value {
    let mut line = String::new();
    timeout(PATIENCE, stream.read_line(&mut line)).await.expect("nothing is told").unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_do_not_read_are_dropped_and_the_others_hear_of_every_block_meanwhile() {
    let mut config = config();
    config.limits.write_timeout = Duration::from_millis(500);
    let mut server = Server::with(Chain::new(), config);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(BUFFER).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(64).unwrap();
    let addr = listener.local_addr().unwrap();
    let (service, shutdown) = (Arc::clone(&server.service), server.shutdown.clone());
    let mut sessions = JoinSet::new();
    let (mut deaf, mut readers) = (Vec::new(), Vec::new());
    for number in 0..2 * CLIENTS {
        let accept = async {
            let (stream, peer) = listener.accept().await.unwrap();
            let peer = PeerInfo { addr: Some(peer), transport: Transport::Tcp };
            sessions.spawn(serve(Arc::clone(&service), stream, peer, shutdown.clone()));
        };
        let (client, ()) = tokio::join!(subscribed(addr), accept);
        if number % 2 == 0 { &mut deaf } else { &mut readers }.push(client);
    }

    let began = Instant::now();
    let mut height = 0;
    while sessions.len() > CLIENTS {
        assert!(began.elapsed() < PATIENCE, "{} are there still", sessions.len());
        height += 1;
        let paying = tx_named(&format!("{height:064x}")).pays(SCRIPT, 1);
        let touched = server.chain.mine(vec![paying]);
        let notified = timeout(Duration::from_secs(2), server.notify(touched)).await;
        notified.expect("it waits for nobody");
        for reader in &mut readers {
            let tip = next(reader).await;
            assert_eq!(tip["params"][0]["height"], server.chain.tip().height);
            assert_eq!(next(reader).await["method"], "blockchain.scripthash.subscribe");
        }
        while let Some(reason) = sessions.try_join_next() {
            assert_eq!(reason.unwrap(), CloseReason::NotReading);
        }
    }
    assert_eq!(server.service.session_count(), CLIENTS);
    drop((deaf, readers));
    while let Some(reason) = sessions.join_next().await {
        assert_eq!(reason.unwrap(), CloseReason::ClientLeft);
    }
}
