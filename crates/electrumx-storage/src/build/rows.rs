//! Rows on their way to a table.

use crate::codec::Key;

/// Keys and values, one after the other.
#[derive(Default, Debug)]
pub(crate) struct Rows {
    rows: Vec<(Key, usize)>,
    bytes: Vec<u8>,
}

impl Rows {
    pub(crate) fn push(&mut self, key: &Key, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.rows.push((*key, self.bytes.len()));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &[u8])> {
        let mut start = 0;
        self.rows.iter().map(move |(key, end)| {
            let value = &self.bytes[start..*end];
            start = *end;
            (key, value)
        })
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
    }

    /// Bytes of the values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}
