//! The JSON-RPC envelope.
//!
//! # Correctness
//!
//! - The id is never decoded: it is echoed bit for bit.
//! - Nothing recurses into the client's JSON: values stay raw text, which is checked without a
//!   stack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::RpcError;
use crate::params::Params;
use crate::plain::Plain;

/// The id of answers to requests whose id could not be told.
pub(crate) const NULL_ID: &str = "null";

/// A request, or a notification when it has no id.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Params<'a>,
}

/// What cannot be understood, with the id to answer under.
#[derive(Debug)]
pub(crate) struct Misfit<'a> {
    pub(crate) id: &'a str,
    pub(crate) error: RpcError,
}

impl<'a> Request<'a> {
    /// Reads one request.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Misfit<'a>> {
        match Self::parse_plain(text) {
            Some(request) => Ok(request),
            None => Self::parse_any(text),
        }
    }

    /// Reads a request as it mostly looks; `None` for one that looks otherwise, or is none.
    fn parse_plain(text: &'a str) -> Option<Self> {
        let mut plain = Plain::new(text);
        let (mut id, mut method, mut params) = (None, None, None);
        plain.step(b'{')?;
        loop {
            let name = plain.string()?;
            plain.step(b':')?;
            match name {
                "id" => id = plain.value().map(Some)?,
                "method" => method = plain.string().map(Some)?,
                "params" => params = plain.array(|_| ()).map(Some)?,
                "jsonrpc" => drop(plain.value()?),
                _ => return None,
            }
            if !plain.goes_on(b'}')? {
                break;
            }
        }
        let method = Cow::Borrowed(method.filter(|_| plain.is_at_end())?);
        Some(Self { id: id.filter(|id| *id != "null"), method, params: Params(params) })
    }

    fn parse_any(text: &'a str) -> Result<Self, Misfit<'a>> {
        let misfit =
            |id, text: &'static str| Misfit { id, error: RpcError::InvalidRequest(text.into()) };
        let members: Members<'a> = serde_json::from_str(text).map_err(|_| {
            // Other values are not read to their end, nor numbers that are too large.
            if serde_json::from_str::<IgnoredAny>(text).is_ok() {
                misfit(NULL_ID, "a request is a JSON object")
            } else {
                Misfit { id: NULL_ID, error: RpcError::InvalidJson }
            }
        })?;
        let id = match members.id.map(RawValue::get) {
            None | Some("null") => None,
            Some(id) if id.starts_with(['{', '[']) => {
                return Err(misfit(NULL_ID, "a request's id is a number or a string"));
            }
            Some(id) => Some(id),
        };
        match members.method.and_then(|method| self::text(method.get())) {
            Some(method) => {
                Ok(Self { id, method, params: Params(members.params.map(RawValue::get)) })
            }
            None => Err(misfit(id.unwrap_or(NULL_ID), "a request's method is a string")),
        }
    }
}

/// Splits a batch; `None` when it has more than `max` elements.
pub(crate) fn batch(text: &str, max: usize) -> Result<Option<Vec<&RawValue>>, RpcError> {
    let mut elements = Vec::new();
    let mut count = 0_usize;
    each_element(text, |element| {
        count += 1;
        if count <= max {
            elements.push(element);
        }
    })?;
    Ok((count <= max).then_some(elements))
}

/// Calls `take` with each element of an array.
pub(crate) fn each_element<'a>(
    text: &'a str,
    take: impl FnMut(&'a RawValue),
) -> Result<(), RpcError> {
    struct Elements<F>(F);
    impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Elements<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(element) = seq.next_element()? {
                (self.0)(element);
            }
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let visited = json.deserialize_seq(Elements(take)).and_then(|()| json.end());
    visited.map_err(|_| RpcError::InvalidJson)
}

/// The members of a request, undecoded. Of duplicates the last counts, others are ignored.
#[derive(Default)]
struct Members<'a> {
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "id" => members.id = Some(map.next_value()?),
                        "method" => members.method = Some(map.next_value()?),
                        "params" => members.params = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Decodes a string of JSON that was checked, which is borrowed unless it has escapes; `None` for any other value.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let quoted = json.strip_prefix('"')?.strip_suffix('"')?;
    // Without a backslash all of it is meant as it stands.
    if memchr::memchr(b'\\', quoted.as_bytes()).is_none() {
        return Some(Cow::Borrowed(quoted));
    }
    serde_json::from_str(json).ok().map(|Text(text)| text)
}

/// A string, borrowed from the request unless it has escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;
        impl<'de> Visitor<'de> for Str {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Str)
    }
}

/// Begins an answer; the result follows, then [`end_result`].
pub(crate) fn begin_result(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","result":"#);
}

/// Ends an answer.
pub(crate) fn end_result(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(br#","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.push(b'}');
}

/// Appends an error answer.
pub(crate) fn error(out: &mut Vec<u8>, error: &RpcError, id: &str) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","error":"#);
    error.write(out);
    end_result(out, id);
}

/// Appends a notification as a line; `params` writes the elements of the params array.
pub(crate) fn notification(out: &mut Vec<u8>, method: &str, params: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","method":""#);
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(br#"","params":["#);
    params(out);
    out.extend_from_slice(b"]}\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Requests of pieces that are mostly as they should be.
    fn requests() -> impl Strategy<Value = String> {
        let name =
            prop::sample::select(vec!["id", "method", "params", "jsonrpc", "other", "i\\u0064"]);
        let value = prop::sample::select(vec![
            "1",
            "-0",
            "1.5",
            "null",
            "true",
            "\"a\"",
            "\"\\n\"",
            "[]",
            "[\"a\", 1,null]",
            "[[1]]",
            "{}",
            "{\"a\":1}",
            "x",
            "",
        ]);
        let colon = prop::sample::select(vec![":", ": ", " :", ":\t", ""]);
        let comma = prop::sample::select(vec![",", ", ", " ,", ",,"]);
        let member = (name, colon, value, comma);
        let members = prop::collection::vec(member, 0..6);
        let text = members.prop_map(|members| {
            let members = members
                .iter()
                .map(|(name, colon, value, comma)| format!("\"{name}\"{colon}{value}{comma}"));
            members.collect::<String>()
        });
        (text, any::<bool>(), prop::sample::select(vec!["}", "} ", " }\r", "}}", ""])).prop_map(
            |(text, is_trimmed, end)| {
                let text = if is_trimmed { text.trim_end_matches([',', ' ']) } else { &text };
                format!("{{{text}{end}")
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn plain_requests_are_read_as_any_are(text in requests()) {
            if let Some(request) = Request::parse_plain(&text) {
                prop_assert_eq!(Some(request), Request::parse_any(&text).ok());
            }
        }
    }

    #[test]
    fn what_wallets_send_is_plain() {
        let scripthash = "8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161";
        for text in [
            r#"{"id":0,"method":"server.version","params":["bdk","1.4"]}"#.to_owned(),
            r#"{"jsonrpc": "2.0", "method": "server.ping", "params": [], "id": 7}"#.to_owned(),
            format!(
                r#"{{"jsonrpc":"2.0","id":"a","method":"blockchain.scripthash.subscribe","params":["{scripthash}"]}}"#
            ),
            r#"{"method":"blockchain.block.header","params":[5,0],"id":1}"#.to_owned(),
        ] {
            let plain = Request::parse_plain(&text);
            assert!(plain.is_some() && plain == Request::parse_any(&text).ok(), "{text}");
        }
    }
}
