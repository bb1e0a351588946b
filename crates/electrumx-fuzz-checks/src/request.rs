//! The parser of requests and batches.

use electrumx_protocol::fuzzing::{Parsed, parse_request, split_batch};
use serde_json::Value;
use serde_json::value::RawValue;

/// Most elements of a batch.
const MAX_BATCH: usize = 100;

/// What counts as a request is what a whole JSON parser says it is.
///
/// # Panics
/// When the two differ.
pub fn request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    let parsed = parse_request(text);
    if let Parsed::Misfit(id, code) = &parsed {
        let is_broken = *code == -32700;
        assert!(is_broken || *code == -32600, "{code}");
        assert!(is_json != is_broken, "{code} for {text}");
        assert!(serde_json::from_str::<&RawValue>(id).is_ok(), "an answer has to be JSON: {id}");
    }
    // The other parser has a limit of depth, which a request does not need.
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        compare(&parsed, &value, text);
    }
    if let Some(elements) = split_batch(text, MAX_BATCH) {
        assert!(is_json, "no JSON, but split: {text}");
        if let Ok(Value::Array(theirs)) = serde_json::from_str::<Value>(text) {
            assert_eq!(theirs.len(), elements.len());
            for (ours, theirs) in elements.iter().zip(&theirs) {
                assert_eq!(serde_json::from_str::<Value>(ours).ok().as_ref(), Some(theirs));
            }
        }
    } else if let Ok(Value::Array(theirs)) = serde_json::from_str::<Value>(text) {
        assert!(theirs.len() > MAX_BATCH, "not split: {text}");
    }
}

fn compare(parsed: &Parsed, value: &Value, text: &str) {
    let has_right_id = !matches!(value["id"], Value::Array(_) | Value::Object(_));
    let expected = value.is_object() && has_right_id && value["method"].is_string();
    match parsed {
        Parsed::Request(id, method, params) => {
            assert!(expected, "no request: {text}");
            assert_eq!(value["method"], **method);
            let id = id.as_deref().map_or(Value::Null, json);
            assert_eq!(value["id"], id, "{text}");
            let params = params.as_deref().map_or(Value::Null, json);
            assert_eq!(value["params"], params, "{text}");
        }
        Parsed::Misfit(..) => assert!(!expected, "a request: {text}"),
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("a part of a JSON text is JSON")
}
