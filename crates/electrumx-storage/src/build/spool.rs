//! Files of records, partitioned.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use electrumx_core::StoreError;

use super::record::{OrderedScript, ScriptRecord};
use crate::install::io_error;

/// Most files of a spool that are kept open. With more partitions than that a file is open only while it is used: there
/// would be more than a process may have open.
const KEPT: usize = 64;

/// Records of `LEN` bytes in files, a partition each, which grow at their ends from several threads.
#[derive(Debug)]
pub(crate) struct Spool<const LEN: usize> {
    dir: PathBuf,
    name: &'static str,
    lens: Vec<AtomicU64>,
    /// Those that are kept open.
    kept: Vec<OnceLock<File>>,
    /// Which were appended to since they were made durable.
    dirty: Vec<AtomicBool>,
}

impl<const LEN: usize> Spool<LEN> {
    /// Begins with empty partitions.
    pub(crate) fn create(dir: &Path, name: &'static str, parts: usize) -> Result<Self, StoreError> {
        Self::resume(dir, name, &vec![0; parts])
    }

    /// Goes on with partitions of these lengths in bytes; what is behind is cut off.
    pub(crate) fn resume(dir: &Path, name: &'static str, lens: &[u64]) -> Result<Self, StoreError> {
        let atomic = lens.iter().map(|len| AtomicU64::new(*len)).collect();
        let dirty = lens.iter().map(|_| AtomicBool::new(false)).collect();
        let kept = if lens.len() <= KEPT { lens.len() } else { 0 };
        let kept = (0..kept).map(|_| OnceLock::new()).collect();
        let spool = Self { dir: dir.into(), name, lens: atomic, kept, dirty };
        for (part, len) in lens.iter().enumerate() {
            spool.cut(part, *len).map_err(|error| io_error("resume a build", dir, error))?;
        }
        Ok(spool)
    }

    fn cut(&self, part: usize, len: u64) -> io::Result<()> {
        match OpenOptions::new().write(true).open(self.path(part)) {
            Ok(file) if file.metadata()?.len() >= len => file.set_len(len),
            Err(error) if error.kind() == io::ErrorKind::NotFound && len == 0 => Ok(()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a temporary file is short")),
            Err(error) => Err(error),
        }
    }

    fn path(&self, part: usize) -> PathBuf {
        self.dir.join(format!("{}-{part}", self.name))
    }

    /// Returns the number of partitions.
    pub(crate) fn parts(&self) -> usize {
        self.lens.len()
    }

    /// Returns the lengths in bytes.
    pub(crate) fn lens(&self) -> Vec<u64> {
        self.lens.iter().map(|len| len.load(Ordering::Acquire)).collect()
    }

    /// Returns how many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.lens().iter().sum::<u64>() / LEN as u64
    }

    /// Returns how many records a partition has.
    pub(crate) fn records_of(&self, part: usize) -> u64 {
        self.lens[part].load(Ordering::Acquire) / LEN as u64
    }

    fn append(&self, part: usize, bytes: &[u8]) -> Result<(), StoreError> {
        self.dirty[part].store(true, Ordering::Release);
        let start = self.lens[part].fetch_add(bytes.len() as u64, Ordering::AcqRel);
        let write = || match self.kept.get(part) {
            None => write_all_at(&self.open(part)?, bytes, start),
            Some(kept) => match kept.get() {
                Some(file) => write_all_at(file, bytes, start),
                // Another thread may do the same; one of the two files is kept.
                None => {
                    let file = self.open(part)?;
                    write_all_at(kept.get_or_init(|| file), bytes, start)
                }
            },
        };
        write().map_err(|error| io_error("write a temporary file", &self.dir, error))
    }

