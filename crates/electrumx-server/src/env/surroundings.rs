//! What the process finds around it.

use std::collections::HashMap;
use std::path::PathBuf;

/// What the configuration depends on besides flags and files. Tests make one up.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The environment.
    pub variables: HashMap<String, String>,
    /// Whether this is macOS, which keeps data elsewhere.
    pub macos: bool,
    /// Whether the process runs as root.
    pub is_root: bool,
    /// Memory it may use, in bytes; `None` where it cannot be told.
    pub memory_bytes: Option<u64>,
}

impl Surroundings {
    /// Looks around. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |s: std::ffi::OsString| s.into_string().ok();
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
            macos: cfg!(target_os = "macos"),
            is_root: is_root(),
            memory_bytes: memory_bytes(),
        }
    }

    /// Returns a variable, unless it is missing or empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the default data directory of Bitcoin Core and Knots.
    pub(crate) fn bitcoin_dir(&self) -> Option<PathBuf> {
        let home = PathBuf::from(self.variable("HOME")?);
        let below = if self.macos { "Library/Application Support/Bitcoin" } else { ".bitcoin" };
        Some(home.join(below))
    }

    /// Returns where this user's programs keep their data.
    pub(crate) fn data_dir(&self) -> Option<PathBuf> {
        let home = || self.variable("HOME").map(PathBuf::from);
        if self.macos {
            return Some(home()?.join("Library/Application Support"));
        }
        // The XDG specification has relative paths ignored.
        let xdg = self.variable("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        xdg.or_else(|| Some(home()?.join(".local/share")))
    }
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// The machine's memory, or what the container allows.
fn memory_bytes() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.split_whitespace().next()?.parse::<u64>().ok()? * 1024;
    let limit = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}
