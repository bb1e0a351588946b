//! Lines out of a byte stream.

use bytes::{Bytes, BytesMut};

/// Capacity an idle session keeps, in bytes.
const IDLE_CAPACITY: usize = 1024;

/// Most room for what clients send at once, in bytes, unless a line is longer.
const BUSY_CAPACITY: usize = 1 << 16;

/// Collects received bytes and hands out complete lines.
#[derive(Debug)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// How many bytes of `buffer` are known to hold no line end.
    scanned: usize,
    /// How many bytes to read at once.
    room: usize,
    max_len: usize,
}

/// A line is longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Lines {
    pub(crate) fn new(max_len: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, room: IDLE_CAPACITY, max_len }
    }

    /// Returns the buffer to read into, with room in it: more of it the longer the unfinished line is, and the more was
    /// read at once of late.
    pub(crate) fn space(&mut self) -> &mut BytesMut {
        self.buffer.reserve(self.buffer.len().clamp(self.room, 1 << 18));
        &mut self.buffer
    }

    /// Notes that so many bytes were read at once.
    pub(crate) fn was_read(&mut self, count: usize) {
        self.room = (count * 2).clamp(IDLE_CAPACITY, BUSY_CAPACITY);
    }

    /// Returns the whole lines that are left, if they are UTF-8.
    pub(crate) fn coming(&self) -> std::str::Lines<'_> {
        let end = memchr::memrchr(b'\n', &self.buffer).unwrap_or(0);
        std::str::from_utf8(&self.buffer[..end]).unwrap_or_default().lines()
    }

    /// Takes the next line, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            if self.buffer.is_empty() && self.buffer.capacity() > IDLE_CAPACITY {
                self.buffer = BytesMut::new();
            }
            return if self.scanned > self.max_len { Err(TooLong) } else { Ok(None) };
        };
        let mut line = self.buffer.split_to(self.scanned + end + 1);
        self.scanned = 0;
        line.truncate(line.len() - 1);
        if line.len() > self.max_len { Err(TooLong) } else { Ok(Some(line.freeze())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lines: &mut Lines, bytes: &[u8]) -> Vec<Result<Vec<u8>, TooLong>> {
        lines.space().extend_from_slice(bytes);
        let next = std::iter::from_fn(|| lines.next().transpose());
        next.take(10).map(|line| line.map(|line| line.to_vec())).collect()
    }

    #[test]
    fn lines_are_split_however_they_arrive() {
        let mut lines = Lines::new(10);
        assert_eq!(feed(&mut lines, b"ab"), []);
        assert_eq!(
            feed(&mut lines, b"c\n\nde\r\nf"),
            [Ok(b"abc".to_vec()), Ok(vec![]), Ok(b"de\r".to_vec())]
        );
        assert_eq!(feed(&mut lines, b"\n"), [Ok(b"f".to_vec())]);
    }

    #[test]
    fn a_long_line_is_refused_with_and_without_its_end() {
        assert_eq!(feed(&mut Lines::new(3), b"abc\n"), [Ok(b"abc".to_vec())]);
        assert_eq!(feed(&mut Lines::new(3), b"abcd\n")[0], Err(TooLong));
        assert_eq!(feed(&mut Lines::new(3), b"abcd")[0], Err(TooLong));
    }
}
