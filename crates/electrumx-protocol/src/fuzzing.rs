//! Parsers that clients' bytes meet first, for fuzz targets. Not a part of the API: anything may change here.

use crate::frame::Lines;
use crate::jsonrpc::{self, Misfit, Request};

/// Splits what arrives in these pieces into lines; `false` when one is longer than allowed, which ends it.
#[must_use]
pub fn split_lines(pieces: &[&[u8]], max_len: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut lines, mut found) = (Lines::new(max_len), Vec::new());
    for piece in pieces {
        lines.space().extend_from_slice(piece);
        lines.was_read(piece.len());
        loop {
            match lines.next() {
                Ok(Some(line)) => found.push(line.to_vec()),
                Ok(None) => break,
                Err(_) => return (found, false),
            }
        }
    }
    (found, true)
}

/// What was made of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// A request: its id as it is echoed (`None`: a notification), the method, the text of the parameters.
    Request(Option<String>, String, Option<String>),
    /// None: the id that is answered under, and the error's code.
    Misfit(String, i32),
}

/// Parses a request.
#[must_use]
pub fn parse_request(text: &str) -> Parsed {
    match Request::parse(text) {
        Ok(Request { id, method, params }) => {
            Parsed::Request(id.map(str::to_owned), method.into_owned(), params.0.map(str::to_owned))
        }
        Err(Misfit { id, error }) => Parsed::Misfit(id.to_owned(), error.code()),
    }
}

/// Splits a batch into the texts of its elements; `None` when it is malformed, or has more than `max`.
#[must_use]
pub fn split_batch(text: &str, max: usize) -> Option<Vec<String>> {
    let elements = jsonrpc::batch(text, max).ok().flatten()?;
    Some(elements.into_iter().map(|element| element.get().to_owned()).collect())
}
