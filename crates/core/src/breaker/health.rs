//! What an outcome says about the destination, which is not what it says about the message.

use crate::outcome::ErrorKind;

/// What an outcome says about its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It is there and does its work, whatever it thinks of the message.
    Good,
    /// It is away, or has more than it can do.
    Bad,
    /// Nothing: it was not called.
    Silent,
}

/// The table. An answer is a sign of life unless it says "not now": a target that answers 404 lives.
pub const fn health(result: Result<u16, ErrorKind>) -> Health {
    match result {
        Ok(408 | 429 | 500..=599) => Health::Bad,
        Ok(_) => Health::Good,
        Err(
            ErrorKind::Dns
            | ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::Timeout
            | ErrorKind::Network,
        ) => Health::Bad,
        Err(
            ErrorKind::AddressRefused
            | ErrorKind::BodyMissing
            | ErrorKind::BodyUnavailable
            | ErrorKind::BodyCorrupt
            | ErrorKind::Unknown,
        ) => Health::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_meaning() {
        let bad: Vec<u16> =
            (100..700).filter(|status| health(Ok(*status)) == Health::Bad).collect();
        let expected: Vec<u16> = [408, 429].into_iter().chain(500..600).collect();
        assert_eq!(bad, expected);
        let of = |wanted| {
            let kinds = ErrorKind::ALL.into_iter().filter(|kind| health(Err(*kind)) == wanted);
            kinds.map(ErrorKind::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(Health::Bad), "dns connect tls timeout network");
        assert_eq!(
            of(Health::Silent),
            "address_refused body_missing body_unavailable body_corrupt unknown"
        );
        assert_eq!(of(Health::Good), "");
    }
}
