//! The judgement on a destination: the same function at acceptance, at resolution and on the connection.

use std::net::{IpAddr, SocketAddr};

use super::{AllowList, Target, is_public};

/// Why the relay does not send somewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address is not one of the public internet, and no setting opens it.
    #[error("address {0} is not public and DESTINATION_ALLOW does not open it")]
    NotPublic(IpAddr),
    /// The address is one of the relay's own and is never sent to.
    #[error("address {0} is the relay's own")]
    Own(SocketAddr),
    /// The address means "this host", which no setting opens.
    #[error("address {0} names no host")]
    Unspecified(IpAddr),
    /// The name resolves to nothing.
    #[error("the host resolves to no address")]
    NoAddress,
}

/// What may be sent to: everything public, what the operator opened, and never the relay itself.
#[derive(Debug, Clone, Default)]
pub struct DestinationPolicy {
    allow: AllowList,
    /// The port of the Lambda Runtime API on this host, whatever loopback address it is called by.
    own_port: Option<u16>,
}

impl DestinationPolicy {
    /// A policy that opens `allow` besides everything public, and never the Lambda Runtime API, which
    /// listens on this host at `runtime_api` (`host:port`): whoever could send there could answer for
    /// the function.
    pub fn new(allow: AllowList, runtime_api: Option<&str>) -> Self {
        let port = |address: &str| address.rsplit_once(':')?.1.parse().ok();
        Self { allow, own_port: runtime_api.and_then(port) }
    }

    /// Judges one address that `host` names or resolves to.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge(&self, host: &str, address: SocketAddr) -> Result<(), Refusal> {
        let ip = address.ip().to_canonical();
        // To connect to 0.0.0.0 is to connect to this host.
        if ip.is_unspecified() {
            return Err(Refusal::Unspecified(address.ip()));
        }
        if ip.is_loopback() && self.own_port == Some(address.port()) {
            return Err(Refusal::Own(address));
        }
        // The address is judged as written: a mapped form of a public address is refused too.
        if is_public(address.ip()) || self.allow.allows(host, address.port(), address.ip()) {
            Ok(())
        } else {
            Err(Refusal::NotPublic(address.ip()))
        }
    }

    /// Judges everything a name resolved to. One bad address refuses the whole answer: a name that
    /// mixes public and private addresses is an attack or a mistake.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge_all(&self, host: &str, addresses: &[SocketAddr]) -> Result<(), Refusal> {
        if addresses.is_empty() {
            return Err(Refusal::NoAddress);
        }
        addresses.iter().try_for_each(|address| self.judge(host, *address))
    }

    /// Judges what is known without looking anything up: the address of a target that names one.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge_literal(&self, target: &Target) -> Result<(), Refusal> {
        match target.literal_address() {
            Some(address) => self.judge(target.host(), address),
            None => Ok(()),
        }
    }
}

/// The name to ask a resolver for: fully qualified, so that no search domain of the host is tried.
pub fn fully_qualified(host: &str) -> String {
    if host.ends_with('.') { host.to_owned() } else { format!("{host}.") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn one_bad_address_refuses_the_whole_answer() {
        let policy = DestinationPolicy::default();
        assert_eq!(policy.judge_all("a.example", &addresses("8.8.8.8:443 1.1.1.1:443")), Ok(()));
        assert_eq!(
            policy.judge_all("a.example", &addresses("8.8.8.8:443 10.0.0.1:443")),
            Err(Refusal::NotPublic("10.0.0.1".parse().unwrap()))
        );
        assert_eq!(policy.judge_all("a.example", &[]), Err(Refusal::NoAddress));
    }

    #[test]
    fn the_relays_own_address_is_never_allowed() {
        let allow = AllowList::parse("0.0.0.0/0,::/0,runtime.example").unwrap();
        for runtime_api in ["127.0.0.1:9001", "localhost:9001", "[::1]:9001"] {
            let policy = DestinationPolicy::new(allow.clone(), Some(runtime_api));
            for own in ["127.0.0.1:9001", "[::ffff:127.0.0.1]:9001", "127.9.9.9:9001", "[::1]:9001"]
            {
                let own: SocketAddr = own.parse().unwrap();
                assert_eq!(policy.judge("runtime.example", own), Err(Refusal::Own(own)), "{own}");
            }
            for any in ["0.0.0.0:9001", "[::]:9001", "[::ffff:0.0.0.0]:80"] {
                let any: SocketAddr = any.parse().unwrap();
                let refused = Err(Refusal::Unspecified(any.ip()));
                assert_eq!(policy.judge("runtime.example", any), refused, "{any}");
            }
            assert_eq!(policy.judge("127.0.0.1", "127.0.0.1:80".parse().unwrap()), Ok(()));
        }
    }

    #[test]
    fn literal_targets_are_judged_without_a_resolver() {
        let policy = DestinationPolicy::default();
        for (target, allowed) in [
            ("http://169.254.169.254/", false),
            ("http://127.0.0.1:9001/", false),
            ("http://[::ffff:10.0.0.1]/", false),
            ("http://0x7f000001/", false),
            ("http://2130706433/", false),
            ("http://017700000001/", false),
            ("http://127.1/", false),
            ("http://8.8.8.8/", true),
            ("https://example.com/", true),
        ] {
            let target = Target::parse(target).unwrap();
            assert_eq!(policy.judge_literal(&target).is_ok(), allowed, "{target}");
        }
    }

    #[test]
    fn names_are_asked_for_fully_qualified() {
        assert_eq!(fully_qualified("localhost"), "localhost.");
        assert_eq!(fully_qualified("a.example."), "a.example.");
    }
}
