//! What operators read while a node is away. A test program of its own, since it has the only log of its process.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use crate::fake::{FakeNode, Reply};

#[path = "daemon/fake.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod fake;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn trouble_is_logged_when_it_starts_and_when_it_ends() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    log.init();
    let node = FakeNode::start(|request| match request.before {
        0..=1 => Reply::Text(503, ""),
        2 => request.answer(|_, _| Err((-28, "Loading block index…"))),
        _ => request.answer(|_, _| Ok(json!(1))),
    })
    .await;
    let daemon = node.daemon();
    daemon.block_count().await.unwrap();
    daemon.block_count().await.unwrap();
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    let got: Vec<_> = text.lines().collect();
    assert_eq!(got.len(), 3, "{text}");
    assert!(
        got[0].contains("WARN")
            && got[0].contains("its work queue is full; raise its rpcworkqueue")
    );
    assert!(got[1].contains("is starting: Loading block index…; no action is needed"));
    assert!(got[2].contains("INFO") && got[2].contains("the node answers again"));
    assert!(!text.contains("secret"));
}
