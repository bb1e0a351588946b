//! Open files: every session needs one.

/// Raises this process's limit of open files as far as it may, and returns it; `None` where there is none or it
/// cannot be told.
///
/// The usual limit of 1,024 is less than ElectrumX's default of 1,000 sessions and what else is open need.
#[cfg(unix)]
pub fn raise_open_files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Refused by macOS above a limit of its own, for example. Then the old one holds.
    let allowed =
        if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    allowed.or(limit.current)
}

/// Returns `None`: the limit is not known here.
#[cfg(not(unix))]
pub fn raise_open_files() -> Option<u64> {
    None
}
