//! Arguments of a request: by position or by name, then one by one into their types.

use std::borrow::Cow;
use std::fmt;

use electrumx_core::ScriptHash;
use electrumx_core::bitcoin::Txid;
use electrumx_core::bitcoin::hashes::Hash as _;
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::RpcError;
use crate::jsonrpc::{self, Text};
use crate::plain::Plain;

/// How much of an argument an error text repeats, in characters.
const SHOWN_CHARS: usize = 100;

/// The `params` member, JSON that was checked; `None` when it is absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Params<'a>(pub(crate) Option<&'a str>);

impl<'a> Params<'a> {
    /// Reads the arguments a method takes: `required` ones, then `optional` ones. `null` stands for
    /// an absent optional one.
    pub(crate) fn read<const R: usize, const O: usize>(
        self,
        required: [&'static str; R],
        optional: [&'static str; O],
    ) -> Result<([Arg<'a>; R], [Option<Arg<'a>>; O]), RpcError> {
        self.read_some(required, optional, false)
    }

    /// As [`read`](Self::read), but arguments beyond the known ones are ignored.
    pub(crate) fn read_known<const R: usize, const O: usize>(
        self,
        required: [&'static str; R],
        optional: [&'static str; O],
    ) -> Result<([Arg<'a>; R], [Option<Arg<'a>>; O]), RpcError> {
        self.read_some(required, optional, true)
    }

    /// Checks that there are no arguments.
    pub(crate) fn none(self) -> Result<(), RpcError> {
        self.read([], []).map(|([], [])| ())
    }

    fn read_some<const R: usize, const O: usize>(
        self,
        required: [&'static str; R],
        optional: [&'static str; O],
        surplus: bool,
    ) -> Result<([Arg<'a>; R], [Option<Arg<'a>>; O]), RpcError> {
        let mut arguments =
            Arguments { required, optional, surplus, found: ([None; R], [None; O]), problem: None };
        let raw = self.0.unwrap_or("[]");
        if !raw.starts_with(['[', '{']) {
            return Err(RpcError::InvalidParams("params is an array or an object".into()));
        }
        let mut index = 0..;
        let plain = Plain::new(raw).array(|arg| arguments.put(index.next().unwrap_or(R + O), arg));
        if plain.is_none() {
            let mut json = serde_json::Deserializer::from_str(raw);
            // What can still be wrong is a name: half of a surrogate pair is no text.
            let is_read = json.deserialize_any(&mut arguments);
            is_read
                .map_err(|_| RpcError::InvalidParams("an argument's name is not text".into()))?;
        }
        if let Some(problem) = arguments.problem {
            return Err(RpcError::InvalidParams(problem));
        }
        let (found, optional) = arguments.found;
        if let Some(missing) = found.iter().position(Option::is_none) {
            return Err(RpcError::InvalidParams(format!(
                "missing argument: {}",
                required[missing]
            )));
        }
        let present = |arg: &Arg<'_>| arg.0 != "null";
        Ok((found.map(|arg| arg.unwrap_or(Arg("null"))), optional.map(|arg| arg.filter(present))))
    }
}

/// Collects arguments into their places.
struct Arguments<'a, const R: usize, const O: usize> {
    required: [&'static str; R],
    optional: [&'static str; O],
    surplus: bool,
    found: ([Option<Arg<'a>>; R], [Option<Arg<'a>>; O]),
    problem: Option<String>,
}

impl<'a, const R: usize, const O: usize> Arguments<'a, R, O> {
    /// Takes the argument at a position.
    fn put(&mut self, index: usize, arg: &'a str) {
        let (required, optional) = &mut self.found;
        match required.iter_mut().chain(optional).nth(index) {
            Some(place) => *place = Some(Arg(arg)),
            None if self.surplus || self.problem.is_some() => {}
            None => self.problem = Some(format!("too many arguments: at most {}", R + O)),
        }
    }
}

impl<'de, const R: usize, const O: usize> Visitor<'de> for &mut Arguments<'de, R, O> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(arg) = seq.next_element::<&RawValue>()? {
            self.put(index, arg.get());
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            let arg = map.next_value::<&RawValue>()?;
            let names = self.required.iter().chain(&self.optional);
            match names.copied().position(|known| known == name) {
                Some(index) => self.put(index, arg.get()),
                None if self.surplus => {}
                None => self.problem = Some(format!("unknown argument: {}", shorten(&name))),
            }
        }
        Ok(())
    }
}

/// One argument, undecoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arg<'a>(&'a str);

impl<'a> Arg<'a> {
    /// Returns the text of a string; `None` for anything else.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        jsonrpc::text(self.0)
    }

    /// Returns a script hash and how the client spells it.
    pub(crate) fn scripthash(self) -> Result<(ScriptHash, Cow<'a, str>), RpcError> {
        let spelled =
            self.text().and_then(|text| Some((ScriptHash::from_bytes(hash(&text)?), text)));
        spelled.ok_or_else(|| self.wrong("is not a valid script hash"))
    }

    /// Returns a transaction id.
    pub(crate) fn txid(self) -> Result<Txid, RpcError> {
        let txid = self.text().and_then(|text| Some(Txid::from_byte_array(hash(&text)?)));
        txid.ok_or_else(|| self.wrong("should be a transaction hash"))
    }

    /// Returns an integer of zero or more, a JSON number or a string of digits. What exceeds 64
    /// bits becomes the largest number.
    pub(crate) fn integer(self) -> Result<u64, RpcError> {
        let text = self.text().unwrap_or(Cow::Borrowed(self.0));
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong("should be a non-negative integer"));
        }
        Ok(text.parse().unwrap_or(u64::MAX))
    }

    /// Returns an [`integer`](Self::integer), or `None` for −1.
    pub(crate) fn integer_or_minus_one(self) -> Result<Option<u64>, RpcError> {
        if self.text().unwrap_or(Cow::Borrowed(self.0)) == "-1" {
            return Ok(None);
        }
        let integer = self.integer().map(Some);
        integer.map_err(|_| self.wrong("should be a non-negative integer or -1"))
    }

    /// Returns a boolean; 0 and 1 are accepted. `name` is for the error text.
    pub(crate) fn boolean(self, name: &str) -> Result<bool, RpcError> {
        match self.0 {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(RpcError::BadRequest(format!("\"{name}\" must be a boolean"))),
        }
    }

    /// Returns a string of hex digits, two for each byte.
    pub(crate) fn hex(self) -> Result<Cow<'a, str>, RpcError> {
        let hex = self.text().filter(|text| is_hex(text));
        hex.ok_or_else(|| self.wrong("should be a hex string"))
    }

