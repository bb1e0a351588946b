//! Figures for people.

use std::time::Duration;

use electrumx_protocol::CacheStats;

/// Shows a duration as ElectrumX does: `1d 02h 03m`, `02h 03m 04s`, `03m 04s` or `04s`.
pub(crate) fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, mins) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match secs {
        86_400.. => format!("{days}d {hours:02}h {mins:02}m"),
        3600.. => format!("{hours:02}h {mins:02}m {:02}s", secs % 60),
        60.. => format!("{mins:02}m {:02}s", secs % 60),
        _ => format!("{secs:02}s"),
    }
}

/// Shows how a cache fares as ElectrumX does, and how large it is.
pub(crate) fn cache_line(stats: &CacheStats) -> String {
    let lookups = stats.hits + stats.misses;
    // Two digits are shown.
    let rate = (stats.hits * 100).checked_div(lookups).unwrap_or(0);
    format!(
        "{} lookups, {} hits, {} entries, {} bytes, hitrate {}.{:02}",
        thousands(lookups),
        thousands(stats.hits),
        thousands(stats.entries as u64),
        thousands(stats.bytes as u64),
        rate / 100,
        rate % 100,
    )
}

/// Shows a number with commas between thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_three_parts() {
        for (secs, text) in [
            (0, "00s"),
            (59, "59s"),
            (60, "01m 00s"),
            (3599, "59m 59s"),
            (3600, "01h 00m 00s"),
            (86_399, "23h 59m 59s"),
            (90_061, "1d 01h 01m"),
            (8_640_000, "100d 00h 00m"),
        ] {
            assert_eq!(duration(Duration::from_secs(secs)), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }
}
