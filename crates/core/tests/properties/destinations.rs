//! Targets and the judgement on them: however an address that is not public is spelled, it is refused or
//! no target; and no list of exceptions opens more than it says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;
use relay_core::destination::{
    AllowList, DestinationPolicy, Refusal, TARGET_CHARACTERS_MAX, Target, fully_qualified,
    is_public,
};

use crate::more;
use crate::mutation::mutated;

/// An address of each range that is nobody's on the public internet, the last bits at random.
fn private() -> impl Strategy<Value = Ipv4Addr> {
    let ranges = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
    ];
    let metadata = Just(Ipv4Addr::new(169, 254, 169, 254));
    let in_range = (prop::sample::select(ranges.to_vec()), any::<u32>()).prop_map(
        |((octets, prefix), bits)| {
            let rest = u32::MAX >> prefix;
            Ipv4Addr::from(u32::from(Ipv4Addr::from(octets)) & !rest | bits & rest)
        },
    );
    prop_oneof![8 => in_range, 1 => metadata, 1 => Just(Ipv4Addr::LOCALHOST)]
}

/// One number of an address: decimal, octal or hexadecimal, with more zeros than it needs.
fn number(value: u32, base: u8, zeros: usize) -> String {
    let zeros = "0".repeat(zeros);
    match base % 4 {
        0 => format!("{value}"),
        1 => format!("0{zeros}{value:o}"),
        2 => format!("0x{zeros}{value:x}"),
        _ => format!("0X{zeros}{value:X}"),
    }
}

/// The address in one to four parts, each in a base of its own: `127.1`, `0x7f.0.1`, `017700000001`.
fn in_parts(address: Ipv4Addr, parts: usize, bases: [u8; 4], zeros: usize) -> String {
    let [a, b, c, d] = address.octets().map(u32::from);
    let values = match parts {
        1 => vec![u32::from(address)],
        2 => vec![a, b << 16 | c << 8 | d],
        3 => vec![a, b, c << 8 | d],
        _ => vec![a, b, c, d],
    };
    let texts = values.into_iter().zip(bases).map(|(value, base)| number(value, base, zeros));
    texts.collect::<Vec<_>>().join(".")
}

/// How signs of a host are disguised: not at all, in percent, in full width, by other dots.
fn disguised(host: &str, way: u8) -> String {
    let wide = |sign: char| char::from_u32(sign as u32 + 0xfee0).unwrap_or(sign);
    let sign = |sign: char| match way % 5 {
        1 => format!("%{:02x}", sign as u32),
        2 if sign.is_ascii_alphanumeric() => wide(sign).to_string(),
        3 if sign == '.' => "\u{3002}".to_owned(),
        4 if sign == '.' => "\u{ff0e}".to_owned(),
        _ => sign.to_string(),
    };
    host.chars().map(sign).collect()
}

/// The forms of IPv6 in which an IPv4 address is wrapped, some of which reach it.
fn wrapped(address: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        address.to_ipv6_mapped(),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 0),
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x5efe, high, low),
    ]
}

/// `a:b:…` in full, shortened, in capitals, or with its end as IPv4.
fn spelled(address: Ipv6Addr, way: u8) -> String {
    let [a, b, c, d, e, f, g, h] = address.segments();
    match way % 4 {
        0 => address.to_string(),
        1 => format!("{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{g:04x}:{h:04x}"),
        2 => address.to_string().to_uppercase(),
        _ => {
            let [g1, g2] = g.to_be_bytes();
            let [h1, h2] = h.to_be_bytes();
            format!("{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{g1}.{g2}.{h1}.{h2}")
        }
    }
}

/// What stands before and after a host in a URL, some of it to hide the host.
fn around() -> impl Strategy<Value = (&'static str, &'static str)> {
    let before = [
        "http://",
        "https://",
        "HTTP://",
        "http:",
        "http:/",
        "http:\\\\",
        "  https://",
        "ht\ttp://",
        "http://@",
        "http://:@",
        "http://a.example@",
        "http://a.example:b@",
        "http://\n",
    ];
    let after = ["", "/", "/a?b#c", ":8080/", ":/", "\\a", "?a", "#a", "./", ".:8080", " ", "\t/"];
    (prop::sample::select(before.to_vec()), prop::sample::select(after.to_vec()))
}

