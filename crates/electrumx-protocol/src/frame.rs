//! Lines out of a byte stream.

use std::str;

/// Capacity an idle session keeps, in bytes.
const IDLE_CAPACITY: usize = 1024;

/// Most room for what clients send at once, in bytes, unless a line is longer.
const BUSY_CAPACITY: usize = 1 << 16;

/// Collects received bytes and hands out complete lines.
#[derive(Debug)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Where the first line begins that was not handed out.
    start: usize,
    /// Up to where no line ends from there on.
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
        Self { buffer: Vec::new(), start: 0, scanned: 0, room: IDLE_CAPACITY, max_len }
    }

    /// Returns the buffer to read into, with room in it: more of it the longer the unfinished line is, and the more was
    /// read at once of late.
    pub(crate) fn space(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer.reserve(self.buffer.len().clamp(self.room, 1 << 18));
        &mut self.buffer
    }

    /// Notes that so many bytes were read at once.
    pub(crate) fn was_read(&mut self, count: usize) {
        self.room = (count * 2).clamp(IDLE_CAPACITY, BUSY_CAPACITY);
    }

    /// Returns the whole lines that are left, up to the first that is not UTF-8.
    pub(crate) fn coming(&self) -> impl Iterator<Item = &str> + Clone {
        let mut rest = &self.buffer[self.start..];
        std::iter::from_fn(move || {
            let (line, behind) = rest.split_at_checked(memchr::memchr(b'\n', rest)?)?;
            rest = behind.get(1..)?;
            str::from_utf8(line).ok()
        })
    }

    /// Takes the next line, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            if self.start == self.scanned && self.buffer.capacity() > IDLE_CAPACITY {
                self.buffer = Vec::new();
                (self.start, self.scanned) = (0, 0);
            }
            return if self.scanned - self.start > self.max_len { Err(TooLong) } else { Ok(None) };
        };
        let line = &self.buffer[self.start..self.scanned + end];
        self.scanned += end + 1;
        self.start = self.scanned;
        if line.len() > self.max_len { Err(TooLong) } else { Ok(Some(line)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lines: &mut Lines, bytes: &[u8]) -> Vec<Result<Vec<u8>, TooLong>> {
        lines.space().extend_from_slice(bytes);
        let next = || lines.next().map(|line| line.map(<[u8]>::to_vec)).transpose();
        std::iter::from_fn(next).take(10).collect()
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

    #[test]
    fn the_lines_that_are_left_are_seen_before_they_are_taken() {
        let mut lines = Lines::new(9);
        lines.space().extend_from_slice(b"a\nb\n\nc\xff\nd\ne");
        assert_eq!(lines.coming().collect::<Vec<_>>(), ["a", "b", ""]);
        assert_eq!(lines.next(), Ok(Some(&b"a"[..])));
        assert_eq!(lines.coming().collect::<Vec<_>>(), ["b", ""]);
        for _ in 0..4 {
            assert!(lines.next().unwrap().is_some());
        }
        assert_eq!(lines.next(), Ok(None));
        assert_eq!(lines.coming().count(), 0);
        lines.space().push(b'\n');
        assert_eq!(lines.coming().collect::<Vec<_>>(), ["e"]);
        assert_eq!(lines.next(), Ok(Some(&b"e"[..])));
        assert_eq!(lines.next(), Ok(None));
    }
}
