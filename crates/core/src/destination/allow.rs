//! The operator's list of targets that may be sent to although they are not public.

use std::net::IpAddr;

use ipnet::IpNet;

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    place: Place,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Host(String),
    Net(IpNet),
}

/// An entry that is neither a host nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} is neither a host, an address nor a CIDR block, each with an optional :port")]
pub struct MalformedAllowEntry {
    entry: String,
}

/// Targets opened on purpose: hosts (every address they resolve to) and networks, each for all ports
/// or for one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(Vec<Entry>);

impl AllowList {
    /// Reads a comma-separated list: `hooks.internal`, `10.0.0.0/8:8443`, `127.0.0.1:3001`, `[fd00::1]:80`.
    ///
    /// # Errors
    /// The first entry that cannot be read.
    pub fn parse(text: &str) -> Result<Self, MalformedAllowEntry> {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                parse_entry(entry).ok_or_else(|| MalformedAllowEntry { entry: entry.to_owned() })
            })
            .collect::<Result<Vec<Entry>, MalformedAllowEntry>>()
            .map(Self)
    }

    /// Whether `address`, which `host` names or resolves to, is opened for `port`.
    pub fn allows(&self, host: &str, port: u16, address: IpAddr) -> bool {
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match &entry.place {
                    // With or without the dot of a fully qualified name it is the same host.
                    Place::Host(name) => {
                        name.eq_ignore_ascii_case(host.strip_suffix('.').unwrap_or(host))
                    }
                    Place::Net(net) => net.contains(&address),
                }
        })
    }
}

fn parse_entry(text: &str) -> Option<Entry> {
    let (place, port) = split_port(text)?;
    let place = if let Ok(net) = place.parse::<IpNet>() {
        Place::Net(net.trunc())
    } else if let Ok(address) = place.parse::<IpAddr>() {
        Place::Net(IpNet::from(address))
    } else if is_host_name(place) {
        Place::Host(place.to_ascii_lowercase())
    } else {
        return None;
    };
    Some(Entry { place, port })
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((inside, Some(port.parse().ok()?))),
            None if after.is_empty() => Some((inside, None)),
            None => None,
        };
    }
    match text.rsplit_once(':') {
        Some((place, port)) if !place.contains(':') => Some((place, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // A name of digits and dots alone is a mistyped address.
    text.bytes().any(|byte| byte.is_ascii_alphabetic()) && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn check(list: &str, host: &str, port: u16, address: &str) -> bool {
        AllowList::parse(list).unwrap().allows(host, port, address.parse().unwrap())
    }

    #[test]
    fn an_entry_opens_its_place_and_port_only() {
        assert!(check("127.0.0.1:3001", "127.0.0.1", 3001, "127.0.0.1"));
        assert!(!check("127.0.0.1:3001", "127.0.0.1", 9001, "127.0.0.1"));
        assert!(!check("127.0.0.1:3001", "127.0.0.2", 3001, "127.0.0.2"));
        assert!(check("10.1.2.3/8", "a.internal", 443, "10.200.0.1"));
        assert!(check("hooks.internal, other", "HOOKS.internal", 443, "10.0.0.1"));
        assert!(check("hooks.internal", "hooks.internal.", 443, "10.0.0.1"));
        assert!(!check("hooks.internal:80", "hooks.internal", 443, "10.0.0.1"));
        assert!(check("[fd00::1]:80", "x", 80, "fd00::1"));
        assert!(check("fd00::/8", "x", 80, "fd00::1"));
        assert!(!check("", "x", 80, "10.0.0.1"));
    }

    #[test]
    fn entries_that_cannot_be_read_are_named() {
        for entry in ["10.0.0.0/33", "a b", "host:port", "1.2.3", "[::1", "[::1]80", "http://x"] {
            let refused = AllowList::parse(&format!("ok.example,{entry}")).unwrap_err();
            assert_eq!(refused.entry, entry);
        }
    }
}
