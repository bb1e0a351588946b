//! The files of a blocks directory.

use std::path::{Path, PathBuf};

use super::BlockFilesError;

/// Returns the numbers of the block files, ascending.
pub(super) fn list(dir: &Path) -> Result<Vec<u32>, BlockFilesError> {
    let failed = |source| BlockFilesError::Read { path: dir.to_owned(), source };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        numbers.extend(entry.map_err(failed)?.file_name().to_str().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the path of a block file.
pub(super) fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("blk{number:05}.dat"))
}

fn number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("blk")?.strip_suffix(".dat")?;
    let number = digits.parse().ok()?;
    // Other spellings of a number, such as blk+0001.dat, are no files of the node.
    (format!("{number:05}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_node_alone_are_listed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let names = "blk00010.dat blk00002.dat blk100000.dat rev00002.dat blk1.dat blk+0001.dat \
                     blk00003.dat.part xor.dat index";
        for name in names.split_whitespace() {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(list(dir.path()).unwrap(), [2, 10, 100_000]);
        assert!(path(dir.path(), 2).is_file() && path(dir.path(), 100_000).is_file());
        assert!(list(&dir.path().join("nothing")).is_err());
    }
}
