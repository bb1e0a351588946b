//! What a process costs.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counters of this process since its start (Linux).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// Bytes handed out by `read` and its like, from the disk or the page cache; not those of mapped files.
    pub(crate) read_bytes: u64,
    /// Bytes of pages made dirty in files, by whatever means.
    pub(crate) disk_bytes: u64,
    /// Bytes handed to `write` and its like.
    pub(crate) write_bytes: u64,
}

impl Usage {
    /// Reads the counters.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn now() -> anyhow::Result<Self> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let io = std::fs::read_to_string("/proc/self/io")?;
        Ok(Self {
            cpu: Duration::try_from(cpu)?,
            read_bytes: field(&io, "rchar:"),
            disk_bytes: field(&io, "write_bytes:"),
            write_bytes: field(&io, "wchar:"),
        })
    }
}

/// Memory of this process in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// What is its own and no file's, now.
    pub(crate) anonymous: u64,
    /// Peak of all that is resident, pages of mapped files included, since [`Self::reset_peak`].
    pub(crate) peak_resident: u64,
}

impl Memory {
    /// Reads `/proc`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn now() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        Ok(Self {
            anonymous: field(&status, "RssAnon:") * 1024,
            peak_resident: field(&status, "VmHWM:") * 1024,
        })
    }

    /// Makes the present the peak.
    ///
    /// # Errors
    /// When `/proc` cannot be written.
    pub(crate) fn reset_peak() -> anyhow::Result<()> {
        // proc(5): 5 resets VmHWM.
        Ok(std::fs::write("/proc/self/clear_refs", "5")?)
    }
}

/// Finds a field's number in one of `/proc`'s texts; 0 when there is none.
fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Returns the processor time of a process, also of its threads that have ended (`clock_getcpuclockid(3)`).
///
/// # Errors
/// When there is no such process.
pub fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let clock = nix::time::clock_getcpuclockid(nix::unistd::Pid::from_raw(pid.try_into()?))?;
    Ok(clock.now()?.into())
}

/// Returns a share of a time in microseconds.
#[expect(clippy::cast_precision_loss, reason = "for people to read")]
#[must_use]
pub fn micros(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}
