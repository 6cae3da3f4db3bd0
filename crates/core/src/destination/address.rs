//! Which IP addresses are public, judged by structure. Resolves and connects nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), prefix)
}

/// The IANA IPv4 special-purpose address registry (RFC 6890 and its updates), and multicast.
const SPECIAL_V4: [Ipv4Net; 18] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// The only IPv6 space handed out for the public internet (RFC 4291 section 2.4).
const GLOBAL_UNICAST_V6: Ipv6Net = v6(0x2000, 0, 3);

/// Parts of it that are not: protocol assignments with Teredo, documentation, 6to4. Every form that
/// embeds an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) lies here or outside 2000::/3.
const SPECIAL_V6: [Ipv6Net; 4] =
    [v6(0x2001, 0, 23), v6(0x2001, 0x0db8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// Whether the address belongs to the public internet, so that anybody may be sent there.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_UNICAST_V6.contains(&address)
                && !SPECIAL_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_at_the_edges_of_every_range() {
        for (public, addresses) in [
            (
                true,
                "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 \
                 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 \
                 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 \
                 2001:200:: 2606:4700::1111 2a00:1450:4001::1 2001:db7::1 2003::1 3ffe::1",
            ),
            (
                false,
                "0.0.0.0 10.0.0.1 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 \
                 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.8 192.168.0.1 192.88.99.1 \
                 198.18.0.0 198.19.255.255 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 \
                 255.255.255.255 :: ::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::808:808 64:ff9b:1::1 \
                 100::1 2001::1 2001:1ff:ffff::1 2001:db8::1 2002:808:808:: 3fff::1 fc00::1 \
                 fd00:ec2::254 fe80::1 fec0::1 ff02::1 5f00::1 4000::1",
            ),
        ] {
            for text in addresses.split_whitespace() {
                assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_ipv6_form_that_embeds_an_ipv4_address_is_public(bits: u32) {
            let embedded = Ipv4Addr::from(bits);
            let [a, b, c, d] = embedded.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for form in [
                embedded.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
            ] {
                prop_assert!(!is_public(IpAddr::V6(form)), "{form}");
            }
        }
    }
}
