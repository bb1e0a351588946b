//! Passwords, cookies, and refusals.

use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use electrumx_daemon::{Auth, Daemon, DaemonError, NodeUrl};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fake::{FakeNode, Reply};

/// `user:secret`
const LOGIN: &str = "Basic dXNlcjpzZWNyZXQ=";
/// `__cookie__:old` and `__cookie__:new`
const OLD: &str = "Basic X19jb29raWVfXzpvbGQ=";
const NEW: &str = "Basic X19jb29raWVfXzpuZXc=";

#[tokio::test]
async fn user_and_password_of_the_url_are_sent() {
    let node = FakeNode::start(|request| {
        assert_eq!(request.authorization.as_deref(), Some(LOGIN));
        request.answer(|_, _| Ok(json!(7)))
    })
    .await;
    assert_eq!(node.daemon().block_count().await.unwrap(), 7);
}

#[tokio::test]
async fn a_wrong_password_is_fatal_at_the_start() {
    let node = FakeNode::start(|_| Reply::Text(401, "")).await;
    let error = node.daemon().block_count().await.unwrap_err();
    assert!(matches!(error, DaemonError::Auth { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("rpcauth") && !text.contains("secret"), "{text}");
    assert_eq!(node.requests(), 1, "a refused password is not tried again");
}

#[tokio::test]
async fn a_refused_address_is_explained() {
    let node = FakeNode::start(|_| Reply::Text(403, "")).await;
    let text = node.daemon().network_info().await.unwrap_err().to_string();
    assert!(text.contains("rpcallowip"), "{text}");
}

#[tokio::test]
async fn a_refusal_after_the_first_answer_is_waited_out() {
    let node = FakeNode::start(|request| match request.before {
        1 | 2 => Reply::Text(401, ""),
        before => request.answer(|_, _| Ok(json!(before))),
    })
    .await;
    let daemon = node.daemon();
    assert_eq!(daemon.block_count().await.unwrap(), 0);
    assert_eq!(daemon.block_count().await.unwrap(), 3);
}

/// The node's restart: another cookie, in a file with another time or (on coarse clocks) the same.
#[tokio::test]
async fn a_new_cookie_is_read() {
    for same_time in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".cookie");
        fs::write(&path, "__cookie__:old\n").unwrap();
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let restarted = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicUsize::new(0));
        let (is_new, refusals) = (restarted.clone(), refused.clone());
        let node = FakeNode::start(move |request| {
            let right = if is_new.load(Ordering::SeqCst) { NEW } else { OLD };
            if request.authorization.as_deref() != Some(right) {
                refusals.fetch_add(1, Ordering::SeqCst);
                return Reply::Text(401, "");
            }
            request.answer(|_, _| Ok(json!(1)))
        })
        .await;

        let mut config = node.config();
        let bare = node.url.replace("user:secret@", "");
        config.urls = vec![NodeUrl::parse(&bare, 1).unwrap().or_auth(Auth::Cookie(path.clone()))];
        let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
        daemon.network_info().await.unwrap_err(); // not the shape of the reply, but the login is right
        assert_eq!(refused.load(Ordering::SeqCst), 0);

        restarted.store(true, Ordering::SeqCst);
        fs::write(&path, "__cookie__:new").unwrap();
        let later = time + std::time::Duration::from_secs(u64::from(!same_time) * 5);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(daemon.block_count().await.unwrap(), 1);
        assert_eq!(daemon.block_count().await.unwrap(), 1);
        assert_eq!(refused.load(Ordering::SeqCst), usize::from(same_time));
    }
}

#[tokio::test]
async fn a_missing_cookie_file_is_named() {
    let node = FakeNode::start(|request| {
        assert_eq!(request.authorization, None);
        Reply::Text(401, "")
    })
    .await;
    let mut config = node.config();
    let bare = node.url.replace("user:secret@", "");
    config.urls =
        vec![NodeUrl::parse(&bare, 1).unwrap().or_auth(Auth::Cookie("no/such/file".into()))];
    let daemon = Daemon::new(config, CancellationToken::new()).unwrap();
    let text = daemon.block_count().await.unwrap_err().to_string();
    assert!(text.contains("no/such/file cannot be read"), "{text}");
}