/// Refused by its form or by its address, without a look at any name server.
fn is_refused(text: &str) -> bool {
    !Target::parse(text)
        .is_ok_and(|target| DestinationPolicy::default().judge_literal(&target).is_ok())
}

proptest! {
    #![proptest_config(more(4))]

    #[test]
    fn f26_no_spelling_of_a_private_ipv4_address_is_a_target(
        address in private(), parts in 1..=4_usize, bases: [u8; 4], zeros in 0..3_usize, way: u8, (before, after) in around()
    ) {
        let host = disguised(&in_parts(address, parts, bases, zeros), way);
        let text = format!("{before}{host}{after}");
        prop_assert!(is_refused(&text), "{text} is {address}");
        // Not by luck: what is a target at all is seen to be this very address.
        if let Ok(target) = Target::parse(&text) {
            let seen = target.literal_address().map(|seen| seen.ip());
            prop_assert_eq!(seen, Some(IpAddr::V4(address)), "{}", text);
        }
    }

    #[test]
    fn f26_no_ipv6_address_that_wraps_or_is_private_is_a_target(
        address in private(), low: u64, form: prop::sample::Index, way: u8, zone in "(%(25)?[a-z0-9]{1,5})?", (before, after) in around()
    ) {
        let own = [0xfc00_u16, 0xfd00, 0xfe80, 0xfec0, 0xff02, 0x0100, 0x5f00, 0x3fff]
            .map(|first| Ipv6Addr::from((u128::from(first) << 112) | u128::from(low)));
        let all: Vec<_> = wrapped(address).into_iter().chain(own).chain([Ipv6Addr::LOCALHOST]).collect();
        let address = form.get(&all);
        prop_assert!(!is_public(IpAddr::V6(*address)), "{address}");
        let text = format!("{before}[{}{zone}]{after}", spelled(*address, way));
        prop_assert!(is_refused(&text), "{text}");
        // Outside brackets it is no host at all.
        let bare = format!("{before}{}{after}", spelled(*address, way));
        prop_assert!(is_refused(&bare), "{bare}");
    }

    /// The other way round: the judgement is no blanket refusal.
    #[test]
    fn public_addresses_are_targets_in_every_spelling(
        bits: u32, low: u64, parts in 1..=4_usize, bases: [u8; 4], zeros in 0..3_usize, way: u8
    ) {
        let address = Ipv4Addr::from(bits);
        prop_assume!(is_public(IpAddr::V4(address)));
        let text = format!("http://{}/", disguised(&in_parts(address, parts, bases, zeros), way));
        let target = Target::parse(&text).unwrap();
        prop_assert_eq!(target.literal_address(), Some(SocketAddr::from((address, 80))), "{}", text);
        prop_assert!(!is_refused(&text), "{text}");
        let address = Ipv6Addr::from((0x2606_4700_u128 << 96) | u128::from(low));
        let text = format!("https://[{}]:8443/", spelled(address, way));
        prop_assert_eq!(Target::parse(&text).unwrap().literal_address(), Some(SocketAddr::from((address, 8443))));
        prop_assert!(!is_refused(&text), "{text}");
    }

    #[test]
    fn f26_one_private_address_among_others_refuses_a_name(
        public in vec(any::<u32>().prop_map(Ipv4Addr::from), 0..4), address in private(), at: prop::sample::Index, port in 1..u16::MAX
    ) {
        let mut answer: Vec<_> = public.into_iter().filter(|it| is_public(IpAddr::V4(*it))).collect();
        answer.insert(at.index(answer.len() + 1), address);
        let addresses: Vec<_> = answer.iter().map(|it| SocketAddr::from((*it, port))).collect();
        prop_assert!(DestinationPolicy::default().judge_all("a.example", &addresses).is_err());
    }

    #[test]
    fn a_target_is_read_as_it_was_written_and_has_all_its_parts(
        text in mutated("https://user:pw@Api.Example.COM:8443/Hooks/../a%20b?c=ä&d=[1]#part".to_owned())
    ) {
        if let Ok(target) = Target::parse(&text) {
            prop_assert_eq!(Target::parse(target.as_str()), Ok(target.clone()));
            prop_assert!(target.as_str().len() <= TARGET_CHARACTERS_MAX && target.as_str().is_ascii());
            prop_assert!(!target.host().is_empty() && target.port() > 0);
            prop_assert!(target.url().username().is_empty() && target.url().password().is_none());
            prop_assert!(target.as_str().starts_with(&target.destination()), "{target}");
            let stored = serde_json::to_string(&target).unwrap();
            prop_assert_eq!(serde_json::from_str::<Target>(&stored).unwrap(), target);
        }
    }

    #[test]
    fn no_text_makes_the_reader_of_targets_stumble(text in "\\PC{0,80}|https?:[/\\\\]{0,3}[ -~]{0,80}", stored: bool) {
        let read = Target::parse(&text);
        if stored {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<Target>(&json).ok(), read.ok());
        }
    }
}

