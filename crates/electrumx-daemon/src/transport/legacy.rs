//! Replies of nodes that do not speak JSON-RPC 2.0.
//!
//! Bitcoin Core before 28 (and whatever was forked from it) answers a 2.0 request with `result` and `error`, one of them null, and
//! no version. Newer nodes do so too when they cannot parse a request.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Legacy<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<ErrorObject<'a>>,
    #[serde(borrow)]
    id: &'a RawValue,
}

/// The members JSON-RPC knows; forks have been seen to add others.
#[derive(Deserialize, Serialize)]
struct ErrorObject<'a> {
    code: i32,
    #[serde(borrow)]
    message: &'a RawValue,
}

#[derive(Serialize)]
struct Modern<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject<'a>>,
    id: &'a RawValue,
}

impl<'a> From<Legacy<'a>> for Modern<'a> {
    fn from(Legacy { result, error, id }: Legacy<'a>) -> Self {
        let result = if error.is_some() { None } else { Some(result.unwrap_or(RawValue::NULL)) };
        Self { jsonrpc: "2.0", result, error, id }
    }
}

/// Tells from its first bytes whether a reply is of JSON-RPC 2.0 as nodes write it.
pub(super) fn is_modern(start: &[u8]) -> bool {
    let object = start.strip_prefix(b"[").unwrap_or(start);
    object.starts_with(br#"{"jsonrpc":"2.0""#)
}

/// Rewrites a reply, single or batch, as JSON-RPC 2.0. What is no reply stays as it is: the caller will say so.
pub(super) fn modernise(body: Vec<u8>) -> Vec<u8> {
    let rewritten = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Legacy<'_>>>(&body).and_then(|replies| {
            serde_json::to_vec(&replies.into_iter().map(Modern::from).collect::<Vec<_>>())
        })
    } else {
        serde_json::from_slice::<Legacy<'_>>(&body)
            .and_then(|reply| serde_json::to_vec(&Modern::from(reply)))
    };
    rewritten.unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_old_reply_becomes_a_modern_one() {
        let cases = [
            (r#"{"result":5,"error":null,"id":1}"#, r#"{"jsonrpc":"2.0","result":5,"id":1}"#),
            (r#"{"result":null,"error":null,"id":1}"#, r#"{"jsonrpc":"2.0","result":null,"id":1}"#),
            (
                r#"{"result":null,"error":{"code":-5,"message":"a \"b\"","x":1},"id":1}"#,
                r#"{"jsonrpc":"2.0","error":{"code":-5,"message":"a \"b\""},"id":1}"#,
            ),
            (
                " [{\"error\":null,\"result\":[1, 2],\"id\":\"x\"}]\n",
                r#"[{"jsonrpc":"2.0","result":[1, 2],"id":"x"}]"#,
            ),
            (r#"{"jsonrpc":"2.0","result":1,"id":1}"#, r#"{"jsonrpc":"2.0","result":1,"id":1}"#),
            ("[]", "[]"),
            ("{}", "{}"),
            ("<html>", "<html>"),
        ];
        for (old, new) in cases {
            let got = modernise(old.as_bytes().to_vec());
            assert_eq!(String::from_utf8(got).unwrap(), new, "{old}");
        }
    }
}
