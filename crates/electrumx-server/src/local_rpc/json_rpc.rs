//! The envelope: requests, batches, answers.

use serde_json::{Value, json};

/// An error of JSON-RPC.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) message: String,
}

impl RpcError {
    pub(crate) fn parse(message: impl Into<String>) -> Self {
        Self { code: -32700, message: message.into() }
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self { code: -32600, message: message.into() }
    }

    pub(crate) fn unknown_method(message: impl Into<String>) -> Self {
        Self { code: -32601, message: message.into() }
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into() }
    }

    /// Returns the answer to the request of this id.
    pub(crate) fn answer(&self, id: &Value) -> Value {
        json!({
            "jsonrpc": "2.0",
            "error": { "code": self.code, "message": self.message },
            "id": id,
        })
    }
}

/// Answers a message, a request or a batch of them; `None` when no answer is due.
///
/// A request without id is a notification: it is carried out and not answered.
pub(crate) fn respond(
    message: &Value,
    call: &impl Fn(&str, &Value) -> Result<Value, RpcError>,
) -> Option<Value> {
    let Value::Array(batch) = message else { return respond_one(message, call) };
    if batch.is_empty() {
        return Some(RpcError::invalid_request("the batch is empty").answer(&Value::Null));
    }
    let answers: Vec<_> = batch.iter().filter_map(|request| respond_one(request, call)).collect();
    (!answers.is_empty()).then_some(Value::Array(answers))
}

fn respond_one(
    request: &Value,
    call: &impl Fn(&str, &Value) -> Result<Value, RpcError>,
) -> Option<Value> {
    let Some(method) = request.get("method").and_then(Value::as_str) else {
        let error = RpcError::invalid_request("not a request: it has no method that is a text");
        return Some(error.answer(request.get("id").unwrap_or(&Value::Null)));
    };
    let result = call(method, request.get("params").unwrap_or(&Value::Null));
    let id = request.get("id")?;
    Some(match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "result": result, "id": id }),
        Err(error) => error.answer(id),
    })
}
