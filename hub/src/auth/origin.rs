//! Origins: which web pages may open connections. Denied by default, matched by exact scheme, host and port. A request
//! without `Origin` does not come from a page, and brings a token of its own.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is https://host or https://host:port (or http://), without a path and without `*`")]
pub struct OriginError;

/// Scheme, host and port of a web page, in one spelling.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads an origin as browsers send it (RFC 6454, 6.2). Case and the default port do not matter.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(OriginError),
        };
        let (host, port) = split_port(rest)?;
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| OriginError)?
            }
            Some(_) => return Err(OriginError),
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
        };
        if is_host(host) { Ok(Self { secure, host: host.to_ascii_lowercase(), port }) } else { Err(OriginError) }
    }

    fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]") || self.host.ends_with(".localhost")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.secure { "https" } else { "http" }, self.host, self.port)
    }
}

/// Which pages are let in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OriginRules {
    /// Exactly these.
    pub list: HashSet<Origin>,
    /// Every page of this machine. Development only.
    pub localhost: bool,
    /// Every page. Development only.
    pub any: bool,
}

/// The list of the node. Replaced as a whole on a reload.
#[derive(Debug, Default)]
pub struct Origins(ArcSwap<OriginRules>);

impl Origins {
    /// Lets these in.
    pub fn new(rules: OriginRules) -> Self {
        Self(ArcSwap::from_pointee(rules))
    }

    /// Lets others in instead. Connections that exist stay.
    pub fn reload(&self, rules: OriginRules) {
        self.0.store(Arc::new(rules));
    }

    /// Whether a request with this `Origin` header may go on. `None`: the request has no such header. A header that
    /// is not text must be given as a text that is no origin, e.g. an empty one.
    pub fn allows(&self, header: Option<&str>) -> bool {
        let Some(text) = header else { return true };
        let rules = self.0.load();
        rules.any
            || Origin::parse(text)
                .is_ok_and(|origin| rules.list.contains(&origin) || (rules.localhost && origin.is_local()))
    }
}

fn split_port(rest: &str) -> Result<(&str, Option<&str>), OriginError> {
    if rest.starts_with('[') {
        let end = rest.find(']').ok_or(OriginError)? + 1;
        return match (&rest[..end], &rest[end..]) {
            (host, "") => Ok((host, None)),
            (host, port) => Ok((host, Some(port.strip_prefix(':').ok_or(OriginError)?))),
        };
    }
    Ok(rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))))
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    (1..=253).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origins(list: &[&str], localhost: bool) -> Origins {
        let list = list.iter().map(|text| Origin::parse(text).expect("an origin")).collect();
        Origins::new(OriginRules { list, localhost, any: false })
    }

    #[test]
    fn pages_are_matched_by_scheme_host_and_port() {
        let origins = origins(&["https://app.example.com", "http://intern:8080", "https://[2001:db8::1]:444"], false);
        let table = [
            (None, true),
            (Some("https://app.example.com"), true),
            (Some("https://app.example.com:443"), true),
            (Some("HTTPS://App.Example.Com"), true),
            (Some("http://app.example.com"), false),
            (Some("https://app.example.com:8443"), false),
            (Some("https://app.example.com.evil.net"), false),
            (Some("https://evil-app.example.com"), false),
            (Some("https://example.com"), false),
            (Some("http://intern:8080"), true),
            (Some("http://intern"), false),
            (Some("https://[2001:db8::1]:444"), true),
            (Some("http://localhost:5173"), false),
            (Some("null"), false),
            (Some(""), false),
            (Some("*"), false),
            (Some("https://app.example.com/"), false),
            (Some("https://user@app.example.com"), false),
        ];
        for (header, expected) in table {
            assert_eq!(origins.allows(header), expected, "{header:?}");
        }
    }

    #[test]
    fn the_machine_itself_is_let_in_only_when_told_so() {
        let origins = origins(&[], true);
        for page in ["http://localhost:8080", "http://127.0.0.1:5173", "https://[::1]", "http://app.localhost"] {
            assert!(origins.allows(Some(page)), "{page}");
        }
        for page in ["http://localhost.evil.net", "http://127.0.0.1.evil.net", "http://notlocalhost", "null"] {
            assert!(!origins.allows(Some(page)), "{page}");
        }
    }

    #[test]
    fn the_default_denies_and_any_allows() {
        let origins = Origins::default();
        assert!(!origins.allows(Some("https://app.example.com")));
        origins.reload(OriginRules { any: true, ..OriginRules::default() });
        assert!(origins.allows(Some("https://app.example.com")) && origins.allows(Some("null")));
    }

    #[test]
    fn other_texts_are_not_origins() {
        for bad in [
            "",
            "*",
            "https://",
            "https://*",
            "https://*.a.de",
            "a.de",
            "ws://a.de",
            "https://a.de:",
            "https://a.de:+1",
            "https://a.de:70000",
            "https://a.de/x",
            "https://[::1",
            "https://[x]",
            "https://a b",
        ] {
            assert_eq!(Origin::parse(bad), Err(OriginError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s)(https?://)?.{0,60}") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
            }
        }
    }
}
