//! JSON as clients mostly write requests, read in one pass.
//!
//! Nearly all that wallets send is plain: strings without escapes, integers and words, in one array, in one object. It is told
//! from all else, and read, in a fraction of the time that a parser takes which must be ready for anything.
//!
//! # Correctness
//!
//! What is taken here is JSON, and means the same to any parser. All else is `None`, be it JSON or not, and is for
//! `serde_json` to read.

/// Reads plain JSON from the left to the right. After a `None` it is of no use.
#[derive(Clone, Debug)]
pub(crate) struct Plain<'a> {
    text: &'a str,
    /// Always at the beginning of a character: only ASCII is stepped over one by one.
    at: usize,
}

impl<'a> Plain<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Steps over spaces, and then over this byte, which is ASCII.
    pub(crate) fn step(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Steps over a comma, or else over this byte, which ends a list. Tells whether it was a comma.
    pub(crate) fn goes_on(&mut self, end: u8) -> Option<bool> {
        match self.peek()? {
            b',' => self.at += 1,
            other if other == end => {
                self.at += 1;
                return Some(false);
            }
            _ => return None,
        }
        Some(true)
    }

    /// Reads a string, returned without its quotes.
    pub(crate) fn string(&mut self) -> Option<&'a str> {
        let quoted = self.value().filter(|value| value.starts_with('"'))?;
        quoted.get(1..quoted.len() - 1)
    }

    /// Reads a value that is no list.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let len = match first {
            b'"' => {
                let len = memchr::memchr2(b'"', b'\\', rest.get(1..)?)?;
                let inner = rest.get(1..=len)?;
                let is_plain = rest.get(len + 1) == Some(&b'"')
                    && inner.iter().fold(true, |is_plain, byte| is_plain & (*byte >= b' '));
                is_plain.then_some(len + 2)?
            }
            b'-' | b'0'..=b'9' => {
                let digits = rest.strip_prefix(b"-").unwrap_or(rest);
                let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let is_integer = count > 0
                    && (count == 1 || digits[0] != b'0')
                    && !matches!(digits.get(count), Some(b'.' | b'e' | b'E'));
                is_integer.then_some(rest.len() - digits.len() + count)?
            }
            _ => ["null", "true", "false"]
                .into_iter()
                .find(|word| rest.starts_with(word.as_bytes()))?
                .len(),
        };
        self.at += len;
        self.text.get(start..self.at)
    }

    /// Reads an array of values that are no lists.
    pub(crate) fn array(&mut self, mut take: impl FnMut(&'a str)) -> Option<&'a str> {
        self.step(b'[')?;
        let start = self.at - 1;
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            take(self.value()?);
            while self.goes_on(b']')? {
                take(self.value()?);
            }
        }
        self.text.get(start..self.at)
    }

    /// Tells whether there is nothing left but spaces and the end of a line.
    pub(crate) fn is_at_end(&self) -> bool {
        self.text.as_bytes()[self.at..].iter().all(|byte| matches!(byte, b' ' | b'\r'))
    }

    /// Steps over spaces and returns what follows.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value(text: &str) -> Option<&str> {
        let mut plain = Plain::new(text);
        plain.value().filter(|_| plain.is_at_end())
    }

    fn array(text: &str) -> Option<Vec<&str>> {
        let (mut plain, mut found) = (Plain::new(text), Vec::new());
        plain.array(|element| found.push(element)).filter(|_| plain.is_at_end())?;
        Some(found)
    }

    #[test]
    fn plain_values_are_taken_and_no_others() {
        for plain in ["\"\"", "\"é\u{7f}x\"", "0", "-0", "12", "-9", "true", "false", "null"] {
            assert_eq!(value(plain), Some(plain));
            assert_eq!(value(&format!("  {plain} \r")), Some(plain));
        }
        for other in [
            "", " ", "\"", "\"\\\"", "\"\\n\"", "\"a\nb\"", "\"\t\"", "\"a\0\"", "-", "--1", "01",
            "-01", "1.5", "1e3", "1E3", "nul", "tru", "nulll", "1x", "[1]", "{}", "\t1", "+1",
            ".5", "'a'", "\"a\"b", "é",
        ] {
            assert_eq!(value(other), None, "{other:?}");
        }
        assert_eq!(array("[]"), Some(vec![]));
        assert_eq!(array("[ ]"), Some(vec![]));
        assert_eq!(array(" [\"a\",  1 ,null] "), Some(vec!["\"a\"", "1", "null"]));
        for other in ["[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[[]]", "[{}]", "[1]]", "{}"]
        {
            assert_eq!(array(other), None, "{other:?}");
        }
        assert_eq!(Plain::new("\"id\":1").string(), Some("id"));
        assert_eq!(Plain::new("1").string(), None);
    }

    /// Texts of the characters that matter.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[\\[\\]{},:\" \\\\0-9a-z.eE+\\-\t\r\u{0}\u{e9}]",
            Just("\"abc\"".to_owned()),
            Just("null".to_owned()),
            Just(",".to_owned()),
            Just("-1".to_owned()),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_taken_is_json_and_means_the_same(text in texts()) {
            if let Some(found) = value(&text) {
                prop_assert_eq!(
                    serde_json::from_str::<Value>(&text).unwrap(),
                    serde_json::from_str::<Value>(found).unwrap()
                );
            }
            let text = format!("[{text}]");
            if let Some(found) = array(&text) {
                let found: Vec<Value> =
                    found.iter().map(|element| serde_json::from_str(element).unwrap()).collect();
                prop_assert_eq!(serde_json::from_str::<Vec<Value>>(&text).unwrap(), found);
            }
        }
    }
}