    /// Returns the bytes that a hex string stands for.
    pub(crate) fn bytes(self) -> Result<Vec<u8>, RpcError> {
        let hex = self.hex()?;
        let mut bytes = vec![0; hex.len() / 2];
        // The digits were checked.
        faster_hex::hex_decode(hex.as_bytes(), &mut bytes).map_err(|_| RpcError::Internal)?;
        Ok(bytes)
    }

    /// Checks that this is a string of hex digits, which need not be whole bytes.
    pub(crate) fn hex_digits(self) -> Result<(), RpcError> {
        let is_hex = |text: Cow<'_, str>| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.text().is_some_and(is_hex) {
            Ok(())
        } else {
            Err(self.wrong("should be a hex string"))
        }
    }

    /// Returns an array of hex strings.
    pub(crate) fn hex_list(self) -> Result<Vec<String>, RpcError> {
        let mut list = Vec::new();
        let mut result = Ok(());
        if !self.0.starts_with('[') {
            return Err(self.wrong("should be a list"));
        }
        jsonrpc::each_element(self.0, |element| {
            if result.is_ok() {
                match Arg(element.get()).hex() {
                    Ok(hex) => list.push(hex.into_owned()),
                    Err(error) => result = Err(error),
                }
            }
        })?;
        result.map(|()| list)
    }

    /// Returns an array of exactly two strings.
    pub(crate) fn pair(self) -> Option<(String, String)> {
        serde_json::from_str(self.0).ok()
    }

    /// Returns arguments of another method: an array or an object.
    pub(crate) fn params(self) -> Result<&'a RawValue, RpcError> {
        let params = serde_json::from_str(self.0).ok().filter(|_| self.0.starts_with(['[', '{']));
        params.ok_or_else(|| self.wrong("should be a list or an object"))
    }

    /// Tells whether the argument is an object.
    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Returns the argument for an error text: a string without quotes, anything else as it is,
    /// shortened.
    pub(crate) fn shown(self) -> String {
        shorten(&self.text().unwrap_or(Cow::Borrowed(self.0)))
    }

    pub(crate) fn wrong(self, what: &str) -> RpcError {
        RpcError::BadRequest(format!("{} {what}", self.shown()))
    }
}

/// Reads a hash as it is displayed: 32 bytes in hex, the last first.
fn hash(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    faster_hex::hex_decode(text.as_bytes(), &mut bytes).ok()?;
    bytes.reverse();
    Some(bytes)
}

fn is_hex(text: &str) -> bool {
    text.len().is_multiple_of(2) && faster_hex::hex_check(text.as_bytes())
}

/// Cuts a text that is to be repeated to the client.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
