//! `DAEMON_PASSTHROUGH`.

use std::collections::BTreeSet;

use super::settings::Settings;
use super::variables::DAEMON_PASSTHROUGH;

/// Reads the list of the node's methods, which are lower-case names.
pub(crate) fn passthrough(settings: &mut Settings) -> BTreeSet<String> {
    let text = settings.text(&DAEMON_PASSTHROUGH).unwrap_or_default().to_owned();
    let mut methods = BTreeSet::new();
    for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        if piece.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            methods.insert(piece.to_owned());
        } else {
            let what = format!("{piece:?} is no name of a method, such as getblockstats");
            settings.problem(&DAEMON_PASSTHROUGH, what);
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::settings::Origin;

    #[test]
    fn names_are_read_and_nothing_else() {
        for (text, methods, problems) in [
            ("", "", 0),
            (" getblockstats,,getblockstats, uptime,", "getblockstats uptime", 0),
            ("*", "", 1),
            ("get block,getblock;uptime,GetBlock,uptime", "uptime", 3),
        ] {
            let mut settings = Settings::default();
            settings.give(&DAEMON_PASSTHROUGH, text, Origin::Environment);
            let read: Vec<_> = passthrough(&mut settings).into_iter().collect();
            assert_eq!(read.join(" "), methods, "{text}");
            assert_eq!(settings.into_problems().len(), problems, "{text}");
        }
    }
}
