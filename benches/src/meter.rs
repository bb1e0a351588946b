//! Costs of a program's phases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::usage::{Memory, Usage};

/// Pause between two looks at the memory; a look takes about 20 µs of CPU.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

/// What a phase cost this process, all threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The phase.
    pub phase: String,
    /// User and system time, seconds.
    pub cpu_secs: f64,
    /// Seconds on the clock.
    pub wall_secs: f64,
    /// Peak of anonymous memory (`RssAnon`, sampled), bytes.
    pub peak_anonymous_bytes: u64,
    /// Peak of resident memory (`VmHWM`), pages of mapped files included, bytes.
    pub peak_resident_bytes: u64,
    /// Bytes handed out by `read` and its like, cached or not (`rchar`); not those of mapped files.
    pub read_bytes: u64,
    /// Bytes of file pages made dirty (`write_bytes`).
    pub disk_bytes: u64,
    /// Bytes handed to `write` and its like (`wchar`).
    pub write_bytes: u64,
}

/// Measures phase after phase.
#[derive(Debug)]
pub struct Meter {
    at: Instant,
    usage: Usage,
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sampler: Option<JoinHandle<()>>,
}

impl Meter {
    /// Begins the first phase.
    ///
    /// # Errors
    /// When `/proc` cannot be used.
    pub fn start() -> anyhow::Result<Self> {
        let peak = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let sampler = std::thread::spawn({
            let (peak, stop) = (Arc::clone(&peak), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let memory = Memory::now().unwrap_or_default();
                    peak.fetch_max(memory.anonymous, Ordering::Relaxed);
                    std::thread::sleep(SAMPLE_INTERVAL);
                }
            }
        });
        Memory::reset_peak()?;
        Ok(Self { at: Instant::now(), usage: Usage::now()?, peak, stop, sampler: Some(sampler) })
    }

    /// Ends the current phase, names it, and begins the next.
    ///
    /// # Errors
    /// When `/proc` cannot be used.
    pub fn lap(&mut self, phase: &str) -> anyhow::Result<Cost> {
        let (at, usage, memory) = (Instant::now(), Usage::now()?, Memory::now()?);
        let peak = self.peak.swap(memory.anonymous, Ordering::Relaxed);
        let cost = Cost {
            phase: phase.to_owned(),
            cpu_secs: (usage.cpu - self.usage.cpu).as_secs_f64(),
            wall_secs: (at - self.at).as_secs_f64(),
            peak_anonymous_bytes: peak.max(memory.anonymous),
            peak_resident_bytes: memory.peak_resident,
            read_bytes: usage.read_bytes - self.usage.read_bytes,
            disk_bytes: usage.disk_bytes - self.usage.disk_bytes,
            write_bytes: usage.write_bytes - self.usage.write_bytes,
        };
        Memory::reset_peak()?;
        (self.at, self.usage) = (at, usage);
        Ok(cost)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sampler) = self.sampler.take() {
            // It cannot panic, and there is nobody to tell.
            let _ = sampler.join();
        }
    }
}

impl Cost {
    /// Adds up phases that followed each other; peaks are the largest of them.
    #[must_use]
    pub fn sum<'a>(phase: &str, costs: impl IntoIterator<Item = &'a Self>) -> Self {
        let none = Self {
            phase: phase.to_owned(),
            cpu_secs: 0.0,
            wall_secs: 0.0,
            peak_anonymous_bytes: 0,
            peak_resident_bytes: 0,
            read_bytes: 0,
            disk_bytes: 0,
            write_bytes: 0,
        };
        costs.into_iter().fold(none, |sum, cost| Self {
            phase: sum.phase,
            cpu_secs: sum.cpu_secs + cost.cpu_secs,
            wall_secs: sum.wall_secs + cost.wall_secs,
            peak_anonymous_bytes: sum.peak_anonymous_bytes.max(cost.peak_anonymous_bytes),
            peak_resident_bytes: sum.peak_resident_bytes.max(cost.peak_resident_bytes),
            read_bytes: sum.read_bytes + cost.read_bytes,
            disk_bytes: sum.disk_bytes + cost.disk_bytes,
            write_bytes: sum.write_bytes + cost.write_bytes,
        })
    }
}