/// An entry of the list with what it means: a host, or a network, and perhaps a port.
#[derive(Debug, Clone)]
struct Opened {
    text: String,
    host: Option<String>,
    network: Option<(u32, u8)>,
    port: Option<u16>,
}

fn opened() -> impl Strategy<Value = Opened> {
    let host = "[a-z][a-z0-9]{0,5}(\\.[a-z]{1,5}){0,2}";
    let place = prop_oneof![
        host.prop_map(|host| (host.clone(), Some(host), None)),
        (private(), 8..=32_u8).prop_map(|(address, prefix)| {
            (format!("{address}/{prefix}"), None, Some((u32::from(address), prefix)))
        }),
        private().prop_map(|address| (address.to_string(), None, Some((u32::from(address), 32)))),
    ];
    (place, prop::option::of(any::<u16>())).prop_map(|((place, host, network), port)| Opened {
        text: port.map_or(place.clone(), |port| format!("{place}:{port}")),
        host,
        network,
        port,
    })
}

impl Opened {
    fn opens(&self, host: &str, port: u16, address: Ipv4Addr) -> bool {
        let by_network = self.network.is_some_and(|(network, prefix)| {
            (network ^ u32::from(address)).checked_shr(32 - u32::from(prefix)).unwrap_or(0) == 0
        });
        self.port.is_none_or(|only| only == port)
            && (self.host.as_deref() == Some(host) || by_network)
    }
}

proptest! {
    #![proptest_config(more(4))]

    #[test]
    fn a_list_opens_what_its_entries_say_and_nothing_else(
        entries in vec(opened(), 0..4), near: prop::sample::Index, bits in 0..4_u32, other in private(), port: u16
    ) {
        let text = entries.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>().join(" , ");
        let list = AllowList::parse(&text).unwrap();
        let policy = DestinationPolicy::new(list.clone(), None);
        // Places that the list is about, beside one that it is not.
        let chosen = (!entries.is_empty()).then(|| near.get(&entries));
        let address = chosen.and_then(|entry| entry.network).map_or(other, |(at, _)| Ipv4Addr::from(at ^ bits));
        let host = chosen.and_then(|entry| entry.host.clone()).unwrap_or_else(|| "z.example".to_owned());
        let port = chosen.and_then(|entry| entry.port).filter(|_| bits < 3).unwrap_or(port);
        for (host, address) in [(host.as_str(), address), (host.as_str(), other), ("z.example", address)] {
            let opens = entries.iter().any(|entry| entry.opens(host, port, address));
            prop_assert_eq!(list.allows(host, port, IpAddr::V4(address)), opens, "{} {} {}", text, host, address);
            prop_assert_eq!(list.allows(&fully_qualified(host), port, IpAddr::V4(address)), opens);
            let judged = policy.judge(host, SocketAddr::from((address, port)));
            let expected = if address.is_unspecified() {
                Err(Refusal::Unspecified(IpAddr::V4(address)))
            } else if opens {
                Ok(())
            } else {
                Err(Refusal::NotPublic(IpAddr::V4(address)))
            };
            prop_assert_eq!(judged, expected);
        }
    }

    /// A slip in a list is a refused start, never a list that opens everything.
    #[test]
    fn a_broken_list_is_refused_or_opens_little(
        text in vec(opened(), 1..4).prop_flat_map(|entries| {
            mutated(entries.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>().join(","))
        }), garbage in "[ -~]{0,40}|\\PC{0,20}"
    ) {
        let stranger = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x99));
        for text in [text, garbage] {
            if let Ok(list) = AllowList::parse(&text) && !text.contains(':') {
                prop_assert!(!list.allows("stranger.example", 443, stranger), "{text}");
            }
        }
    }
}
