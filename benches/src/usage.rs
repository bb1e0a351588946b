//! What a process has cost so far.

use std::time::{Duration, Instant};

/// Costs of this process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu: Duration,
    /// When this was taken.
    pub at: Instant,
    /// Peak of the resident set, in bytes.
    pub peak_rss: u64,
}

impl Usage {
    /// Reads the costs so far (`/proc/self`, Linux).
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn now() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak_kib = peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        Ok(Self {
            cpu: cpu_of(std::process::id())?,
            at: Instant::now(),
            peak_rss: peak_kib.unwrap_or(0) * 1024,
        })
    }
}

/// Returns the user and system time of a process, all threads (`/proc`, Linux).
///
/// # Errors
/// When there is no such process.
pub fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<u64>().ok());
    // utime and stime, the 14th and 15th field, in ticks of 10 ms (USER_HZ is 100 on Linux).
    let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    Ok(Duration::from_millis(ticks.unwrap_or(0) * 10))
}
