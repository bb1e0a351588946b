//! The methods.

use serde_json::{Value, json};

use super::info;
use super::json_rpc::RpcError;
use super::state::State;

/// What `unknown method` lists.
const KNOWN: [&str; 6] = ["compact", "disconnect", "getinfo", "groups", "sessions", "stop"];

/// Carries out a method.
pub(crate) fn call(state: &dyn State, method: &str, params: &Value) -> Result<Value, RpcError> {
    match method {
        "getinfo" => {
            no_params(params)?;
            Ok(info::getinfo(state.info(), &state.sessions(), state.groups().len()))
        }
        "sessions" => {
            no_params(params)?;
            Ok(info::sessions(&state.sessions()))
        }
        "groups" => {
            no_params(params)?;
            Ok(info::groups(&state.groups(), &state.sessions()))
        }
        "compact" => {
            no_params(params)?;
            Ok(json!(if state.compact() {
                "compacting; see the log"
            } else {
                "already compacting"
            }))
        }
        "disconnect" => Ok(disconnect(state, &session_ids(params)?)),
        "stop" => {
            no_params(params)?;
            tracing::info!("stopping, as asked through LocalRPC");
            state.stop();
            Ok(json!("stopping"))
        }
        _ => Err(RpcError::unknown_method(format!(
            "unknown method {method:?}; known are {}",
            KNOWN.join(", ")
        ))),
    }
}

fn no_params(params: &Value) -> Result<(), RpcError> {
    let none = match params {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(named) => named.is_empty(),
        _ => false,
    };
    if none { Ok(()) } else { Err(RpcError::invalid_params("this method takes no parameters")) }
}

/// Reads `{"session_ids": ["1", "all"]}`, `[["1", "all"]]` or `["1", "all"]`; numbers are fine too.
fn session_ids(params: &Value) -> Result<Vec<String>, RpcError> {
    let list = params.get("session_ids").or(match params {
        Value::Array(list) if list.first().is_some_and(Value::is_array) => list.first(),
        other => Some(other),
    });
    let text = |id: &Value| match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    let ids = list.and_then(Value::as_array).and_then(|list| list.iter().map(text).collect());
    ids.filter(|ids: &Vec<_>| !ids.is_empty()).ok_or_else(|| {
        RpcError::invalid_params("session_ids is missing: a list of session numbers, or [\"all\"]")
    })
}

/// Ends sessions, and says of each id what came of it.
fn disconnect(state: &dyn State, ids: &[String]) -> Value {
    let mut lines = Vec::new();
    for id in ids {
        if id == "all" {
            let sessions = state.sessions();
            let count = sessions.iter().filter(|session| state.disconnect(session.id)).count();
            lines.push(format!("disconnected {count} sessions"));
        } else if id.parse().is_ok_and(|id| state.disconnect(id)) {
            lines.push(format!("disconnected session {id}"));
        } else {
            lines.push(format!("there is no session {id}"));
        }
    }
    json!(lines)
}
