//! Many small numbers in little memory.

/// Numbers of any size, small ones in few bytes.
#[derive(Default, Debug)]
pub(crate) struct Varints(Vec<u8>);

impl Varints {
    /// Appends a number: seven bits a byte, the lowest first.
    pub(crate) fn push(&mut self, mut number: u64) {
        while number >= 0x80 {
            // Cut to the lowest bits on purpose.
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// Reads the number at a place and moves the place behind it; `None` at the end.
    pub(crate) fn read(&self, place: &mut usize) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.0.get(*place)?;
            *place += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(number)
    }

    /// Gives back the memory that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_read() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX];
        let mut varints = Varints::default();
        numbers.iter().for_each(|number| varints.push(*number));
        let mut place = 0;
        let read = std::iter::from_fn(|| varints.read(&mut place));
        assert_eq!(read.collect::<Vec<_>>(), numbers);
    }
}
