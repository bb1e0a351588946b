//! `PROXY_PROTOCOL_FROM`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::settings::Settings;
use super::variables::PROXY_PROTOCOL_FROM;

/// Reads the list: addresses, or networks such as `192.0.2.0/24`.
pub(crate) fn proxies(settings: &mut Settings) -> Vec<IpNet> {
    let text = settings.text(&PROXY_PROTOCOL_FROM).unwrap_or_default().to_owned();
    let mut nets = Vec::new();
    for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        let net = piece.parse().or_else(|_| piece.parse::<IpAddr>().map(IpNet::from));
        match net {
            Ok(net) => nets.push(net),
            Err(_) => settings.problem(
                &PROXY_PROTOCOL_FROM,
                format!("{piece:?} is no address and no network such as 192.0.2.0/24"),
            ),
        }
    }
    nets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::settings::Origin;

    #[test]
    fn addresses_and_networks_are_read_and_nothing_else() {
        for (text, nets, problems) in [
            ("", 0, 0),
            ("127.0.0.1, ::1,10.0.0.0/8,2001:db8::/32,", 4, 0),
            ("localhost", 0, 1),
            ("10.0.0.0/33,1.2.3,::1", 1, 2),
        ] {
            let mut settings = Settings::default();
            settings.give(&PROXY_PROTOCOL_FROM, text, Origin::Environment);
            assert_eq!(proxies(&mut settings).len(), nets, "{text}");
            assert_eq!(settings.into_problems().len(), problems, "{text}");
        }
    }
}
