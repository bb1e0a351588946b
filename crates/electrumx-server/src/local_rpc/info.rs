//! The answers in ElectrumX's shapes.

use serde_json::{Map, Value, json};

use super::state::{Group, Info, Session};
use super::text;
use crate::progress::SyncProgress;

/// Renders the answer to `getinfo`.
pub(crate) fn getinfo(info: Info, sessions: &[Session], groups: usize) -> Value {
    let sum = |count: fn(&Session) -> u64| sessions.iter().map(count).sum::<u64>();
    let subscribed = sessions.iter().filter(|session| session.subscriptions > 0).count();
    let caches: Map<_, _> = info.caches.into_iter().map(|(k, v)| (k, Value::from(v))).collect();
    json!({
        "caches": caches,
        "coin": info.coin,
        "daemon": info.daemon,
        "daemon height": info.daemon_height,
        "db bytes": info.db_bytes,
        "db height": info.db_height,
        "db tip": info.db_tip,
        "groups": groups,
        "mempool": info.mempool.map(|mempool| json!({
            "txs": mempool.txs,
            "vbytes": mempool.vbytes,
        })),
        "net": info.net,
        "peers": { "bad": 0, "good": 0, "never": 0, "stale": 0, "total": 0 },
        "pid": std::process::id(),
        "progress": info.progress.map(progress),
        "request counts": {},
        "request total": info.totals.requests,
        "services": info.services,
        "sessions": {
            "count": sessions.len(),
            "count with subs_any": subscribed,
            "count with subs_sh": subscribed,
            "count with subs_txo": 0,
            "errors": sum(|session| session.errors),
            "logged": 0,
            "pending requests": sum(|session| session.pending),
            "subs_sh": sum(|session| session.subscriptions),
            "subs_txo": 0,
        },
        "state": info.phase.to_string(),
        "tx count": info.tx_count,
        "txs sent": info.totals.txs_sent,
        "uptime": text::duration(info.uptime),
        "version": info.version,
    })
}

fn progress(progress: SyncProgress) -> Value {
    json!({
        "step": progress.step,
        "height": progress.height,
        "target": progress.target,
        "percent": tenths(progress.fraction * 100.0),
        "blocks per second": tenths(progress.blocks_per_sec),
        "txs per second": tenths(progress.txs_per_sec),
        "MB per second": tenths(progress.bytes_per_sec / 1e6),
        "time left": progress.time_left.map(text::duration),
    })
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Renders the answer to `groups`: ElectrumX's tuples.
pub(crate) fn groups(groups: &[Group], sessions: &[Session]) -> Value {
    let rows = groups.iter().map(|group| {
        let members: Vec<_> =
            sessions.iter().filter(|session| session.group == group.name).collect();
        let sum = |count: fn(&Session) -> u64| members.iter().map(|s| count(s)).sum::<u64>();
        json!([
            group.name,
            members.len(),
            tenths(group.cost),
            tenths(group.retained),
            sum(|s| s.requests),
            sum(|s| s.txs_sent),
            sum(|s| s.subscriptions),
            sum(|s| s.recv_count),
            sum(|s| s.recv_bytes),
            sum(|s| s.sent_count),
            sum(|s| s.sent_bytes),
        ])
    });
    rows.collect()
}

/// Renders the answer to `sessions`: ElectrumX's tuples.
pub(crate) fn sessions(sessions: &[Session]) -> Value {
    // What ElectrumX's table has room for.
    let client = |name: &str| name.chars().take(17).collect::<String>();
    let rows = sessions.iter().map(|s| {
        json!([
            s.id,
            s.flags,
            s.peer,
            client(&s.client),
            s.protocol,
            tenths(s.cost),
            tenths(s.extra_cost),
            s.pending,
            s.txs_sent,
            s.subscriptions,
            s.recv_count,
            s.recv_bytes,
            s.sent_count,
            s.sent_bytes,
            s.age.as_secs(),
        ])
    });
    rows.collect()
}
