//! The key that a node's block files are scrambled with.

use std::io;
use std::path::Path;

use super::BlockFilesError;

/// The file that holds it, since Bitcoin Core 28.
const FILE: &str = "xor.dat";

/// What every byte of the files is combined with, by its offset modulo 8. All zeros change nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct XorKey([u8; 8]);

impl XorKey {
    /// Reads the key of a directory; files of older nodes have none.
    pub(super) fn of_directory(dir: &Path) -> Result<Self, BlockFilesError> {
        let path = dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(BlockFilesError::Read { path, source }),
        };
        match bytes.try_into() {
            Ok(key) => Ok(Self(key)),
            Err(_) => Err(BlockFilesError::Key { path }),
        }
    }

    /// Unscrambles, or scrambles, bytes that begin at `offset` of a file.
    pub(super) fn apply(self, offset: u64, bytes: &mut [u8]) {
        if self == Self::default() {
            return;
        }
        let mut key = self.0;
        // Below 8, so nothing is cut off.
        key.rotate_left(usize::try_from(offset % 8).unwrap_or_default());
        let word = u64::from_le_bytes(key);
        let (words, rest) = bytes.as_chunks_mut::<8>();
        for bytes in words {
            *bytes = (u64::from_le_bytes(*bytes) ^ word).to_le_bytes();
        }
        for (byte, key) in rest.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_combined_with_the_key_at_its_offset() {
        let key = [1, 2, 4, 8, 16, 32, 64, 128];
        for offset in 0..17_u8 {
            for length in 0..40_usize {
                let mut bytes: Vec<u8> = (0..40).take(length).collect();
                XorKey(key).apply(offset.into(), &mut bytes);
                for (i, byte) in bytes.iter().enumerate() {
                    let at = usize::from(offset) + i;
                    assert_eq!(usize::from(*byte), i ^ usize::from(key[at % 8]));
                }
            }
        }
    }

    #[test]
    fn a_missing_key_changes_nothing_and_a_short_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(XorKey::of_directory(dir.path()).unwrap(), XorKey::default());
        std::fs::write(dir.path().join(FILE), [7; 8]).unwrap();
        assert_eq!(XorKey::of_directory(dir.path()).unwrap(), XorKey([7; 8]));
        std::fs::write(dir.path().join(FILE), [7; 9]).unwrap();
        let error = XorKey::of_directory(dir.path()).unwrap_err();
        assert!(matches!(error, BlockFilesError::Key { .. }), "{error}");
    }
}
