//! Lists of headers: from whatever they are put together, they are the chain's.

use std::fmt::Write as _;

use electrumx_core::Index as _;
use serde_json::{Value, json};

use crate::chain::{Chain, tx};
use crate::client::Server;

/// Headers that are written down at once.
const CHUNK: u32 = 2016;

/// Asks for headers in both shapes and compares with the index.
async fn check(server: &Server) {
    let view = server.chain.store.view().unwrap();
    let tip = view.tip().unwrap().height;
    let mut headers = Vec::new();
    for height in 0..=tip {
        let (mut raw, mut lengths) = (Vec::new(), Vec::new());
        assert_eq!(view.headers(height, 1, &mut raw, &mut lengths).unwrap(), 1);
        headers.push(raw.iter().fold(String::new(), |mut digits, byte| {
            write!(digits, "{byte:02x}").unwrap();
            digits
        }));
    }
    let (mut joined, mut listed) = (server.connect(), server.connect());
    listed.call("server.version", r#"["", "1.6"]"#).await;
    let starts = [0, 1, 700, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK / 2, 2 * CHUNK, tip, tip + 1];
    for start in starts {
        for count in [0, 1, 300, CHUNK - 1, CHUNK, 3 * CHUNK] {
            let end = (start + count.min(CHUNK)).min(tip + 1);
            let want = headers.get(start as usize..end as usize).unwrap_or_default();
            let params = format!("[{start},{count}]");
            let answer = joined.call("blockchain.block.headers", &params).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let hex = want.concat();
            let expected = json!({"count": want.len(), "hex": hex, "max": CHUNK});
            assert!(answer == expected, "{params} in one string");
            let answer = listed.call("blockchain.block.headers", &params).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let expected = json!({"count": want.len(), "headers": want, "max": CHUNK});
            assert!(answer == expected, "{params} in a list");
        }
    }
}

#[tokio::test]
async fn lists_of_headers_are_the_chains_before_and_after_a_reorg() {
    let mut chain = Chain::new();
    chain.mine_to(2 * CHUNK + 100);
    let mut server = Server::new(chain);
    check(&server).await;
    check(&server).await;
    // The last header of a chunk is another one then.
    server.chain.unwind(102, &[]);
    for number in 0..110_u8 {
        server.chain.mine_exactly(None, vec![tx(number)]);
    }
    check(&server).await;
    let stats = server.service.cache_stats();
    let kept = stats.iter().find(|cache| cache.name == "headers").unwrap();
    assert_eq!(kept.entries, 3, "the first chunk, and the second of both chains");
    assert!(kept.hits > kept.misses / 2, "{kept:?}");
}
