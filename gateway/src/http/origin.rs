//! Whether a browser's page may open a socket here: cookies go along with every upgrade, so the page's origin must be ours, to the letter.

use axum::http::{HeaderMap, header};

use crate::config::GatewayConfig;

/// True for exactly one `Origin` that is one of the public origins; without any configured, for the loopback host's own origin.
/// A client without cookies (bearer header) sends none and need not be asked.
pub fn origin_allowed(headers: &HeaderMap, config: &GatewayConfig) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return false;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if !config.public_origins.is_empty() {
        return config.public_origins.iter().any(|public| public == origin);
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| is_loopback(host) && origin.strip_prefix("http://") == Some(host))
}

/// `localhost`, 127.x.y.z or `[::1]`, with or without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name == "[::1]" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::TokenKey;

    fn config(origins: &[&str]) -> GatewayConfig {
        let mut config = GatewayConfig::new(TokenKey::new("a long enough secret, 0123456789 abc").unwrap());
        config.public_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        config
    }

    fn allowed(config: &GatewayConfig, host: &str, origins: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        origin_allowed(&headers, config)
    }

    #[test]
    fn the_origin_must_be_ours_to_the_letter() {
        let config = config(&["https://chat.example"]);
        assert!(allowed(&config, "chat.example", &["https://chat.example"]));
        for foreign in [
            "null",
            "",
            "http://chat.example",
            "https://chat.example.evil.example",
            "https://evilchat.example",
            "https://chat.example:8443",
            "https://CHAT.example",
            "https://chat.example/",
        ] {
            assert!(!allowed(&config, "chat.example", &[foreign]), "{foreign}");
        }
        assert!(!allowed(&config, "chat.example", &[]));
        assert!(!allowed(&config, "chat.example", &["https://chat.example", "https://evil.example"]));
    }

    #[test]
    fn without_configuration_only_a_loopback_host_counts() {
        let config = config(&[]);
        for host in ["localhost:8080", "127.0.0.1:8080", "127.3.2.1:1", "[::1]:8080", "localhost"] {
            assert!(allowed(&config, host, &[&format!("http://{host}")]), "{host}");
        }
        assert!(!allowed(&config, "localhost:8080", &["http://localhost:8081"]));
        assert!(!allowed(&config, "evil.example", &["http://evil.example"]));
        assert!(!allowed(&config, "127.0.0.1.evil.example", &["http://127.0.0.1.evil.example"]));
    }
}
