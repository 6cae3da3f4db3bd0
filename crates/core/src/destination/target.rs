//! The URL a message goes to, parsed once.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use url::{Host, Position, Url};

/// Longest target URL, in characters.
pub const TARGET_CHARACTERS_MAX: usize = 2048;

/// Longest host name, in characters, without a trailing dot.
const DNS_NAME_CHARACTERS_MAX: usize = 253;

/// Ports that HTTP never speaks: the "bad ports" of the WHATWG Fetch standard, section 2.9. A request
/// sent to one of them speaks to a mail, shell or file server instead.
const PORTS_DENIED: [u16; 82] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6697, 10080,
];

/// Why a text is not a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is too long.
    #[error("must be at most {TARGET_CHARACTERS_MAX} characters")]
    TooLong,
    /// It is not an absolute URL.
    #[error("must be an absolute URL")]
    NotAUrl,
    /// Its scheme is another one.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// Its host is neither an address nor a name that DNS could hold.
    #[error("must name a host by address, or by labels of 1 to 63 letters, digits, - and _")]
    Host,
    /// It carries a user name or a password.
    #[error("must not carry a user name or password: use a header")]
    UserInfo,
    /// Its port is one that HTTP never speaks.
    #[error("names a port that is denied because another protocol owns it")]
    Port,
}

/// A URL that has the form of a target. Whether it may be sent to is another question, which
/// [`DestinationPolicy`](super::DestinationPolicy) answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(Url);

impl Target {
    /// Reads a target URL.
    ///
    /// # Errors
    /// What keeps the text from being one.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.chars().count() > TARGET_CHARACTERS_MAX {
            return Err(TargetError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| TargetError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        // What is stored and sent is the normalised form, which may be longer than what was given.
        if url.as_str().len() > TARGET_CHARACTERS_MAX {
            return Err(TargetError::TooLong);
        }
        match url.host() {
            Some(Host::Domain(name)) if is_dns_name(name) => {}
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => {}
            Some(Host::Domain(_)) | None => return Err(TargetError::Host),
        }
        let target = Self(url);
        if PORTS_DENIED.contains(&target.port()) {
            return Err(TargetError::Port);
        }
        Ok(target)
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The URL as text, in the form the URL standard normalises it to.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host: a lower-case name or an address (IPv6 without brackets).
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, named or implied by the scheme.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// The address and port, when the host is an address.
    pub fn literal_address(&self) -> Option<SocketAddr> {
        let address = match self.0.host()? {
            Host::Domain(_) => return None,
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        Some(SocketAddr::new(address, self.port()))
    }

    /// The destination: scheme, host and port.
    pub fn destination(&self) -> String {
        // A target has no user name: this is the origin as the URL standard writes it.
        self.0[..Position::BeforePath].to_owned()
    }
}

/// Whether DNS could hold the name (RFC 1035 section 2.3.4), one trailing dot allowed. Underscores are
/// no part of host names and in use all the same.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= DNS_NAME_CHARACTERS_MAX && name.split('.').all(label)
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;
    fn try_from(text: String) -> Result<Self, TargetError> {
        Self::parse(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.0.into()
    }
}

/// How the target is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The default.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// GET.
    Get,
}

/// The text is not a method that the relay sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be POST, PUT, PATCH, DELETE or GET")]
pub struct UnknownMethod;

impl Method {
    /// Every method, in the order the documents list them.
    pub const ALL: [Self; 5] = [Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Get];

    /// Reads a method, in capitals as HTTP writes it.
    ///
    /// # Errors
    /// When it is another text.
    pub fn parse(text: &str) -> Result<Self, UnknownMethod> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(UnknownMethod)
    }

    /// The method as HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Get => "GET",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_no_target_is_refused_with_its_reason() {
        let long = format!("https://example.com/{}", "a".repeat(TARGET_CHARACTERS_MAX));
        // Short as given, too long once every letter is escaped.
        let grows = format!("https://example.com/{}", "é".repeat(400));
        let label = format!("https://{}.example/", "a".repeat(64));
        for (text, reason) in [
            ("", TargetError::NotAUrl),
            ("/hooks", TargetError::NotAUrl),
            ("example.com/hooks", TargetError::NotAUrl),
            ("ftp://example.com/", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("https://user@example.com/", TargetError::UserInfo),
            ("https://:pw@example.com/", TargetError::UserInfo),
            ("http://", TargetError::NotAUrl),
            ("http://example.com:25/", TargetError::Port),
            ("http://example.com:0/", TargetError::Port),
            ("http://256.256.256.256/", TargetError::NotAUrl),
            (&long, TargetError::TooLong),
            (&grows, TargetError::TooLong),
            ("http://a\"b.example/", TargetError::Host),
            ("http://a{b.example/", TargetError::Host),
            ("http://a..b/", TargetError::Host),
            ("http://.a/", TargetError::Host),
            (&label, TargetError::Host),
        ] {
            assert_eq!(Target::parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn a_target_knows_its_parts() {
        let target = Target::parse("HTTPS://Api.Example.COM/Hooks?a=%20#part").unwrap();
        assert_eq!(target.host(), "api.example.com");
        assert_eq!(target.port(), 443);
        assert_eq!(target.destination(), "https://api.example.com");
        assert_eq!(target.literal_address(), None);
        let literal = Target::parse("http://[2606:4700::1111]:8080/").unwrap();
        assert_eq!(literal.host(), "2606:4700::1111");
        assert_eq!(literal.literal_address(), "[2606:4700::1111]:8080".parse().ok());
    }

    proptest::proptest! {
        /// What was accepted is read again by the worker: normalising must change nothing more.
        #[test]
        fn a_target_is_read_as_it_was_written(tail in "\\PC{0,600}", host in "[a-z0-9._\\-]{1,20}") {
            if let Ok(target) = Target::parse(&format!("https://{host}/{tail}")) {
                proptest::prop_assert_eq!(Target::parse(target.as_str()), Ok(target));
            }
        }
    }

    #[test]
    fn odd_spellings_of_an_address_are_that_address() {
        for text in
            ["http://0x7f000001/", "http://2130706433/", "http://127.1/", "http://0177.0.0.1/"]
        {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.literal_address(), "127.0.0.1:80".parse().ok(), "{text}");
        }
    }

    #[test]
    fn methods_are_read_in_capitals() {
        assert_eq!(Method::parse("PATCH"), Ok(Method::Patch));
        for text in ["patch", "TRACE", "CONNECT", ""] {
            assert_eq!(Method::parse(text), Err(UnknownMethod), "{text}");
        }
    }
}