    fn open(&self, part: usize) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).write(true).open(self.path(part))
    }

    /// Makes durable what was appended.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        for (part, dirty) in self.dirty.iter().enumerate() {
            if dirty.swap(false, Ordering::AcqRel) {
                let synced = File::open(self.path(part)).and_then(|file| file.sync_data());
                synced.map_err(|error| io_error("write a temporary file", &self.dir, error))?;
            }
        }
        Ok(())
    }

    /// Reads the records of a partition that `keep` wants.
    pub(crate) fn read(
        &self,
        part: usize,
        keep: impl Fn(&[u8; LEN]) -> bool,
    ) -> Result<Vec<[u8; LEN]>, StoreError> {
        let mut found = Vec::new();
        self.read_into(part, keep, &mut found)?;
        Ok(found)
    }

    /// Reads the records of a partition that `keep` wants instead of what `found` holds.
    pub(crate) fn read_into(
        &self,
        part: usize,
        keep: impl Fn(&[u8; LEN]) -> bool,
        found: &mut Vec<[u8; LEN]>,
    ) -> Result<(), StoreError> {
        found.clear();
        let mut rest = self.lens[part].load(Ordering::Acquire);
        if rest == 0 {
            return Ok(());
        }
        let mut chunk = vec![0; LEN << 12];
        let read = File::open(self.path(part)).and_then(|mut file| {
            while rest > 0 {
                let want = usize::try_from(rest).unwrap_or(usize::MAX).min(chunk.len());
                file.read_exact(&mut chunk[..want])?;
                let records = chunk[..want].as_chunks().0;
                found.extend(records.iter().filter(|record| keep(record)));
                rest -= want as u64;
            }
            Ok(())
        });
        read.map_err(|error| io_error("read a temporary file", &self.dir, error))
    }

    /// Reads a partition whole.
    pub(crate) fn read_all(&self, part: usize) -> Result<Vec<[u8; LEN]>, StoreError> {
        let mut found = Vec::new();
        self.read_all_into(part, &mut found)?;
        Ok(found)
    }

    /// Reads a partition whole instead of what `found` holds.
    pub(crate) fn read_all_into(
        &self,
        part: usize,
        found: &mut Vec<[u8; LEN]>,
    ) -> Result<(), StoreError> {
        let records = usize::try_from(self.records_of(part)).unwrap_or(usize::MAX);
        found.resize(records, [0; LEN]);
        if records == 0 {
            return Ok(());
        }
        let read = File::open(self.path(part))
            .and_then(|mut file| file.read_exact(found.as_flattened_mut()));
        read.map_err(|error| io_error("read a temporary file", &self.dir, error))
    }

    /// Removes what all partitions hold.
    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        // As long as a file is open, it takes room on the disk.
        self.kept.iter_mut().for_each(|kept| drop(kept.take()));
        for part in 0..self.parts() {
            *self.lens[part].get_mut() = 0;
            match fs::remove_file(self.path(part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("remove a temporary file", &self.dir, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

/// What one thread has to append to the partitions of a spool.
#[derive(Debug)]
pub(crate) struct Buffers<const LEN: usize> {
    parts: Vec<Vec<u8>>,
    limit: usize,
}

impl<const LEN: usize> Buffers<LEN> {
    /// Makes buffers of about so many bytes for each partition.
    pub(crate) fn new(parts: usize, bytes: usize) -> Self {
        let limit = (bytes / LEN).max(1) * LEN;
        Self { parts: vec![Vec::new(); parts], limit }
    }

    /// Adds a record; a buffer that is full is written.
    pub(crate) fn push(
        &mut self,
        spool: &Spool<LEN>,
        part: usize,
        record: &[u8; LEN],
    ) -> Result<(), StoreError> {
        self.push_with(spool, part, |buffer| buffer.extend_from_slice(record))
    }

    #[inline]
    fn push_with(
        &mut self,
        spool: &Spool<LEN>,
        part: usize,
        append: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StoreError> {
        let buffer = &mut self.parts[part];
        if buffer.capacity() == 0 {
            buffer.reserve_exact(self.limit);
        }
        append(buffer);
        if buffer.len() >= self.limit {
            spool.append(part, buffer)?;
            buffer.clear();
        }
        Ok(())
    }

    /// Writes all that is left.
    pub(crate) fn flush(&mut self, spool: &Spool<LEN>) -> Result<(), StoreError> {
        for (part, buffer) in
            self.parts.iter_mut().enumerate().filter(|(_, buffer)| !buffer.is_empty())
        {
            spool.append(part, buffer)?;
            buffer.clear();
        }
        Ok(())
    }
}

impl Buffers<{ ScriptRecord::LEN }> {
    /// Adds the record of a script.
    #[inline]
    pub(crate) fn push_script(
        &mut self,
        spool: &Spool<{ ScriptRecord::LEN }>,
        script: OrderedScript,
    ) -> Result<(), StoreError> {
        let part = script_part(script, spool.parts());
        self.push_with(spool, part, |buffer| script.append(buffer))
    }
}

/// Returns the partition of a script, by its first bits; there are 2^16 at most.
#[inline]
fn script_part(script: OrderedScript, parts: usize) -> usize {
    (usize::from(script.leading()) * parts) >> 16
}
