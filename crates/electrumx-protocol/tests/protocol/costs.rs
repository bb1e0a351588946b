//! What sessions spend, and what comes of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use electrumx_protocol::{
    CloseReason, CostLimits, PeerInfo, Regex, ServiceConfig, Transport, serve,
};
use tokio::io::BufReader;
use tokio::time::Instant;

use crate::chain::Chain;
use crate::client::{Client, Server, config};

fn limited() -> ServiceConfig {
    let mut config = config();
    config.costs = CostLimits { soft: 1_000, hard: 10_000, ..CostLimits::default() };
    config
}

/// Connects from an address.
fn from(server: &Server, addr: &str) -> Client {
    let (client, stream) = tokio::io::duplex(1 << 20);
    let addr: SocketAddr = addr.parse().unwrap();
    let peer = PeerInfo { addr: Some(addr), transport: Transport::Tcp };
    let session = serve(Arc::clone(&server.service), stream, peer, server.shutdown.clone());
    Client { stream: BufReader::new(client), session: tokio::spawn(session), next_id: 0 }
}

const MISTAKE: &str = r#"{"id":1,"method":"server.banner","params":[1,2,3]}"#;
const PING: &str = r#"{"id":2,"method":"server.ping"}"#;

/// How long an answer takes, by the paused clock.
async fn time_of(client: &mut Client, request: &str) -> Duration {
    let began = Instant::now();
    client.ask(request).await;
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_session_is_slowed_down_and_ended_for_what_it_spends() {
    let server = Server::with(Chain::new(), limited());
    let mut client = from(&server, "127.0.0.1:1000");
    // A mistake costs 100: nine are free.
    for _ in 0..9 {
        assert_eq!(time_of(&mut client, MISTAKE).await, Duration::ZERO);
    }
    assert_eq!(time_of(&mut client, PING).await, Duration::ZERO);
    for _ in 0..10 {
        client.ask(MISTAKE).await;
    }
    // Some 1,900 of 10,000 are spent: a tenth of the way, and so a tenth of the longest wait.
    let wait = time_of(&mut client, PING).await.as_secs_f64();
    assert!((0.2..0.3).contains(&wait), "{wait}");
    let info = &server.service.sessions()[0];
    assert!((1_800.0..2_000.0).contains(&info.cost), "{}", info.cost);
    assert!(info.extra_cost == 0.0, "nobody's address is a private one's neighbour");

    for _ in 0..7 {
        client.ask("what is not JSON costs a thousand").await;
    }
    client.ask("and so on").await;
    assert_eq!(
        client.ask(PING).await,
        r#"{"jsonrpc":"2.0","error":{"code":-101,"message":"excessive resource usage: try again later"},"id":2}"#
    );
    assert_eq!(client.closed().await, CloseReason::Excessive);
    // Costs are a session's own where addresses are not grouped.
    let mut next = from(&server, "127.0.0.1:1001");
    assert_eq!(time_of(&mut next, PING).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_spends_too_much_is_ended_in_the_middle() {
    let mut config = limited();
    config.costs.request_sleep = Duration::from_millis(1);
    let server = Server::with(Chain::new(), config);
    let mut client = from(&server, "127.0.0.1:1000");
    let batch = format!("[{}]", vec![MISTAKE; 200].join(","));
    let answers: serde_json::Value = serde_json::from_str(&client.ask(&batch).await).unwrap();
    let codes: Vec<_> =
        answers.as_array().unwrap().iter().map(|a| a["error"]["code"].as_i64().unwrap()).collect();
    assert_eq!(codes.len(), 200);
    assert_eq!((codes[0], codes[199]), (-32602, -101));
    assert_eq!(client.closed().await, CloseReason::Excessive);
}

#[tokio::test(start_paused = true)]
async fn neighbours_share_their_costs_and_others_do_not() {
    let mut config = limited();
    config.limits.session_timeout = Duration::from_secs(10_000);
    let server = Server::with(Chain::new(), config);
    let mut spender = from(&server, "203.0.113.7:1000");
    let mut neighbour = from(&server, "203.0.113.200:1000");
    let mut stranger = from(&server, "203.0.114.7:1000");
    for _ in 0..40 {
        spender.ask(MISTAKE).await;
    }
    assert!(time_of(&mut neighbour, PING).await > Duration::from_millis(500));
    assert_eq!(time_of(&mut stranger, PING).await, Duration::ZERO);
    drop(spender);
    // Hanging up does not help.
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut again = from(&server, "203.0.113.7:1001");
    assert!(time_of(&mut again, PING).await > Duration::from_millis(500));
    let groups = server.service.groups();
    let names: Vec<_> = groups.iter().map(|group| (&*group.name, group.sessions)).collect();
    assert_eq!(names, [("203.0.113.0/24", 2), ("203.0.114.0/24", 1)]);
    assert!(groups[0].retained > 3_000.0 && groups[0].cost > groups[0].retained);
    // It is forgiven in time.
    tokio::time::sleep(Duration::from_secs(2_000)).await;
    assert!(time_of(&mut neighbour, PING).await < Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn bytes_cost_and_without_limits_nothing_does() {
    let mut config = limited();
    config.costs.bandwidth_unit = 1;
    let server = Server::with(Chain::new(), config);
    let mut client = from(&server, "127.0.0.1:1000");
    assert!(client.ask(&format!("{PING}{}", " ".repeat(5_000))).await.contains("result"));
    assert!(client.ask(&format!("{PING}{}", " ".repeat(6_000))).await.contains("-101"));

    let server = Server::with(Chain::new(), self::config());
    let mut client = from(&server, "203.0.113.7:1000");
    for _ in 0..300 {
        assert_eq!(time_of(&mut client, MISTAKE).await, Duration::ZERO);
    }
    assert!(server.service.groups().is_empty());
}

#[tokio::test]
async fn unwanted_clients_are_refused_by_name() {
    let mut config = config();
    config.drop_client = Some(Regex::new("^(?:bad|worse[0-9])").unwrap());
    let server = Server::with(Chain::new(), config);
    for (name, is_served) in
        [("good bad", true), ("worse", true), ("bad", false), ("worse7 x", false)]
    {
        let mut client = server.connect();
        let answer = client.call("server.version", &format!(r#"["{name}","1.4"]"#)).await;
        let refusal = format!(r#"{{"code":1,"message":"unsupported client: {name}"}}"#);
        assert_eq!(answer != refusal, is_served, "{answer}");
        if !is_served {
            assert_eq!(client.closed().await, CloseReason::Unwanted);
        }
    }
}
